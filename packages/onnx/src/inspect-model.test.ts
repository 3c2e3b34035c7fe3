import { expect, test } from 'vitest';
import { inspectModel } from './inspect-model.ts';
import { buildModel, buildNode, buildTensor, buildValueInfo } from './model/build.ts';
import { writeModel } from './model/write-model.ts';
import { prepareModel } from './prepare/prepare-model.ts';
import { fixturePaths, hasFixtures, readFixture } from './testing/fixtures.ts';

test('an initialiser is not an input, and dims keep their number, symbol or absence', () => {
  const model = buildModel({
    nodes: [buildNode('MatMul', ['x', 'w'], ['y'])],
    initializers: [buildTensor('w', 'float', [3, 2], [1, 2, 3, 4, 5, 6])],
    inputs: [buildValueInfo('x', 'float', ['batch', 3]), buildValueInfo('w', 'float', [3, 2])],
    outputs: [buildValueInfo('y', 'float', [null, 2])],
    metadata: [{ key: 'holdfast.feature_names', value: '["a","b","c"]' }],
  });
  const found = inspectModel(writeModel(model));
  expect(found.signature).toEqual({
    inputs: [{ name: 'x', dtype: 'FP32', shape: ['batch', 3] }],
    outputs: [{ name: 'y', dtype: 'FP32', shape: [null, 2] }],
  });
  expect(found.featureNames).toEqual(['a', 'b', 'c']);
  expect(found.opsets).toEqual({ 'ai.onnx': 21, 'ai.onnx.ml': 5 });
});

test.each([
  ["['age', \"driver's income\"]", ['age', "driver's income"]],
  ['age, income', ['age', 'income']],
  ['["age"]', undefined],
  ["['age', open('x')]", undefined],
])('names of columns are read from %s, where there are as many as columns', (value, names) => {
  const model = buildModel({
    nodes: [buildNode('Identity', ['x'], ['y'])],
    inputs: [buildValueInfo('x', 'float', ['batch', 2])],
    outputs: [buildValueInfo('y', 'float', ['batch', 2])],
    metadata: [{ key: 'feature_names', value }],
  });
  expect(inspectModel(writeModel(model)).featureNames).toEqual(names);
});

test('an undeclared rank is undefined and an undeclared type is refused', () => {
  const output = buildValueInfo('y', 'float', []);
  const open = { ...output, type: { kind: 'tensor' as const, elemType: 1, unknown: [] } };
  const base = { nodes: [buildNode('Identity', ['x'], ['y'])], inputs: [buildValueInfo('x', 'float', [])] };
  expect(
    inspectModel(writeModel(buildModel({ ...base, outputs: [open] }))).signature.outputs[0]?.shape,
  ).toBeUndefined();
  const { type: _, ...untyped } = output;
  expect(() => inspectModel(writeModel(buildModel({ ...base, outputs: [untyped] })))).toThrow(
    expect.objectContaining({ code: 'non_tensor_io' }),
  );
});

const ortTypes: Readonly<Record<string, string>> = {
  FP32: 'float32',
  FP64: 'float64',
  FP16: 'float16',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  BOOL: 'bool',
  BYTES: 'string',
};

// These need bfloat16 or a custom operator, which ONNX Runtime refuses to load.
const notLoadable = /go_example_(float16|several_inputs_and_outputs)/;

test.skipIf(!hasFixtures)('the signature of real models is what ONNX Runtime reports', async () => {
  const { InferenceSession } = await import('onnxruntime-node');
  const paths = [
    ...fixturePaths('onnx', '.onnx'),
    ...fixturePaths('torch', '.onnx'),
    'examples/flight-delay/model.onnx',
  ];
  let compared = 0;
  for (const path of paths.filter(name => !notLoadable.test(name))) {
    const { bytes } = prepareModel(readFixture(path));
    const { signature } = inspectModel(bytes);
    const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled', logSeverityLevel: 4 });
    for (const [ours, theirs] of [
      [signature.inputs, session.inputMetadata],
      [signature.outputs, session.outputMetadata],
    ] as const) {
      expect(
        ours.map(tensor => tensor.name),
        path,
      ).toEqual(theirs.map(item => item.name));
      ours.forEach((tensor, i) => {
        const meta = theirs[i]!;
        if (!meta.isTensor) throw new Error(`${path}: ${tensor.name} is no tensor for ONNX Runtime`);
        expect(ortTypes[tensor.dtype], `${path} ${tensor.name}`).toBe(meta.type);
        if (tensor.shape !== undefined)
          expect(
            tensor.shape.map(size => size ?? ''),
            `${path} ${tensor.name}`,
          ).toEqual(meta.shape.map(size => (size === -1 ? '' : size)));
        compared++;
      });
    }
    await session.release();
  }
  expect(compared).toBeGreaterThan(60);
});
