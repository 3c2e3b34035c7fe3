import { expect, test } from 'vitest';
import { compose } from '../convert/compose-models.ts';
import { convert } from '../convert/convert.ts';
import { inspectModel } from '../inspect-model.ts';
import { buildModel, buildNode, buildTensor, buildValueInfo } from '../model/build.ts';
import type { ModelProto, NodeProto, TensorProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import { toFloat32 } from '../quantize/single-precision.ts';
import { hasFixtures, readFixture } from '../testing/fixtures.ts';
import { testRuntime } from '../testing/run-model.ts';
import { lowerOpset, toOpset } from './to-opset.ts';

const x = { name: 'x', datatype: 'FP32', shape: [2, 3], data: Float32Array.of(-4, -1.5, 0.25, 0.75, 2, 5) } as const;

/** x [n, 3] through one node to y of any shape. */
function model(node: NodeProto, initializers: readonly TensorProto[] = [], outputs = 1): ModelProto {
  const rank = new Array<null>(outputs).fill(null);
  return buildModel({
    nodes: [node, buildNode('Cast', [node.outputs[0] ?? ''], ['y'], { attributes: { to: 1n } })],
    initializers,
    inputs: [buildValueInfo('x', 'float', [null, 3])],
    outputs: [buildValueInfo('y', 'float', rank)],
  });
}

const axes = (...list: number[]): TensorProto => buildTensor('axes', 'int64', [list.length], list);

const rewritten: readonly (readonly [string, number, ModelProto])[] = [
  ['HardSwish', 13, model(buildNode('HardSwish', ['x'], ['r']), [], 2)],
  ['Gelu', 15, model(buildNode('Gelu', ['x'], ['r']), [], 2)],
  ['Gelu by tanh', 15, model(buildNode('Gelu', ['x'], ['r'], { attributes: { approximate: 'tanh' } }), [], 2)],
  [
    'LayerNormalization',
    15,
    model(
      buildNode('LayerNormalization', ['x', 's', 'b'], ['r'], { attributes: { axis: -1n, epsilon: 0.01 } }),
      [buildTensor('s', 'float', [3], [1, 2, 3]), buildTensor('b', 'float', [3], [0, 1, 0])],
      2,
    ),
  ],
  [
    'ReduceMean of an axis',
    13,
    model(buildNode('ReduceMean', ['x', 'axes'], ['r'], { attributes: { keepdims: 0n } }), [axes(1)], 1),
  ],
  ['ReduceMax of everything', 13, model(buildNode('ReduceMax', ['x'], ['r']), [], 2)],
  [
    'ReduceMax of nothing',
    13,
    model(buildNode('ReduceMax', ['x', 'axes'], ['r'], { attributes: { noop_with_empty_axes: 1n } }), [axes()], 2),
  ],
  [
    'Split',
    13,
    model(buildNode('Split', ['x'], ['r', 's', 't'], { attributes: { axis: 1n, num_outputs: 3n } }), [], 2),
  ],
  ['Shape from an axis', 13, model(buildNode('Shape', ['x'], ['r'], { attributes: { start: 1n } }), [], 1)],
  ['Shape to an axis', 13, model(buildNode('Shape', ['x'], ['r'], { attributes: { start: -2n, end: -1n } }), [], 1)],
  [
    'Reshape as before',
    13,
    model(buildNode('Reshape', ['x', 'axes'], ['r'], { attributes: { allowzero: 0n } }), [axes(-1)], 1),
  ],
  [
    'Reshape',
    13,
    model(buildNode('Reshape', ['x', 'axes'], ['r'], { attributes: { allowzero: 1n } }), [axes(-1, 2)], 2),
  ],
];

test.each(rewritten)('%s computes the same from opset %i on', async (_, first, original) => {
  const run = await testRuntime();
  const [expected] = await run(writeModel(original), [x]);
  for (let opset = first; opset <= 21; opset++) {
    const lowered = lowerOpset(original, opset);
    expect(lowered.opsetImport.find(({ domain }) => domain === '')?.version).toBe(BigInt(opset));
    const [found] = await run(writeModel(lowered), [x]);
    expect(found?.shape).toEqual(expected?.shape);
    for (const [i, value] of (found?.data ?? []).entries())
      expect(Number(value)).toBeCloseTo(Number(expected?.data[i]), 5);
  }
  expect(lowerOpset(original, 21)).toBe(original);
});

test('everything that needs a later opset is named at once, with the version', () => {
  const original = buildModel({
    nodes: [
      buildNode('Mish', ['x'], ['m']),
      buildNode('Pad', ['m', 'pads'], ['p'], { attributes: { mode: 'wrap' } }),
      buildNode('Trilu', ['p'], ['y']),
    ],
    initializers: [buildTensor('pads', 'int64', [4], [0, 0, 1, 1])],
    inputs: [buildValueInfo('x', 'float', [null, 3])],
    outputs: [buildValueInfo('y', 'float', [null, null])],
  });
  expect(() => lowerOpset(original, 13)).toThrow(
    'Opset 13 cannot express Mish (opset 18), Pad with mode wrap (opset 19), Trilu (opset 14).',
  );
  expect(lowerOpset(original, 19).irVersion).toBe(9);
});

test('a model of an older opset stays as it is, and opset 12 is refused', () => {
  const original = lowerOpset(model(buildNode('Neg', ['x'], ['r']), [], 2), 15);
  expect(lowerOpset(original, 20)).toBe(original);
  expect(() => lowerOpset(original, 12)).toThrow('Opsets 13 to 21 can be written, not 12.');
});

test.skipIf(!hasFixtures)('trees in float32 become those of older runtimes; in float64 they are refused', async () => {
  const { model: double } = await convert(readFixture('sklearn/dt_reg_diabetes/model.pkl'));
  expect(() => toOpset(double, 15)).toThrow(/TreeEnsemble in float64 .*--float32.* \(opset 21\)/);
  const single = toFloat32(double);
  const lowered = toOpset(single, 15);
  expect(inspectModel(lowered)).toMatchObject({ opsets: { 'ai.onnx': 15, 'ai.onnx.ml': 2 }, irVersion: 8 });
  const run = await testRuntime();
  const data = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i * 12.9898) / 8);
  const rows = { name: 'X', datatype: 'FP32', shape: [100, 10], data } as const;
  expect(await run(lowered, [rows])).toEqual(await run(single, [rows]));
});

test.skipIf(!hasFixtures)('convert writes the opset that is asked for, and equal bytes twice', async () => {
  const source = readFixture('sklearn/logreg_iris/model.pkl');
  const { model: found } = await convert(source, { opset: 16 });
  expect(inspectModel(found)).toMatchObject({ opsets: { 'ai.onnx': 16 }, irVersion: 8 });
  expect((await convert(source, { opset: 16 })).model).toEqual(found);
  const run = await testRuntime();
  const row = { name: 'X', datatype: 'FP64', shape: [1, 4], data: Float64Array.of(5, 3, 1.5, 0.2) } as const;
  expect(await run(found, [row])).toEqual(await run((await convert(source)).model, [row]));
});

test('models of different opsets are composed in the older one', async () => {
  const half = model(buildNode('ReduceMean', ['x', 'axes'], ['r']), [axes(1)], 2);
  const old = lowerOpset(model(buildNode('Neg', ['x'], ['r']), [], 2), 14);
  const { model: both } = compose([await convert(writeModel(old)), await convert(writeModel(half))]);
  expect(readModel(both).opsetImport).toEqual([{ domain: '', version: 14n }]);
  const [y] = await (await testRuntime())(both, [x]);
  expect(y?.data[1]).toBeCloseTo(-(0.75 + 2 + 5) / 3, 6);
});
