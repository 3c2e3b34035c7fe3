import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hasPostgres, PostgresServer } from '../../packages/holdfast/src/storage/testing/postgres-server.ts';
import { s3Credentials, startS3Server } from '../../packages/holdfast/src/storage/testing/s3-server.ts';
import { CutLink } from './cut-link.ts';
import { eventually, HoldfastProcess, runCli, temporaryFolder } from './holdfast-process.ts';

const fixtures = fileURLToPath(new URL('../../packages/holdfast/src/runtime/fixtures', import.meta.url));
const mlp = join(fixtures, 'mlp-30-64-1.onnx');
const identity = join(fixtures, 'identity-fp32.onnx');
const nginx = '/usr/sbin/nginx';

/** Machines are data directories of their own on this host, with ports of their own. */
describe.skipIf(!hasPostgres)('a cluster (skipped where Postgres is not installed)', () => {
  const folder = temporaryFolder();
  let postgres: PostgresServer;
  let s3: Awaited<ReturnType<typeof startS3Server>>;

  beforeAll(async () => {
    for (const [name, value] of Object.entries(s3Credentials)) vi.stubEnv(name, value);
    postgres = await PostgresServer.start();
    s3 = await startS3Server();
  });
  afterAll(async () => {
    await s3?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
    vi.unstubAllEnvs();
    folder[Symbol.dispose]();
  });

  function machine(name: string, database: string, more: readonly string[] = []): Promise<HoldfastProcess> {
    const data = join(folder.path, name);
    const args = ['--data', data, '--database', database, '--artifacts', s3.address, '--cluster-port', '0', ...more];
    return HoldfastProcess.up(args);
  }

  async function leaderOf(machines: readonly HoldfastProcess[]): Promise<void> {
    await eventually(async () => {
      const answers = await Promise.all(
        machines.map(one => fetch(`${one.ready.consoleUrl}/api/v1/models`).catch(() => undefined)),
      );
      return answers.every(answer => answer?.ok === true) ? true : undefined;
    });
  }

  const row = {
    inputs: [
      { name: 'features', datatype: 'FP32', shape: [1, 30], data: Array.from({ length: 30 }, (_, i) => i / 30) },
    ],
  };

  async function versionAt(one: HoldfastProcess, model: string): Promise<string | undefined> {
    const response = await one.infer(model, row);
    const answer: { readonly model_version?: string } = JSON.parse(await response.text());
    return response.ok ? answer.model_version : undefined;
  }

  async function deploy(one: HoldfastProcess, file: string, model: string): Promise<void> {
    const done = await runCli('deploy', file, '--name', model, '--server', one.ready.consoleUrl);
    expect(done.stdout + done.stderr).toMatch(/is ready as champion/);
  }

  test('what is deployed by any machine is served by all, a rollback within a second, and a dead leader is succeeded', async () => {
    const database = await postgres.createDatabase('grow');
    await using first = await machine('grow-1', database);
    await using second = await machine('grow-2', database);
    await leaderOf([first, second]);
    // Through a machine that does not lead: it asks the leader.
    await deploy(second, mlp, 'churn');
    for (const one of [first, second]) expect(await eventually(() => versionAt(one, 'churn'))).toBe('1');

    // Labels and predictions acknowledged by both, whichever leads.
    const labelled = await Promise.all(
      [first, second].map(async (one, i) => {
        const response = await one.infer('churn', row, { 'x-holdfast-key': `customer-${i}` });
        const id = response.headers.get('x-holdfast-prediction-id');
        expect((await one.feedback('churn', [{ prediction_id: id, value: i }])).status).toBe(200);
        return id;
      }),
    );
    const truths = async (asked: HoldfastProcess) => {
      const rows = await asked.control.call('recentPredictions', { params: { model: 'churn' } });
      const found = labelled.map(id => rows.find(prediction => prediction.id === id)?.truth);
      return found[0] === '0' && found[1] === '1' ? true : undefined;
    };
    await eventually(() => truths(second));

    first.signal('SIGKILL');
    await first.finished;
    // Serving does not need a leader.
    expect(await versionAt(second, 'churn')).toBe('1');
    await leaderOf([second]);
    // The first machine's record was only on its disk, or already in the bucket; it is back when the machine is.
    await using again = await machine('grow-1', database);
    await eventually(() => truths(again), 60_000);
  });

  test('predictions go on while the database is away, also after a restart, and changes are refused and come back', async () => {
    const database = await postgres.createDatabase('away');
    await using link = await CutLink.to(Number(new URL(postgres.url).port));
    const through = database.replace(/:\d+\//, `:${link.port}/`);
    await using alone = await machine('away-1', through);
    await leaderOf([alone]);
    await deploy(alone, mlp, 'churn');
    link.cut();
    for (let i = 0; i < 20; i++) expect(await versionAt(alone, 'churn')).toBe('1');
    const refused = await eventually(async () => {
      const url = `${alone.ready.consoleUrl}/api/v1/models/churn/rollback`;
      const response = await fetch(url, { method: 'POST' }).catch(() => undefined);
      return response?.status === 503 ? response : undefined;
    });
    expect(await refused.json()).toMatchObject({
      error: { code: expect.stringMatching(/database_unavailable|no_leader/) },
    });
    alone.signal('SIGKILL');
    await alone.finished;
    await using restarted = await machine('away-1', through);
    expect(await versionAt(restarted, 'churn')).toBe('1');
    link.mend();
    await leaderOf([restarted]);
  });

  test('an alias moved on one machine is served by the other within a second, and never a version that is not routed', async () => {
    const database = await postgres.createDatabase('flips');
    await using first = await machine('flips-1', database);
    await using second = await machine('flips-2', database, ['--role', 'serve']);
    await leaderOf([first, second]);
    await deploy(first, mlp, 'churn');
    await deploy(first, identity, 'other');
    const copy = join(folder.path, 'again.onnx');
    writeFileSync(copy, readFileSync(mlp));
    const redeployed = await runCli(
      'deploy',
      copy,
      '--name',
      'churn',
      '--server',
      first.ready.consoleUrl,
      '--baseline',
      await baselineFile(),
    );
    expect(redeployed.stdout + redeployed.stderr).toContain('version 2');
    expect(await eventually(async () => ((await versionAt(second, 'churn')) === '2' ? '2' : undefined))).toBe('2');

    const before = performance.now();
    await first.control.call('rollback', { params: { model: 'churn' }, body: { reason: 'test' } });
    const acknowledged = performance.now();
    await eventually(async () => ((await versionAt(second, 'churn')) === '1' ? true : undefined));
    console.info(
      `rollback took ${Math.round(acknowledged - before)} ms, the other machine followed ${Math.round(performance.now() - acknowledged)} ms later`,
    );
  });

  async function baselineFile(): Promise<string> {
    const path = join(folder.path, 'baseline.csv');
    const names = Array.from({ length: 30 }, (_, i) => `features[${i}]`);
    const rows = Array.from({ length: 300 }, (_, r) => names.map((_, i) => ((r * 7 + i * 3) % 11) / 11).join(','));
    writeFileSync(path, [names.join(','), ...rows].join('\n'));
    return path;
  }

  test.skipIf(!existsSync(nginx))('behind nginx, a machine that is killed costs no request', async () => {
    const database = await postgres.createDatabase('front');
    await using first = await machine('front-1', database);
    await using second = await machine('front-2', database);
    const machines = [first, second];
    await leaderOf(machines);
    await deploy(first, mlp, 'churn');
    await eventually(() => versionAt(second, 'churn'));
    const root = join(folder.path, 'nginx');
    mkdirSync(root);
    const servers = machines.map(one => `server ${new URL(one.ready.inferenceUrl).host} max_fails=1 fail_timeout=5s;`);
    const socket = join(root, 'front.sock');
    writeFileSync(
      join(root, 'nginx.conf'),
      `daemon off; pid ${root}/pid; error_log ${root}/error.log; events {}
       http { access_log off; client_body_temp_path ${root}/body; proxy_temp_path ${root}/proxy;
         fastcgi_temp_path ${root}/f; uwsgi_temp_path ${root}/u; scgi_temp_path ${root}/s;
         upstream holdfast { ${servers.join(' ')} keepalive 16; }
         server { listen unix:${socket};
           location / { proxy_pass http://holdfast; proxy_http_version 1.1; proxy_set_header Connection "";
             proxy_next_upstream error timeout http_503 non_idempotent; } } }`,
    );
    const front = spawn(nginx, ['-p', root, '-c', join(root, 'nginx.conf')], { stdio: 'ignore' });
    try {
      await eventually(async () => (existsSync(socket) ? true : undefined));
      const ask = () =>
        new Promise<number>((resolve, reject) => {
          const sent = request({ socketPath: socket, path: '/v2/models/churn/infer', method: 'POST' }, response => {
            response.resume().on('end', () => resolve(response.statusCode ?? 0));
          });
          sent.on('error', reject);
          sent.end(JSON.stringify(row));
        });
      const statuses: number[] = [];
      for (let i = 0; i < 150; i++) {
        if (i === 50) first.signal('SIGKILL');
        statuses.push(await ask());
      }
      expect(statuses.filter(status => status !== 200)).toEqual([]);
    } finally {
      front.kill('SIGTERM');
      await once(front, 'exit');
    }
  });
});
