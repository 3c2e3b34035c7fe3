import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { eventually, HoldfastProcess, runCli, temporaryFolder } from './holdfast-process.ts';

const modelFile = join(import.meta.dirname, '../../packages/holdfast/src/runtime/fixtures/mlp-30-64-1.onnx');
const farModel = 'mlp-30-64-1';
const features = Array.from({ length: 60 }, (_, i) => (i % 7) / 7);
const body = { inputs: [{ name: 'features', datatype: 'FP32', shape: [2, 30], data: features }] };

const folder = temporaryFolder();
let far: HoldfastProcess;
let near: HoldfastProcess;
/** The sources of the far model, by the name it has here. */
let sources: Readonly<Record<string, string>>;

function startFar(ports: readonly string[] = []): Promise<HoldfastProcess> {
  return HoldfastProcess.up([modelFile, '--data', join(folder.path, 'far'), ...ports]);
}

beforeAll(async () => {
  far = await startFar();
  const address = far.ready.inferenceUrl.replace('http://', '');
  const { grpcAddress } = far.ready;
  sources = {
    'over-http': `oip+http://${address}/${farModel}`,
    'over-grpc': `oip+grpc://${grpcAddress}/${farModel}/1`,
    'over-tfs': `tfs+http://${address}/${farModel}`,
    'over-tfs-grpc': `tfs+grpc://${grpcAddress}/${farModel}/1`,
  };
  const port = await startTlsFront();
  const encrypted = {
    secret: { source: `oip+https://localhost:${port}/${farModel}` },
    stranger: { source: `oip+https://127.0.0.1:${port}/${farModel}` },
  };
  const declared = Object.fromEntries(Object.entries(sources).map(([name, source]) => [name, { source }]));
  const config = join(folder.path, 'holdfast.yaml');
  const servers = { [`localhost:${port}`]: { certificateAuthority: 'ca.pem', tokenVariable: 'HOME' } };
  writeFileSync(
    config,
    JSON.stringify({
      models: { ...declared, ...encrypted },
      defaults: { monitors: { window: { rows: 50 } } },
      remote: { servers },
    }),
  );
  near = await HoldfastProcess.up(['--config', config, '--data', join(folder.path, 'near')]);
}, 240_000);
afterAll(async () => {
  await near[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
  front.closeAllConnections();
  front.close();
  folder[Symbol.dispose]();
});

/** A certificate of its own authority in `ca.pem`, with its key in `key.pem`. */
function makeCertificate(): { readonly key: Buffer; readonly cert: Buffer } {
  const [key, cert] = [join(folder.path, 'key.pem'), join(folder.path, 'ca.pem')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', ['req', '-x509', '-nodes', '-days', '2', ...kind, ...names, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

/** What the TLS front was shown as `Authorization`. */
const shown = new Set<string | undefined>();
let front: Server;

interface PassedOn {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/** What the far server answers to a request; rejects while it is away. */
async function passOn(request: IncomingMessage): Promise<PassedOn> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const { method = 'GET', url = '/', headers } = request;
  const header = 'inference-header-content-length';
  const length = headers[header];
  const answer = await fetch(`${far.ready.inferenceUrl}${url}`, {
    method,
    ...(typeof length === 'string' && { headers: { [header]: length } }),
    ...(method === 'POST' && { body: Buffer.concat(chunks) }),
  });
  const answeredLength = answer.headers.get(header);
  return {
    status: answer.status,
    headers: answeredLength === null ? {} : { [header]: answeredLength },
    body: Buffer.from(await answer.arrayBuffer()),
  };
}

/** TLS in front of the far server. */
async function startTlsFront(): Promise<number> {
  front = createServer(makeCertificate(), (request, response) => {
    shown.add(request.headers.authorization);
    passOn(request).then(
      ({ status, headers, body: answer }) => response.writeHead(status, headers).end(answer),
      () => response.writeHead(502).end(),
    );
  });
  await new Promise<void>(resolve => front.listen(0, 'localhost', resolve));
  return z.object({ port: z.number() }).parse(front.address()).port;
}

async function outputsOf(holdfast: HoldfastProcess, model: string): Promise<unknown> {
  const response = await holdfast.infer(model, body);
  const { outputs } = JSON.parse(await response.text());
  return outputs;
}

async function deploy(...args: readonly string[]): Promise<{ readonly code: number | null; readonly stderr: string }> {
  return runCli('deploy', '--server', near.ready.consoleUrl, ...args);
}

async function succeed(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await deploy(...args);
  expect(code, stderr).toBe(0);
}

test('a model on another server answers with equal bits over every protocol', async () => {
  const expected = await outputsOf(far, farModel);
  for (const name of Object.keys(sources)) expect(await outputsOf(near, name)).toEqual(expected);
  const detail = await near.control.call('readModel', { params: { model: 'over-http' } });
  expect(detail.versions[0]?.provenance.remote).toBe(sources['over-http']);
});

test('a server behind TLS is checked against its own authority and shown the token that is meant for it', async () => {
  expect(await outputsOf(near, 'secret')).toEqual(await outputsOf(far, farModel));
  expect(shown).toEqual(new Set([`Bearer ${process.env.HOME}`]));
  const [problem, ...others] = near.ready.problems;
  expect(others).toEqual([]);
  expect(problem?.model).toBe('stranger');
  expect(problem?.why).toContain('cannot be reached (');
});

test('its predictions are recorded here, and watched against a baseline that it scored itself', async () => {
  const header = Array.from({ length: 30 }, (_, i) => `features_${i}`).join(',');
  const rows = Array.from({ length: 200 }, (_, row) => Array.from({ length: 30 }, (__, i) => Math.sin(row * 31 + i)));
  const csv = join(folder.path, 'baseline.csv');
  writeFileSync(csv, `${header}\n${rows.map(row => row.join(',')).join('\n')}\n`);
  await succeed('--source', sources['over-grpc']!, '--name', 'watched', '--baseline', csv);
  const detail = await near.control.call('readModel', { params: { model: 'watched' } });
  expect(detail.versions[0]).toMatchObject({ baselineRows: 200 });
  for (let sent = 0; sent < 60; sent += 2) expect((await near.infer('watched', body)).status).toBe(200);
  const recent = await eventually(async () => {
    const found = await near.control.call('recentPredictions', {
      params: { model: 'watched' },
      query: { limit: 100 },
    });
    return found.length === 60 ? found : undefined;
  });
  expect(recent[0]).toMatchObject({ version: 1 });
  const verdicts = await eventually(async () => {
    const found = await near.control.call('verdicts', { params: { model: 'watched' } });
    return found.length > 0 ? found : undefined;
  });
  expect(verdicts.some(({ monitor }) => monitor === 'prediction-drift')).toBe(true);
});

test('a version on another server is rolled out beside one that runs here, and promoted', async () => {
  const local = await deploy(modelFile, '--name', 'mixed');
  expect(local.code, local.stderr).toBe(0);
  await succeed('--source', sources['over-http']!, '--name', 'mixed', '--canary', '50% 1h -> 100%');
  const expected = await outputsOf(far, farModel);
  const answeredBy = new Set<string | null>();
  for (let i = 0; i < 40; i++) {
    const response = await near.infer('mixed', body);
    answeredBy.add(response.headers.get('x-holdfast-version'));
    expect(JSON.parse(await response.text()).outputs).toEqual(expected);
  }
  expect(answeredBy).toEqual(new Set(['1', '2']));
  const promoted = await runCli('rollout', 'promote', 'mixed', '--server', near.ready.consoleUrl);
  expect(promoted.code, promoted.stderr).toBe(0);
  const response = await near.infer('mixed', body);
  expect(response.headers.get('x-holdfast-version')).toBe('2');
});

test('a server that does not answer costs its callers their deadline and nobody else anything', async () => {
  const frozen = await far.control.call('status', {});
  const runner = frozen.processes.find(({ kind }) => kind === 'runner');
  process.kill(runner?.pid ?? 0, 'SIGSTOP');
  try {
    const late = await near.infer('over-grpc', body, { 'x-request-timeout-ms': '300' });
    expect(late.status).toBe(504);
    expect((await near.infer('mixed', body, { 'x-holdfast-route': '1' })).status).toBe(200);
  } finally {
    process.kill(runner?.pid ?? 0, 'SIGCONT');
  }
  await eventually(async () => ((await near.infer('over-grpc', body)).status === 200 ? true : undefined));
});

test('what is gone answers 503 with Retry-After and is not ready, and serves again when it is back', async () => {
  const [port, grpcPort] = [new URL(far.ready.inferenceUrl).port, far.ready.grpcAddress.split(':').at(-1) ?? ''];
  const expected = await outputsOf(far, farModel);
  const { processes } = await far.control.call('status', {});
  for (const { pid } of processes) process.kill(pid, 'SIGKILL');
  await far.finished;
  for (const name of Object.keys(sources)) {
    const response = await near.infer(name, body);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.text()).toMatch(
      new RegExp(`The server that runs \\\\"${name}\\\\" (cannot be reached|broke off)`),
    );
    await eventually(async () => {
      const ready = await fetch(`${near.ready.inferenceUrl}/v2/models/${name}/ready`);
      return ready.status === 503 ? true : undefined;
    });
  }
  expect((await fetch(`${near.ready.inferenceUrl}/v2/health/live`)).status).toBe(200);
  expect((await fetch(`${near.ready.inferenceUrl}/v2/health/ready`)).status).toBe(200);
  const gone = await deploy('--source', sources['over-http']!, '--name', 'gone');
  expect(gone.stderr).toContain('cannot be reached (ECONNREFUSED)');
  far = await startFar(['--port', port, '--grpc-port', grpcPort]);
  for (const name of Object.keys(sources)) {
    await eventually(async () => {
      const ready = await fetch(`${near.ready.inferenceUrl}/v2/models/${name}/ready`);
      return ready.status === 200 ? true : undefined;
    });
    expect(await outputsOf(near, name)).toEqual(expected);
  }
}, 240_000);
