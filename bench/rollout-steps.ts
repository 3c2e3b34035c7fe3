// Shares of two versions change while 32 connections ask without a pause; then rollouts at 50 % are aborted. Prints how many
// requests failed (bar: none) and how long answers of a version are seen after its rollback (bar: 1 s). What a removed
// version leaves in memory is the subject of version-memory. Usage: rollout-steps [--steps 1000] [--rollbacks 5]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseModelName } from '@holdfast/api';
import { eventually, HoldfastProcess, runCli, temporaryFolder } from '../test/e2e/holdfast-process.ts';
import { LoadClient } from './load-client.ts';

const { values: options } = parseArgs({
  options: {
    steps: { type: 'string', default: '1000' },
    connections: { type: 'string', default: '32' },
    rollbacks: { type: 'string', default: '5' },
  },
});
const steps = Number(options.steps);
const visibleBarMs = 1000;
const name = parseModelName('steps');
const params = { model: name };
const modelFile = fileURLToPath(new URL('../packages/holdfast/src/runtime/fixtures/mlp-30-64-1.onnx', import.meta.url));
const data = Array.from({ length: 30 }, (_, i) => i / 30);
const body = { inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 30], data }] };

function requestTo(host: string): Uint8Array {
  const text = JSON.stringify(body);
  return Buffer.from(
    `POST /v2/models/${name}/infer HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
  );
}

using folder = temporaryFolder();
await using holdfast = await HoldfastProcess.up(['--data', join(folder.path, 'data')]);
const { control, ready } = holdfast;

async function deploy(file: string, ...more: readonly string[]): Promise<void> {
  const { code, stderr } = await runCli('deploy', file, '--name', name, '--server', ready.consoleUrl, ...more);
  if (code !== 0) throw new Error(stderr);
}

await deploy(modelFile);
// The same graph with another producer is another artifact, and so another version.
const second = join(folder.path, 'second.onnx');
writeFileSync(second, Buffer.concat([readFileSync(modelFile), Buffer.from([0x32, 0x01, 0x78])]));
await deploy(second, '--no-alias');

const { host, port } = new URL(ready.inferenceUrl);
using client = new LoadClient();
let requests = 0;
let failures = 0;

/** Asks without a pause until the work is done. */
async function underLoad(work: Promise<void>): Promise<void> {
  let isOver = false;
  const over = work.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const result = await client.run({
      port: Number(port),
      requests: [requestTo(host)],
      connections: Number(options.connections),
      seconds: 2,
      minimumRequests: 1,
    });
    requests += result.requests;
    failures += result.failures;
    if (result.firstFailure !== undefined) console.log(result.firstFailure);
  }
  await over;
}

async function changeShares(): Promise<void> {
  for (let i = 0; i < steps; i++) {
    const split = [{ version: 2, percent: (i * 37) % 101 }];
    await control.call('setDeployment', { params, body: { deployment: { split } } });
  }
  await control.call('setDeployment', { params, body: { deployment: null } });
}

const visibleMs: number[] = [];
/** From the call to the last answer of the version that was taken back; all callers ask at once, so little is missed. */
async function takeBack(): Promise<void> {
  await control.call('startRollout', { params, body: { version: 2, plan: '50% pause -> 100%' } });
  const phaseNow = async () => (await control.call('listRollouts', { params }))[0]?.phase;
  await eventually(async () => ((await phaseNow()) === 'paused' ? true : undefined));
  let isWatching = true;
  let lastSeenMs = 0;
  const callers = Array.from({ length: 4 }, async () => {
    while (isWatching) {
      const response = await holdfast.infer(name, body);
      await response.arrayBuffer();
      if (response.headers.get('x-holdfast-version') === '2') lastSeenMs = performance.now();
      requests++;
      if (response.status !== 200) failures++;
    }
  });
  const calledMs = performance.now();
  await control.call('actOnRollout', { params, body: { action: 'abort', reason: 'measured' } });
  await eventually(async () => ((await phaseNow()) === 'rolled-back' ? true : undefined));
  await new Promise(resolve => setTimeout(resolve, visibleBarMs));
  isWatching = false;
  await Promise.all(callers);
  visibleMs.push(Math.max(0, lastSeenMs - calledMs));
}

const startMs = performance.now();
await underLoad(changeShares());
const changeMs = (performance.now() - startMs) / steps;
console.log(
  `${steps} share changes, ${requests} requests, ${failures} failed (bar: 0); ${changeMs.toFixed(0)} ms a change`,
);
for (let i = 0; i < Number(options.rollbacks); i++) await takeBack();
visibleMs.sort((a, b) => a - b);
const [median, most] = [visibleMs[Math.floor(visibleMs.length / 2)] ?? 0, visibleMs.at(-1) ?? 0];
console.log(
  `a rollback is in all answers after ${median.toFixed(0)} ms, at most ${most.toFixed(0)} (bar: ${visibleBarMs})`,
);
process.exitCode = failures === 0 && most <= visibleBarMs ? 0 : 1;
