// Whether the gateway's event loop stays free while a slow model runs flat out: p99 of `/v2/health/live` (bar: 50 ms),
// beside the same on an idle server. Usage: event-loop [--seconds 10] [--clients 8]
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { HoldfastProcess, temporaryFolder } from '../test/e2e/holdfast-process.ts';

const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '10' }, clients: { type: 'string', default: '8' } },
});
const seconds = Number(options.seconds);
const barMs = 50;
const slow = fileURLToPath(new URL('../packages/holdfast/src/runtime/fixtures/slow.onnx', import.meta.url));

using folder = temporaryFolder();
await using holdfast = await HoldfastProcess.up([slow, '--data', join(folder.path, 'data')]);
const { inferenceUrl } = holdfast.ready;
const [summary] = await holdfast.control.call('listModels', {});
const { versions } = await holdfast.control.call('readModel', { params: { model: summary?.name ?? '' } });
const inputs = (versions[0]?.signature.inputs ?? []).map(({ name, datatype, shape }) => {
  const sizes = shape.map(dim => Math.max(1, dim));
  return { name, datatype, shape: sizes, data: new Array<number>(sizes.reduce((a, b) => a * b, 1)).fill(0.5) };
});

async function health(): Promise<number> {
  const start = performance.now();
  const response = await fetch(`${inferenceUrl}/v2/health/live`);
  await response.arrayBuffer();
  return performance.now() - start;
}

async function p99OfHealth(): Promise<number> {
  const times: number[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await pause(5))
    times.push(await health());
  times.sort((a, b) => a - b);
  return times[Math.floor(0.99 * (times.length - 1))] ?? Number.NaN;
}

await p99OfHealth();
const idleMs = await p99OfHealth();
const stop = new AbortController();
let runs = 0;
const load = Array.from({ length: Number(options.clients) }, async () => {
  while (!stop.signal.aborted) {
    const response = await holdfast.infer(summary?.name ?? '', { inputs });
    await response.arrayBuffer();
    if (response.ok) runs++;
  }
});
const busyMs = await p99OfHealth();
stop.abort();
await Promise.all(load);
console.log(
  `/v2/health/live p99: idle ${idleMs.toFixed(1)} ms; beside ${runs} runs of a slow model in ${seconds} s ${busyMs.toFixed(1)} ms (bar: ${barMs} ms)`,
);
process.exitCode = busyMs < barMs && runs > 0 ? 0 : 1;
