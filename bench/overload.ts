// What overload costs: answers within their deadline per second at 1x, 3x and 10x of what saturates a model, the p99 of
// what was accepted, how fast the rest is refused, and whether the server still says that it lives.
// Bars: goodput at least 95 % of the peak; p99 of accepted at most (queue batches + 2) batch times; p99 of refusals 20 ms,
// each with Retry-After; p99 of /v2/health/live 50 ms. Usage: overload [--seconds 8] [--size 768]
import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { slow } from '../packages/holdfast/src/runtime/fixtures/models.ts';
import { HoldfastProcess, temporaryFolder } from '../test/e2e/holdfast-process.ts';

const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '8' }, size: { type: 'string', default: '768' } },
});
const seconds = Number(options.seconds);
const batchRows = 8;
const queueBatches = 2;
/** Time of a run goes with its cube: about 300 ms for 768, 50 ms for 420, on a free core. */
const modelSize = Number(options.size);

interface Sent {
  readonly status: number;
  readonly ms: number;
  readonly mayRetry: boolean;
}

using folder = temporaryFolder();
const config = join(folder.path, 'holdfast.yaml');
writeFileSync(join(folder.path, 'slow.onnx'), slow(modelSize));
const batching = { maximumRows: batchRows, queueRows: queueBatches * batchRows };
writeFileSync(config, JSON.stringify({ models: { slow: { file: join(folder.path, 'slow.onnx'), batching } } }));
await using holdfast = await HoldfastProcess.up(['--config', config, '--data', join(folder.path, 'data')]);
const { hostname, port } = new URL(holdfast.ready.inferenceUrl);
const agent = new Agent({ keepAlive: true });
const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] });

function send(path: string, content?: string): Promise<Sent> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, agent, method: content === undefined ? 'GET' : 'POST' }, response => {
      response.resume();
      response.on('end', () => {
        const mayRetry = response.headers['retry-after'] !== undefined;
        resolve({ status: response.statusCode ?? 0, ms: performance.now() - startMs, mayRetry });
      });
    });
    sent.on('error', reject);
    sent.end(content);
  });
}

function p99(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.ceil(0.99 * sorted.length) - 1] ?? Number.NaN;
}

const infer = (): Promise<Sent> => send('/v2/models/slow/infer', body);

/** Requests at a steady rate whatever the answers, as from many callers who do not know of each other. */
async function offer(
  perSecond: number,
): Promise<{ readonly sent: readonly Sent[]; readonly livenessMs: readonly number[] }> {
  const answers: Promise<Sent>[] = [];
  const livenessMs: number[] = [];
  const startMs = performance.now();
  const end = startMs + seconds * 1000;
  const watching = (async () => {
    for (; performance.now() < end; await pause(20)) livenessMs.push((await send('/v2/health/live')).ms);
  })();
  for (let nowMs = startMs; nowMs < end; nowMs = performance.now()) {
    const due = ((nowMs - startMs) / 1000) * perSecond;
    while (answers.length < due) answers.push(infer());
    await pause(2);
  }
  await watching;
  return { sent: await Promise.all(answers), livenessMs };
}

/** As many callers as fill the running batch and the next, each waiting for its answer. */
async function saturate(): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let answered = 0;
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: 2 * batchRows }, async () => {
      while (performance.now() < end) if ((await infer()).status === 200) answered++;
    }),
  );
  return (answered * 1000) / (performance.now() - startMs);
}

await saturate();
let before = await saturate();
let isMissed = false;
function judge(what: string, value: number, bar: number, isKept: boolean, unit: string): string {
  isMissed ||= !isKept;
  return `${what} ${value.toFixed(unit === '' ? 2 : 1)}${unit} (bar ${bar.toFixed(unit === '' ? 2 : 0)}${unit}${isKept ? '' : ', MISSED'})`;
}
for (const factor of [1, 3, 10]) {
  const { sent, livenessMs } = await offer(factor * before);
  // The machine may be faster or slower by now: the peak is the mean of what it was on either side.
  const after = await saturate();
  const peak = (before + after) / 2;
  const batchMs = (batchRows * 1000) / Math.min(before, after);
  before = after;
  const accepted = sent.filter(({ status }) => status === 200);
  const refused = sent.filter(({ status }) => status === 503);
  const rest = sent.length - accepted.length - refused.length;
  // What the queue held at the end was answered after it.
  const goodput = accepted.length / (seconds + queueBatches * (batchMs / 1000)) / peak;
  const acceptedMs = p99(accepted.map(({ ms }) => ms));
  const boundMs = (queueBatches + 2) * batchMs;
  const refusedMs = refused.length === 0 ? 0 : p99(refused.map(({ ms }) => ms));
  const liveMs = p99(livenessMs);
  isMissed ||= rest > 0 || refused.some(({ mayRetry }) => !mayRetry);
  console.log(
    [
      `${factor}x (peak ${peak.toFixed(1)}/s, a batch of ${batchRows} takes ${batchMs.toFixed(0)} ms): ${sent.length} sent, ${accepted.length} answered, ${refused.length} refused, ${rest} otherwise`,
      judge('goodput / peak', goodput, 0.95, factor === 1 || goodput >= 0.95, ''),
      judge('p99 accepted', acceptedMs, boundMs, acceptedMs <= boundMs, ' ms'),
      judge('p99 refused', refusedMs, 20, refusedMs <= 20, ' ms'),
      judge('p99 live', liveMs, 50, liveMs <= 50, ' ms'),
    ].join('; '),
  );
}
agent.destroy();
process.exitCode = isMissed ? 1 : 0;
