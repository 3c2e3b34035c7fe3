import { expect, test } from 'vitest';
import { inspectModel } from './inspect-model.ts';
import { buildModel, buildNode, buildTensor, buildValueInfo } from './model/build.ts';
import type { ValueInfoProto } from './model/proto.ts';
import { writeModel } from './model/write-model.ts';
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
