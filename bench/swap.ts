// Alias flips between two warm versions while 32 connections ask without a pause. Prints how many requests failed (bar:
// none) and what a flip takes. Usage: swap [--flips 1000] [--connections 32]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { HoldfastProcess, runCli, temporaryFolder } from '../test/e2e/holdfast-process.ts';
import { LoadClient } from './load-client.ts';

const { values: options } = parseArgs({
  options: { flips: { type: 'string', default: '1000' }, connections: { type: 'string', default: '32' } },
});
const flips = Number(options.flips);
const model = fileURLToPath(new URL('../packages/holdfast/src/runtime/fixtures/mlp-30-64-1.onnx', import.meta.url));

function requestTo(host: string): Uint8Array {
  const data = Array.from({ length: 30 }, (_, i) => i / 30);
  const body = JSON.stringify({ inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 30], data }] });
  return Buffer.from(
    `POST /v2/models/swap/infer HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

using folder = temporaryFolder();
await using holdfast = await HoldfastProcess.up(['--data', join(folder.path, 'data')]);
// The same graph with another producer is another artifact, and so another version.
const files = [model, join(folder.path, 'second.onnx')];
writeFileSync(files[1] ?? '', Buffer.concat([readFileSync(model), Buffer.from([0x32, 0x01, 0x78])]));
for (const file of files) {
  const deployed = await runCli('deploy', file, '--name', 'swap', '--server', holdfast.ready.consoleUrl);
  if (deployed.code !== 0) throw new Error(deployed.stderr);
}

const { host, port } = new URL(holdfast.ready.inferenceUrl);
using client = new LoadClient();
const times: number[] = [];
let isFlipping = true;

async function flipAll(): Promise<void> {
  for (let i = 0; i < flips; i++) {
    const start = performance.now();
    await holdfast.control.call('moveAlias', {
      params: { model: 'swap', alias: 'champion' },
      body: { version: (i % 2) + 1 },
    });
    times.push(performance.now() - start);
  }
  isFlipping = false;
}

const flipping = flipAll();
let requests = 0;
let failures = 0;
while (isFlipping) {
  const stretch = {
    port: Number(port),
    requests: [requestTo(host)],
    connections: Number(options.connections),
    seconds: 2,
    minimumRequests: 1,
  };
  const result = await client.run(stretch);
  requests += result.requests;
  failures += result.failures;
  if (result.firstFailure !== undefined) console.log(result.firstFailure);
}
await flipping;
times.sort((a, b) => a - b);
const at = (share: number): string => (times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(1);
console.log(`${flips} flips, ${requests} requests, ${failures} failed (bar: 0)`);
console.log(`a flip, from the call to every gateway routing by it: median ${at(0.5)} ms, p99 ${at(0.99)} ms`);
process.exitCode = failures === 0 ? 0 : 1;
