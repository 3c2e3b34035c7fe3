import { expect, test } from 'vitest';
import { inspectModel } from '../inspect-model.ts';
import { buildModel, buildNode, buildTensor, buildValueInfo } from '../model/build.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import { convert } from './convert.ts';

const weights = buildTensor('w', 'float', [2], [3, 4]);
const { rawData, ...withoutData } = weights;
const external = {
  ...withoutData,
  isExternal: true,
  externalData: [
    { key: 'location', value: 'w.bin' },
    { key: 'offset', value: '4' },
  ],
};

const twoOutputs = writeModel(
  buildModel({
    nodes: [buildNode('Mul', ['x', 'w'], ['y']), buildNode('Add', ['x', 'b'], ['z'])],
    initializers: [external, buildTensor('b', 'float', [2], [1, 1])],
    inputs: [buildValueInfo('x', 'float', ['batch', 2])],
    outputs: [buildValueInfo('y', 'float', ['batch', 2]), buildValueInfo('z', 'float', ['batch', 2])],
  }),
);

const files = [
  { name: 'model.onnx', bytes: twoOutputs },
  { name: 'w.bin', bytes: Uint8Array.from([9, 9, 9, 9, ...(rawData ?? [])]) },
];

test('tensor data beside an ONNX model is taken in from its offset, and only from the files given', async () => {
  const { model, report } = await convert(files);
  expect(inspectModel(model).externalData).toEqual([]);
  expect(readModel(model).graph.initializers[0]?.rawData).toEqual(rawData);
  expect(report.notes.join()).toContain('w.bin');
  await expect(convert(twoOutputs)).rejects.toThrow(expect.objectContaining({ code: 'external_data' }));
  await expect(
    convert([
      { name: 'model.onnx', bytes: twoOutputs },
      { name: 'w.bin', bytes: new Uint8Array(6) },
    ]),
  ).rejects.toThrow(/too short/);
});

test('only the asked outputs stay, without what only the others need', async () => {
  const { model } = await convert(files, { outputs: ['z'] });
  const { graph } = readModel(model);
  expect(graph.outputs.map(output => output.name)).toEqual(['z']);
  expect(graph.nodes.map(node => node.opType)).toEqual(['Add']);
  expect(graph.initializers.map(tensor => tensor.name)).toEqual(['b']);
  await expect(convert(files, { outputs: ['q'] })).rejects.toThrow(/it has y, z/);
});
