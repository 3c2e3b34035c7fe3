import { expect, test } from 'vitest';
import { buildModel, buildNode, buildTensor, buildValueInfo } from '../model/build.ts';
import { writeModel } from '../model/write-model.ts';
import { hasFixtures, readFixture } from '../testing/fixtures.ts';
import { testRuntime } from '../testing/run-model.ts';
import { compose } from './compose-models.ts';
import { convert } from './convert.ts';

/** x * 2 in float64 over `columns` columns. */
const doubler = (columns: number): Uint8Array =>
  writeModel(
    buildModel({
      nodes: [buildNode('Mul', ['X', 'two'], ['transformed'])],
      initializers: [buildTensor('two', 'double', [], [2])],
      inputs: [buildValueInfo('X', 'double', ['batch', columns])],
      outputs: [buildValueInfo('transformed', 'double', ['batch', columns])],
    }),
  );

/** Sum of three columns in float32, with values of the same names as the doubler's. */
const adder = writeModel(
  buildModel({
    nodes: [buildNode('ReduceSum', ['X', 'two'], ['sum'], { attributes: { keepdims: 0n } })],
    initializers: [buildTensor('two', 'int64', [1], [1])],
    inputs: [buildValueInfo('X', 'float', ['batch', 3])],
    outputs: [buildValueInfo('sum', 'float', ['batch'])],
  }),
);

test('outputs become inputs, with a cast, and equal names of both sides do not meet', async () => {
  const { model, report } = compose([await convert(doubler(3)), await convert(adder)]);
  const run = await testRuntime();
  const [sum] = await run(model, [
    { name: 'X', datatype: 'FP64', shape: [2, 3], data: Float64Array.of(1, 2, 3, 4, 5, 6) },
  ]);
  expect(sum).toMatchObject({ name: 'sum', data: Float32Array.of(12, 30) });
  expect(report.inputs).toEqual([{ name: 'X', dtype: 'FP64', shape: ['batch', 3] }]);
});

test('models that do not fit are refused with both sides named', async () => {
  const stages = [await convert(doubler(4)), await convert(adder)];
  expect(() => compose(stages)).toThrow(/gives 4 columns, but the next takes 3 in "X"/);
});

test.skipIf(!hasFixtures)('class labels and column counts of real files survive', async () => {
  const scaler = await convert(readFixture('sklearn/standard_scaler_only/model.pkl'));
  const classifier = await convert(readFixture('xgboost/binary_cancer/model.json'));
  const { report, model } = compose([scaler, classifier]);
  expect(report.inputs).toEqual([{ name: 'X', dtype: 'FP64', shape: ['batch', 30] }]);
  expect(report.outputs.map(output => output.name)).toEqual(['label', 'probabilities']);
  expect(report.classes).toEqual(classifier.report.classes);
  const run = await testRuntime();
  const row = Float64Array.from({ length: 30 }, (_, i) => i * 3);
  const input = { name: 'X', datatype: 'FP64', shape: [1, 30], data: row } as const;
  const [scaled] = await run(scaler.model, [input]);
  const apart = await run(classifier.model, [
    { name: 'X', datatype: 'FP32', shape: [1, 30], data: Float32Array.from(scaled!.data, Number) },
  ]);
  expect(await run(model, [input])).toEqual(apart);
});
