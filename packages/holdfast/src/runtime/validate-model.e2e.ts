import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { attribute, elementTypes, graph, initializer, model, node, type Proto, value } from './fixtures/onnx-bytes.ts';
import { fixturePath } from './fixtures/targets.ts';
import { validateModel } from './validate-model.ts';

const hostile = join(import.meta.dirname, '../../../../../shared/models/hostile');
const hostileFiles = existsSync(hostile) ? readdirSync(hostile).filter(name => name.startsWith('onnx_')) : [];

test.skipIf(hostileFiles.length === 0)('every hostile ONNX file is refused with a sentence', async () => {
  for (const name of hostileFiles) {
    const refused = validateModel(join(hostile, name), { timeoutMs: 5000 });
    await expect(refused, name).rejects.toMatchObject({
      code: 'model_rejected',
      message: expect.stringMatching(/^The model was refused: .{20,}/),
    });
  }
});

test('a good model comes back with signature, times, and rows that share runs', async () => {
  const bytes = readFileSync(fixturePath('mlp-30-64-1'));
  const result = await validateModel(bytes);
  expect(result).toMatchObject({
    bytes,
    changes: [],
    inputs: [{ name: 'features', datatype: 'FP32', shape: [-1, 30], optional: false }],
    outputs: [{ name: 'score', datatype: 'FP32', shape: [-1, 1], optional: false }],
    facts: { producer: 'holdfast-fixtures', opsets: 'ai.onnx 17', irVersion: '8', nodes: '4' },
    golden: { sharesRuns: 'yes', notes: [] },
  });
  expect(result.loadMs).toBeGreaterThan(0);
  expect(result.golden.runs.map(run => run.batch)).toEqual([1, 8, 1, 1]);
});

test('every dtype passes validation', async () => {
  const { inputs, golden } = await validateModel(fixturePath('identity-all'));
  expect(inputs.length).toBe(13);
  expect(golden.sharesRuns).toBe('yes');
});

test('the validator leaves nothing in the temporary folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-validation-test-'));
  vi.stubEnv('TMPDIR', folder);
  try {
    await validateModel(fixturePath('crash'));
    await expect(validateModel(endlessAtRunTime(), { timeoutMs: 600 })).rejects.toThrow();
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  }
});

/** A graph over x [n, 1] whose node list ends in y. */
function overX(nodes: readonly Proto[], initializers: readonly Proto[] = []): Uint8Array {
  return model({
    nodes,
    inputs: [value('x', 'FP32', ['n', 1])],
    outputs: [value('y', 'FP32', ['n', 1])],
    initializers,
  });
}

/** A loop whose count, 1e15 whatever the input, is known only while it runs. */
function endlessAtRunTime(): Uint8Array {
  const body = graph({
    nodes: [node('Identity', ['go'], ['goes']), node('Identity', ['v'], ['w'])],
    inputs: [value('i', 'INT64', []), value('go', 'BOOL', []), value('v', 'FP32', ['n', 1])],
    outputs: [value('goes', 'BOOL', []), value('w', 'FP32', ['n', 1])],
  });
  return overX(
    [
      node('ReduceMin', ['x'], ['least'], [attribute('keepdims', 0)]),
      node('Cast', ['least'], ['whole'], [attribute('to', elementTypes.INT64)]),
      node('Add', ['whole', 'many'], ['turns']),
      node('Loop', ['turns', '', 'x'], ['y'], [attribute('body', { graph: body })]),
    ],
    [initializer('many', 'INT64', [], BigInt64Array.of(10n ** 15n))],
  );
}

test('a loop that never ends at run time is ended by the time limit', async () => {
  await expect(validateModel(endlessAtRunTime(), { timeoutMs: 1000 })).rejects.toMatchObject({
    code: 'model_rejected',
    message: expect.stringMatching(/did not finish within 1 s on a golden request/),
  });
});

test('a graph that kills the runtime on a golden request is refused with the signal', async () => {
  const killer = overX(
    [
      node('Squeeze', ['x', 'last'], ['column']),
      node('Less', ['column', 'floor'], ['never']),
      node('Compress', ['x', 'never'], ['kept'], [attribute('axis', 0)]),
      node('TopK', ['kept', 'one'], ['top', 'where']),
      node('ReduceSum', ['top'], ['sum'], [attribute('keepdims', 0)]),
      node('Add', ['x', 'sum'], ['y']),
    ],
    [
      initializer('last', 'INT64', [1], BigInt64Array.of(1n)),
      initializer('floor', 'FP32', [1], Float32Array.of(-1e9)),
      initializer('one', 'INT64', [1], BigInt64Array.of(1n)),
    ],
  );
  await expect(validateModel(killer)).rejects.toThrow(/ended by signal SIGFPE on a golden request/);
});

test.skipIf(!existsSync('/usr/bin/prlimit'))(
  'a graph that takes more memory than allowed is refused or noted',
  async () => {
    const greedy = overX(
      [
        node('ReduceMin', ['x'], ['least'], [attribute('axes', [0, 1])]),
        node('Cast', ['least'], ['whole'], [attribute('to', elementTypes.INT64)]),
        node('Add', ['whole', 'many'], ['size']),
        node('Squeeze', ['size', 'front'], ['sizes']),
        node('Expand', ['unit', 'sizes'], ['wide']),
        node('ReduceMean', ['wide'], ['mean'], [attribute('keepdims', 0)]),
        node('Mul', ['x', 'mean'], ['y']),
      ],
      [
        initializer('many', 'INT64', [1], BigInt64Array.of(2n ** 31n)),
        initializer('front', 'INT64', [1], BigInt64Array.of(0n)),
        initializer('unit', 'FP32', [1], Float32Array.of(1)),
      ],
    );
    await expect(validateModel(greedy, { memoryBytes: 256 * 2 ** 20 })).rejects.toThrow(
      /needs more than the 256 MiB of memory that are allowed/,
    );
  },
);

test('an input without a declared rank is refused, because its requests could not be checked', async () => {
  const rankless = model({
    nodes: [node('Identity', ['x'], ['y'])],
    inputs: [value('x', 'FP32')],
    outputs: [value('y', 'FP32')],
  });
  await expect(validateModel(rankless)).rejects.toThrow(/"x" does not declare its shape/);
});

test('a file whose declared output is not what the runtime computes is refused', async () => {
  const liar = model({
    nodes: [node('Identity', ['x'], ['y'])],
    inputs: [value('x', 'FP32', ['n', 1])],
    outputs: [value('y', 'INT64', ['n', 1])],
  });
  await expect(validateModel(liar)).rejects.toMatchObject({ code: 'model_rejected' });
});

const flight = join(import.meta.dirname, '../../../../examples/flight-delay/model.onnx');

test.skipIf(!existsSync(flight))('the example model passes and shares runs', async () => {
  const { inputs, outputs, golden } = await validateModel(flight);
  expect(inputs.map(input => input.datatype)).toEqual([...new Array<string>(6).fill('FP32'), 'BYTES', 'BYTES']);
  expect(outputs.map(output => output.name)).toEqual(['label', 'probabilities']);
  expect(golden.sharesRuns).toBe('yes');
});
