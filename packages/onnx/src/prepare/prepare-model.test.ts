import { expect, test } from 'vitest';
import { inspectModel } from '../inspect-model.ts';
import { buildModel, buildNode, buildTensor, buildValueInfo } from '../model/build.ts';
import type { ValueInfoProto } from '../model/proto.ts';
import { writeModel } from '../model/write-model.ts';
import { prepareModel } from './prepare-model.ts';

const sequenceOfMaps: ValueInfoProto = {
  name: 'probabilities',
  docString: '',
  type: { kind: 'sequence', elem: { kind: 'map', keyType: 7, unknown: [] }, unknown: [] },
  unknown: [],
};

test('ZipMap becomes a plain tensor under the same output name, and its labels survive as metadata', () => {
  const model = writeModel(
    buildModel({
      nodes: [
        buildNode('Softmax', ['x'], ['p']),
        buildNode('ZipMap', ['p'], ['probabilities'], {
          domain: 'ai.onnx.ml',
          attributes: { classlabels_int64s: [3n, 5n] },
        }),
      ],
      inputs: [buildValueInfo('x', 'float', ['n', 2])],
      outputs: [sequenceOfMaps],
    }),
  );
  expect(() => inspectModel(model)).toThrow(expect.objectContaining({ code: 'non_tensor_io' }));
  const prepared = prepareModel(model);
  const found = inspectModel(prepared.bytes);
  expect(found.signature.outputs).toEqual([{ name: 'probabilities', dtype: 'FP32', shape: [null, 2] }]);
  expect(found.metadata['holdfast.classes']).toBe('[3,5]');
  expect(prepared.changes).toHaveLength(1);
  const again = prepareModel(prepared.bytes);
  expect(again.changes).toEqual([]);
  expect(again.bytes).toBe(prepared.bytes);
});

test('a StringNormalizer that needs en_US loads in ONNX Runtime after the rewrite', async () => {
  const model = writeModel(
    buildModel({
      nodes: [
        buildNode('StringNormalizer', ['x'], ['y'], {
          attributes: { case_change_action: 'LOWER', locale: 'xx_YY.nowhere' },
        }),
      ],
      inputs: [buildValueInfo('x', 'string', [1])],
      outputs: [buildValueInfo('y', 'string', [1])],
    }),
  );
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  await expect(InferenceSession.create(model, { logSeverityLevel: 4 })).rejects.toThrow(/locale/i);
  const prepared = prepareModel(model);
  expect(prepared.changes).toHaveLength(1);
  expect(prepareModel(prepared.bytes).changes).toEqual([]);
  const session = await InferenceSession.create(prepared.bytes, { logSeverityLevel: 4 });
  const { y } = await session.run({ x: new Tensor('string', ['É-ABC'], [1]) });
  expect(y?.data).toEqual(['é-abc']);
});

test('a sequence output is dropped with a note, unless it is the only one', () => {
  const sequence = { ...sequenceOfMaps, name: 's' };
  const parts = {
    nodes: [buildNode('Identity', ['x'], ['y']), buildNode('SplitToSequence', ['x'], ['s'])],
    inputs: [buildValueInfo('x', 'float', [2])],
    initializers: [buildTensor('unused', 'float', [1], [1])],
  };
  const prepared = prepareModel(
    writeModel(buildModel({ ...parts, outputs: [buildValueInfo('y', 'float', [2]), sequence] })),
  );
  expect(inspectModel(prepared.bytes).signature.outputs.map(output => output.name)).toEqual(['y']);
  expect(prepared.changes[0]).toContain('"s"');
  expect(() => prepareModel(writeModel(buildModel({ ...parts, outputs: [sequence] })))).toThrow(
    expect.objectContaining({ code: 'non_tensor_io' }),
  );
});

test('bfloat16 inputs and outputs become float32 of the same names, also where a sub-graph reads them', async () => {
  const brain = (name: string): ValueInfoProto => ({
    name,
    docString: '',
    type: { kind: 'tensor', elemType: 16, shape: [{ size: 2n, unknown: [] }], unknown: [] },
    unknown: [],
  });
  const branch = (name: string) =>
    buildModel({
      name,
      nodes: [buildNode('Identity', ['x'], [`${name}_y`])],
      inputs: [],
      outputs: [{ ...brain(`${name}_y`) }],
    }).graph;
  const model = writeModel(
    buildModel({
      nodes: [
        buildNode('If', ['c'], ['y'], { attributes: { then_branch: branch('a'), else_branch: branch('b') } }),
        buildNode('Cast', ['y'], ['z'], { attributes: { to: 1n } }),
      ],
      inputs: [brain('x'), buildValueInfo('c', 'bool', [1])],
      outputs: [brain('y'), buildValueInfo('z', 'float', [2])],
    }),
  );
  const prepared = prepareModel(model);
  expect(inspectModel(prepared.bytes).signature).toMatchObject({
    inputs: [{ name: 'x', dtype: 'FP32' }, { name: 'c' }],
    outputs: [{ name: 'y', dtype: 'FP32' }, { name: 'z' }],
  });
  expect(prepareModel(prepared.bytes).changes).toEqual([]);
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(prepared.bytes, { logSeverityLevel: 4 });
  const { y, z } = await session.run({ x: new Tensor('float32', [1.01, -3], [2]), c: new Tensor('bool', [1], [1]) });
  // 1.01 with the 8 bits of bfloat16.
  expect([y?.data, z?.data]).toEqual([Float32Array.of(1.0078125, -3), Float32Array.of(1.0078125, -3)]);
});

test('a dimension declared as 0 is taken as unknown, so that the runtime accepts rows', async () => {
  const model = writeModel(
    buildModel({
      nodes: [buildNode('Neg', ['x'], ['y'])],
      inputs: [buildValueInfo('x', 'float', [0, 2])],
      outputs: [buildValueInfo('y', 'float', [0, 2])],
    }),
  );
  const prepared = prepareModel(model);
  expect(prepared.changes).toHaveLength(2);
  expect(inspectModel(prepared.bytes).signature.inputs[0]?.shape).toEqual([null, 2]);
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(prepared.bytes, { logSeverityLevel: 4 });
  const { y } = await session.run({ x: new Tensor('float32', [1, 2], [1, 2]) });
  expect(y?.data).toEqual(Float32Array.of(-1, -2));
});
