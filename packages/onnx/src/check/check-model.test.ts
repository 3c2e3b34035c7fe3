import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inspectModel } from '../inspect-model.ts';
import { buildModel, buildNode, buildTensor, buildValueInfo, type ModelParts } from '../model/build.ts';
import type { ModelProto, NodeProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import { OnnxError } from '../onnx-error.ts';
import { prepareModel } from '../prepare/prepare-model.ts';
import { sniffFile } from '../sniff/sniff-file.ts';
import { fixturePaths, hasFixtures, readFixture } from '../testing/fixtures.ts';
import { checkModel } from './check-model.ts';

const xy = { inputs: [buildValueInfo('x', 'float', [4])], outputs: [buildValueInfo('y', 'float', [4])] };
const checked = (
  parts: Partial<ModelParts>,
  edit: (model: ModelProto) => ModelProto = model => model,
): (() => unknown) => {
  const model = edit(buildModel({ ...xy, nodes: [], ...parts }));
  return () => checkModel(writeModel(model));
};
const relu = (from: string, to: string): NodeProto => buildNode('Relu', [from], [to]);
const local = (name: string, calls: readonly string[]): ModelProto['functions'][number] => ({
  name,
  domain: 'local',
  overload: '',
  docString: '',
  inputs: ['a'],
  outputs: ['b'],
  attributes: [],
  attributeProtos: [],
  nodes: calls.map((call, i) =>
    buildNode(call, [i === 0 ? 'a' : `t${i}`], [i === calls.length - 1 ? 'b' : `t${i + 1}`], {
      domain: call === 'Relu' ? '' : 'local',
    }),
  ),
  opsetImport: [{ domain: '', version: 21n }],
  unknown: [],
});

test.each([
  ['cycle', checked({ nodes: [buildNode('Add', ['x', 'b'], ['a']), relu('a', 'b'), relu('b', 'y')] })],
  ['duplicate_output', checked({ nodes: [relu('x', 'y'), relu('x', 'y')] })],
  ['dangling_input', checked({ nodes: [relu('z', 'y')] })],
  ['unsupported_op', checked({ nodes: [buildNode('FlashFoo', ['x'], ['y'])] })],
  ['unsupported_domain', checked({ nodes: [buildNode('Foo', ['x'], ['y'], { domain: 'evil.ops' })] })],
  ['unsupported_ir', checked({ nodes: [relu('x', 'y')] }, model => ({ ...model, irVersion: 14 }))],
  [
    'unsupported_opset',
    checked({ nodes: [relu('x', 'y')] }, model => ({ ...model, opsetImport: [{ domain: '', version: 27n }] })),
  ],
  [
    'missing_data',
    checked({
      nodes: [buildNode('Add', ['x', 'w'], ['y'])],
      initializers: [{ ...buildTensor('w', 'float', [1], [1]), dims: [1000n] }],
    }),
  ],
  [
    'too_large',
    checked({
      nodes: [buildNode('Add', ['x', 'w'], ['y'])],
      initializers: [{ ...buildTensor('w', 'float', [1], [1]), dims: [65536n, 65536n] }],
    }),
  ],
  [
    'malformed',
    checked({
      nodes: [buildNode('Add', ['x', 'w'], ['y'])],
      initializers: [{ ...buildTensor('w', 'float', [1], [1]), dims: [-1n] }],
    }),
  ],
  [
    'cycle',
    checked({ nodes: [buildNode('F', ['x'], ['y'], { domain: 'local' })] }, model => ({
      ...model,
      functions: [local('F', ['F'])],
    })),
  ],
  [
    'too_large',
    checked({ nodes: [buildNode('F20', ['x'], ['y'], { domain: 'local' })] }, model => ({
      ...model,
      functions: Array.from({ length: 21 }, (_, i) => local(`F${i}`, i === 0 ? ['Relu'] : [`F${i - 1}`, `F${i - 1}`])),
    })),
  ],
  [
    'constant_bomb',
    checked({
      initializers: [buildTensor('c', 'float', [1024], new Float32Array(1024))],
      nodes: [
        ...Array.from({ length: 20 }, (_, i) =>
          buildNode('Concat', [i === 0 ? 'c' : `d${i}`, i === 0 ? 'c' : `d${i}`], [`d${i + 1}`], {
            attributes: { axis: 0n },
          }),
        ),
        buildNode('Add', ['x', 'd20'], ['y']),
      ],
    }),
  ],
  [
    'constant_bomb',
    checked({
      initializers: [buildTensor('s', 'int64', [2], [6000, 6000])],
      nodes: [
        buildNode('ConstantOfShape', ['s'], ['m']),
        buildNode('MatMul', ['m', 'm'], ['p']),
        buildNode('Add', ['x', 'p'], ['y']),
      ],
    }),
  ],
] as const)('%s is found before anything is loaded (%#)', (code, run) => {
  expect(run).toThrow(expect.objectContaining({ name: 'OnnxError', code }));
});

test('all unknown operators are listed at once, with their nodes', () => {
  const run = checked({
    nodes: [buildNode('Foo', ['x'], ['a'], { name: 'n1' }), buildNode('Bar', ['a'], ['y'], { name: 'n2' })],
  });
  expect(run).toThrow(expect.objectContaining({ unsupported: ['Foo at node "n1"', 'Bar at node "n2"'] }));
});

test('external data is allowed only inside a given file that is long enough', () => {
  const external = {
    ...buildTensor('w', 'float', [4], [0, 0, 0, 0]),
    isExternal: true,
    externalData: [{ key: 'location', value: 'w.bin' }],
  };
  const { rawData: _, ...tensor } = external;
  const bytes = writeModel(buildModel({ ...xy, nodes: [buildNode('Add', ['x', 'w'], ['y'])], initializers: [tensor] }));
  expect(inspectModel(bytes).externalData).toEqual(['w.bin']);
  expect(checkModel(bytes, { externalFiles: new Map([['w.bin', 16]]) })).toEqual({ leftToRuntime: [] });
  expect(() => checkModel(bytes, { externalFiles: new Map([['w.bin', 15]]) })).toThrow(/too short/);
  expect(() => checkModel(bytes)).toThrow(expect.objectContaining({ code: 'external_data' }));
});

test.skipIf(!hasFixtures)('every hostile model is refused, every real one passes', () => {
  for (const path of fixturePaths('hostile', '.onnx'))
    expect(() => checkModel(readFixture(path)), path).toThrow(OnnxError);
  for (const path of [...fixturePaths('onnx', '.onnx'), ...fixturePaths('torch', '.onnx')])
    expect(() => checkModel(readFixture(path)), path).not.toThrow();
});

test.skipIf(!hasFixtures)(
  'reading and writing a real model loses nothing',
  () => {
    for (const path of fixturePaths('onnx', '.onnx')) {
      const first = writeModel(readModel(readFixture(path)));
      expect(readModel(first), path).toEqual(readModel(readFixture(path)));
      expect(Buffer.compare(writeModel(readModel(first)), first)).toBe(0);
    }
  },
  60_000,
);

const seed = writeModel(
  buildModel({
    inputs: [buildValueInfo('x', 'float', ['n', 4])],
    outputs: [buildValueInfo('y', 'float', ['n', 2])],
    initializers: [buildTensor('w', 'float', [4, 2], [1, 2, 3, 4, 5, 6, 7, 8]), buildTensor('s', 'string', [1], ['a'])],
    nodes: [
      buildNode('MatMul', ['x', 'w'], ['h'], { name: 'mm' }),
      buildNode('Softmax', ['h'], ['y'], { attributes: { axis: -1n, names: ['a', 'b'], f: 0.5 } }),
    ],
    metadata: [{ key: 'k', value: 'v' }],
  }),
);

test('a mutated or truncated model gives a result or an OnnxError, never another exception', () => {
  const edit = fc.tuple(fc.nat(seed.length - 1), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 6 }), fc.nat(seed.length), (edits, keep) => {
      const bytes = seed.slice(0, edits.length % 2 === 0 ? seed.length : keep);
      for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
      sniffFile(bytes);
      for (const run of [inspectModel, checkModel, prepareModel]) {
        try {
          run(bytes);
        } catch (error) {
          if (!(error instanceof OnnxError)) throw error;
        }
      }
    }),
    { seed: 7, numRuns: 3000 },
  );
});

test('any bytes at all are named or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      sniffFile(bytes);
      expect(() => inspectModel(bytes)).toThrow(OnnxError);
    }),
    { seed: 3, numRuns: 1000 },
  );
});
