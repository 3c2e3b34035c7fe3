import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkModel } from '../../check/check-model.ts';
import { runTflite } from '../../engines/tflite-interpreter.ts';
import { OnnxError } from '../../onnx-error.ts';
import { buildTflite, type TestOperator, type TestSubgraph, type TestTensor } from '../../testing/build-tflite.ts';
import { hasFixtures, readFixture } from '../../testing/fixtures.ts';
import { int8, int32, text } from '../../testing/flat-writer.ts';
import { runOnnx } from '../../testing/run-onnx.ts';
import { convert } from '../convert.ts';

const real = (...shape: number[]): TestTensor => ({ type: 'FLOAT32', shape });
const number = (value: number): TestTensor => ({ type: 'FLOAT32', shape: [], values: [value] });
const truth: TestTensor = { type: 'BOOL', shape: [] };

const operator = (
  name: string,
  inputs: number[],
  outputs: number[],
  options?: TestOperator['options'],
): TestOperator => ({
  name,
  inputs,
  outputs,
  ...(options === undefined ? {} : { options }),
});

/** x + 1 and x * 3, the branches of an IF. */
const branches: readonly TestSubgraph[] = [
  {
    tensors: [real(3), number(1), real(3)],
    operators: [operator('ADD', [0, 1], [2], [11, {}])],
    inputs: [0],
    outputs: [2],
  },
  {
    tensors: [real(3), number(3), real(3)],
    operators: [operator('MUL', [0, 1], [2], [21, {}])],
    inputs: [0],
    outputs: [2],
  },
];

test.each([0, 1])('IF takes the branch of its condition %i', async condition => {
  const model = buildTflite([
    {
      tensors: [truth, real(3), real(3)],
      operators: [operator('IF', [0, 1], [2], [92, { 0: int32(1), 1: int32(2) }])],
      inputs: [0, 1],
      outputs: [2],
    },
    ...branches,
  ]);
  const inputs = [[condition], [1, -2, 0.5]];
  const converted = await convert(model);
  checkModel(converted.model);
  const [ours] = await runOnnx(converted.model, inputs);
  const [theirs] = await runTflite(model, inputs);
  expect(ours?.data).toEqual(theirs?.data);
});

test('WHILE goes on as long as its condition holds', async () => {
  const model = buildTflite([
    {
      tensors: [real(1), real(1)],
      operators: [operator('WHILE', [0], [1], [93, { 0: int32(1), 1: int32(2) }])],
      inputs: [0],
      outputs: [1],
    },
    {
      tensors: [real(1), number(100), { type: 'BOOL', shape: [1] }],
      operators: [operator('LESS', [0, 1], [2], [41, {}])],
      inputs: [0],
      outputs: [2],
    },
    {
      tensors: [real(1), number(3), real(1)],
      operators: [operator('MUL', [0, 1], [2], [21, {}])],
      inputs: [0],
      outputs: [2],
    },
  ]);
  const converted = await convert(model);
  checkModel(converted.model);
  for (const start of [1, 50, 200]) {
    const [ours] = await runOnnx(converted.model, [[start]]);
    const [theirs] = await runTflite(model, [[start]]);
    expect(ours?.data).toEqual(theirs?.data);
  }
});

test('a variable that an initializer assigns is a constant, one that the model changes is refused', async () => {
  const handle: TestTensor = { type: 'RESOURCE', shape: [] };
  const variable = operator('VAR_HANDLE', [], [1], [111, { 1: text('offset') }]);
  const initializer: TestSubgraph = {
    tensors: [number(5), handle],
    operators: [variable, operator('ASSIGN_VARIABLE', [1, 0], [], [113, {}])],
    inputs: [],
    outputs: [],
  };
  const main = (...more: TestOperator[]): TestSubgraph => ({
    tensors: [real(2), handle, real(), real(2)],
    operators: [
      operator('CALL_ONCE', [], [], [103, { 0: int32(1) }]),
      variable,
      operator('READ_VARIABLE', [1], [2], [112, {}]),
      operator('ADD', [0, 2], [3], [11, {}]),
      ...more,
    ],
    inputs: [0],
    outputs: [3],
  });
  const [ours] = await runOnnx((await convert(buildTflite([main(), initializer]))).model, [[1, 2]]);
  expect(ours?.data).toEqual([6, 7]);
  const changing = buildTflite([main(operator('ASSIGN_VARIABLE', [1, 3], [], [113, {}])), initializer]);
  await expect(convert(changing)).rejects.toThrow(/ASSIGN_VARIABLE .* state/);
});

test('the memory of an SVDF comes in and goes out, so that calls follow each other as in TFLite', async () => {
  const values = (length: number): number[] => Array.from({ length }, (_, i) => Math.fround(((i * 7) % 11) / 11 - 0.4));
  const model = buildTflite([
    {
      tensors: [
        real(2, 3),
        { ...real(8, 3), values: values(24) },
        { ...real(8, 5), values: values(40) },
        { ...real(4), values: values(4) },
        { ...real(2, 40), isVariable: true },
        real(2, 4),
      ],
      operators: [operator('SVDF', [0, 1, 2, 3, 4], [5], [6, { 0: int32(2), 1: int8(1) }])],
      inputs: [0],
      outputs: [5],
    },
  ]);
  const { model: onnx, report } = await convert(model);
  expect(report.inputs.map(({ name }) => name)).toEqual(['t0', 't4']);
  expect(report.outputs.map(({ name }) => name)).toEqual(['t5', 't4_next']);
  expect(report.notes.join(' ')).toContain('t4_next');
  const x = [0.5, -1, 2, 1, 0.25, -0.5];
  const first = await runOnnx(onnx, [x, new Array<number>(80).fill(0)]);
  const [theirs] = await runTflite(model, [x]);
  theirs!.data.forEach((value, i) => {
    expect(first[0]!.data[i]).toBeCloseTo(value, 6);
  });
  // By hand: the newest column of the memory is what came in, the older ones move on.
  const second = await runOnnx(onnx, [x, first[1]!.data]);
  expect(second[1]!.data[3]).toBeCloseTo(first[1]!.data[4]!, 6);
});

const dense = (open: readonly number[] | undefined): TestSubgraph => ({
  tensors: [
    { ...real(1, 4), ...(open === undefined ? {} : { open: [open[0]!, 4] }) },
    { ...real(3, 4), values: Array.from({ length: 12 }, (_, i) => i - 5) },
    { ...real(1, 3), ...(open === undefined ? {} : { open: [open[0]!, 3] }) },
  ],
  operators: [operator('FULLY_CONNECTED', [0, 1, -1], [2], [8, {}])],
  inputs: [0],
  outputs: [2],
});

test('an open batch stays open: no rows, one row and many rows agree', async () => {
  const { model, report } = await convert(buildTflite([dense([-1])]));
  expect(report.inputs[0]?.shape).toEqual(['batch', 4]);
  const row = [1, 2, 3, 4];
  const [one] = await runOnnx(model, [row], [[1, 4]]);
  const [none] = await runOnnx(model, [[]], [[0, 4]]);
  const [many] = await runOnnx(model, [Array.from({ length: 4000 }, (_, i) => row[i % 4]!)], [[1000, 4]]);
  expect(none?.dims).toEqual([0, 3]);
  expect(many?.data.slice(-3)).toEqual(one?.data);
});

test('a signature gives inputs and outputs their names, and is chosen by its key', async () => {
  const model = buildTflite([dense(undefined)], [{ key: 'classify', inputs: { features: 0 }, outputs: { scores: 2 } }]);
  const { report } = await convert(model, { signature: 'classify' });
  expect([report.inputs[0]?.name, report.outputs[0]?.name]).toEqual(['features', 'scores']);
  await expect(convert(model, { signature: 'train' })).rejects.toThrow(/"train"; it has classify/);
});

test('everything that does not convert is named at once', async () => {
  const model = buildTflite([
    {
      tensors: [real(2), real(2), real(2)],
      operators: [operator('MyFancyOp', [0], [1]), operator('RFFT2D', [1], [2], [105, {}])],
      inputs: [0],
      outputs: [2],
    },
  ]);
  await expect(convert(model)).rejects.toThrow(
    expect.objectContaining({ code: 'unsupported_source', unsupported: ['custom operator MyFancyOp', 'RFFT2D'] }),
  );
});

test('small integers as weights of real inputs are computed as reals, and the report says so', async () => {
  const weights: TestTensor = {
    type: 'INT8',
    shape: [3, 4],
    scale: 0.1,
    values: Array.from({ length: 12 }, (_, i) => i),
  };
  const model = buildTflite([
    {
      tensors: [real(1, 4), weights, real(1, 3)],
      operators: [operator('FULLY_CONNECTED', [0, 1, -1], [2], [8, {}])],
      inputs: [0],
      outputs: [2],
    },
  ]);
  const { model: onnx, report } = await convert(model);
  expect(report.notes.join(' ')).toContain('small integers');
  const [ours] = await runOnnx(onnx, [[1, 1, 1, 1]]);
  [0.6, 2.2, 3.8].forEach((value, i) => {
    expect(ours!.data[i]).toBeCloseTo(value, 5);
  });
});

test.skipIf(!hasFixtures)('real quantised and recurrent models agree with the official interpreter', async () => {
  for (const [path, size, kind] of [
    ['tflite/micro_speech_int8/micro_speech_quantized.tflite', 1960, 'int8'],
    ['tflite/mnist_lstm_float/trained_lstm.tflite', 28 * 28, 'float'],
  ] as const) {
    const source = readFixture(path);
    const { model } = await convert(source);
    expect(Buffer.compare(model, (await convert(source)).model)).toBe(0);
    for (const seed of [1, 2, 3]) {
      const x = fc
        .sample(fc.array(fc.integer({ min: -128, max: 127 }), { minLength: size, maxLength: size }), {
          seed,
          numRuns: 1,
        })[0]!
        .map(value => (kind === 'int8' ? value : Math.fround(value / 128)));
      const theirs = await runTflite(source, [x]);
      const ours = await runOnnx(model, [x]);
      theirs.forEach((output, i) => {
        const worst = Math.max(...output.data.map((value, k) => Math.abs(value - ours[i]!.data[k]!)));
        expect(worst, path).toBeLessThanOrEqual(kind === 'int8' ? 1 : 1e-5);
      });
    }
  }
});

/** A convolution with everything a file can be damaged in: vectors, scales, options, sparse weights. */
const small = buildTflite([
  {
    tensors: [
      { type: 'INT8', shape: [1, 4, 4, 2], scale: 0.1, zero: 3 },
      { type: 'INT8', shape: [3, 2, 2, 2], scale: [0.1, 0.2, 0.3], values: Array.from({ length: 24 }, (_, i) => i) },
      { type: 'INT32', shape: [3], scale: [0.01, 0.02, 0.03], values: [1, 2, 3] },
      { type: 'INT8', shape: [1, 4, 4, 3], scale: 0.4, zero: 1 },
      { type: 'INT32', shape: [2], values: [-1, 6] },
      { type: 'INT8', shape: [8, 6], scale: 0.4, zero: 1 },
    ],
    operators: [
      operator('CONV_2D', [0, 1, 2], [3], [1, { 0: int8(0), 1: int32(1), 2: int32(1), 3: int8(1) }]),
      operator('RESHAPE', [3, 4], [5], [17, {}]),
    ],
    inputs: [0],
    outputs: [5],
  },
]);

async function surviveMutations(original: Uint8Array, runs: number): Promise<void> {
  const edit = fc.tuple(fc.nat(original.length - 1), fc.integer({ min: 0, max: 255 }));
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.nat(original.length), async (edits, cut) => {
      const bytes = cut % 5 === 0 ? original.slice(0, cut) : original.slice();
      for (const [at, byte] of edits) if (at < bytes.length) bytes[at] = byte;
      try {
        await convert(bytes);
      } catch (error) {
        if (!(error instanceof OnnxError)) throw error;
      }
    }),
    { seed: 29, numRuns: runs },
  );
}

test('a mutated model gives a model or an OnnxError, never another exception', async () => {
  await surviveMutations(small, 1500);
});

test.skipIf(!hasFixtures)('mutated real models give a model or an OnnxError', async () => {
  for (const path of [
    'tflite/mnist_lstm_float/trained_lstm.tflite',
    'tflite/hello_world_int8/hello_world_int8.tflite',
    'tflite-ops/transposeconv-samepad-stride2.float32/model.tflite',
    'tflite-ops/stridedslice-stride.float32/model.tflite',
  ])
    await surviveMutations(readFixture(path), 200);
});
