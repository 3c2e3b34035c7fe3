// Memory of all processes of a server before a version with large constants is deployed, while it answers, and after it was
// removed. Prints both differences in shares of the constants (bar: at most a tenth stays). Usage: version-memory
// [--megabytes 128] [--rounds 2]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseModelName } from '@holdfast/api';
import { attribute, initializer, model, node, value } from '../packages/holdfast/src/runtime/fixtures/onnx-bytes.ts';
import { eventually, HoldfastProcess, runCli, temporaryFolder } from '../test/e2e/holdfast-process.ts';

const { values: options } = parseArgs({
  options: { megabytes: { type: 'string', default: '128' }, rounds: { type: 'string', default: '2' } },
});
const mostStays = 0.1;
const name = parseModelName('large');
const params = { model: name };
const small = fileURLToPath(new URL('../packages/holdfast/src/runtime/fixtures/mlp-30-64-1.onnx', import.meta.url));
const body = {
  inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 30], data: new Array<number>(30).fill(0.5) }],
};

/** Floats in a megabyte. */
const floatsPerMb = 2 ** 20 / Float32Array.BYTES_PER_ELEMENT;

/**
 * features [n, 30] -> score [n, 1] through constants of this many megabytes, which the runtime makes when it loads the
 * model: the file stays small. The seed makes it another artifact.
 */
function largeModel(megabytes: number, seed: number): Uint8Array {
  const columns = Math.round((megabytes * floatsPerMb) / 30);
  return model({
    nodes: [
      node('ConstantOfShape', ['shape'], ['weights']),
      node('MatMul', ['features', 'weights'], ['wide']),
      node('ReduceMean', ['wide'], ['mean'], [attribute('axes', [1]), attribute('keepdims', 1)]),
      node('Add', ['mean', 'seed'], ['score']),
    ],
    inputs: [value('features', 'FP32', ['n', 30])],
    outputs: [value('score', 'FP32', ['n', 1])],
    initializers: [
      initializer('shape', 'INT64', [2], BigInt64Array.of(30n, BigInt(columns))),
      initializer('seed', 'FP32', [1], Float32Array.of(seed)),
    ],
  });
}

using folder = temporaryFolder();
await using holdfast = await HoldfastProcess.up(['--data', join(folder.path, 'data')]);
const { control, ready } = holdfast;

async function deploy(file: string): Promise<void> {
  const { code, stderr } = await runCli('deploy', file, '--name', name, '--server', ready.consoleUrl);
  if (code !== 0) throw new Error(stderr);
}

/** Megabytes of all processes of the server; pages that several of them share are counted once. */
async function memoryMb(): Promise<number> {
  const { processes } = await control.call('status', {});
  const pids = new Set([holdfast.pid, ...processes.map(({ pid }) => pid)]);
  let kb = 0;
  for (const pid of pids) {
    kb += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  }
  return kb / 1024;
}

async function answerOf(version: string): Promise<void> {
  const response = await holdfast.infer(name, body);
  await response.arrayBuffer();
  if (response.headers.get('x-holdfast-version') !== version) throw new Error(`version ${version} does not answer`);
}

await deploy(small);
await answerOf('1');
const megabytes = Number(options.megabytes);
const mb = (memory: number): string => `${memory.toFixed(0)} MB`;
const share = (memory: number): string => `${((100 * memory) / megabytes).toFixed(0)} %`;
let least = Number.POSITIVE_INFINITY;
for (let round = 1; round <= Number(options.rounds); round++) {
  const file = join(folder.path, `large-${round}.onnx`);
  writeFileSync(file, largeModel(megabytes, round));
  const before = await memoryMb();
  await deploy(file);
  const version = round + 1;
  await answerOf(String(version));
  const loaded = await memoryMb();
  await control.call('rollback', { params, body: { reason: 'measured' } });
  await control.call('removeVersion', { params: { model: name, version } });
  const runners = async () =>
    (await control.call('status', {})).processes.filter(({ kind }) => kind === 'runner').length;
  await eventually(async () => ((await runners()) === 1 ? true : undefined));
  const after = await memoryMb();
  console.log(
    `${megabytes} MB of constants: ${mb(before)} before, ${mb(loaded)} with the version (+${share(loaded - before)} of the constants), ` +
      `${mb(after)} after it was removed (${share(after - before)} stayed)`,
  );
  least = Math.min(least, (after - before) / megabytes);
}
// The first version through a process leaves code and buffers behind that the next ones use again; what a version costs for
// good is what stays each time.
console.log(`stays of each version: ${share(least * megabytes)} (bar: ${share(mostStays * megabytes)})`);
process.exitCode = least <= mostStays ? 0 : 1;
