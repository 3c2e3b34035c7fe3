import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, HoldfastProcess, runCli, temporaryFolder } from './holdfast-process.ts';

const fixtures = fileURLToPath(new URL('../../packages/holdfast/src/runtime/fixtures', import.meta.url));
const mlp = join(fixtures, 'mlp-30-64-1.onnx');
const folder = temporaryFolder();
const data = join(folder.path, 'data');
let holdfast: HoldfastProcess;

beforeAll(async () => {
  copyFileSync(mlp, join(folder.path, 'churn.onnx'));
  holdfast = await HoldfastProcess.up([join(folder.path, 'churn.onnx'), '--data', data]);
});

afterAll(async () => {
  await holdfast[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

async function inputOf(model: string): Promise<{ name: string; datatype: string }> {
  const { versions } = await holdfast.control.call('readModel', { params: { model } });
  const input = versions[0]?.signature.inputs[0];
  return { name: input?.name ?? '', datatype: input?.datatype ?? '' };
}

async function oneRow(model: string, rows = 1): Promise<object> {
  const input = await inputOf(model);
  return { inputs: [{ ...input, shape: [rows, 30], data: Array.from({ length: rows * 30 }, (_, i) => (i % 7) / 7) }] };
}

test('a file given to `up` is served, and its paste-ready example works as printed', async () => {
  const { examples, problems } = holdfast.ready;
  expect(problems).toEqual([]);
  expect(examples[0]?.model).toBe('churn');
  const body = /-d '(.*)'$/.exec(examples[0]?.curl ?? '')?.[1] ?? '';
  const response = await holdfast.infer('churn', JSON.parse(body));
  expect(response.status).toBe(200);
  const answer: unknown = await response.json();
  expect(answer).toMatchObject({
    model_name: 'churn',
    model_version: '1',
    parameters: { prediction_id: response.headers.get('x-holdfast-prediction-id') },
  });
});

test('a second process on the same data directory leaves at once and names the owner', async () => {
  const second = await runCli('up', '--data', data, '--port', '0', '--grpc-port', '0', '--console-port', '0');
  expect(second.code).toBe(3);
  expect(second.stderr).toContain(`process ${holdfast.pid} on`);
});

test('a port that somebody else has is named, and nothing is left running', async () => {
  const other = join(folder.path, 'other');
  const { port } = new URL(holdfast.ready.inferenceUrl);
  const taken = await runCli('up', '--data', other, '--port', port, '--grpc-port', '0', '--console-port', '0');
  expect(taken.code).toBe(2);
  expect(taken.stderr).toContain(`port ${port}`);
});

test('a recorded prediction can be exported with the ground truth that came before it, after it, and twice', async () => {
  expect((await holdfast.feedback('churn', [{ key: 'early', value: 1 }])).status).toBe(200);
  const ids: string[] = [];
  for (const key of ['early', 'late']) {
    const response = await holdfast.infer('churn', await oneRow('churn'), { 'x-holdfast-key': key });
    ids.push(response.headers.get('x-holdfast-prediction-id') ?? '');
  }
  await holdfast.feedback('churn', [{ prediction_id: ids[1], value: 0 }]);
  await holdfast.feedback('churn', [{ prediction_id: ids[1], value: 0 }]);
  const joined = await eventually(async () => {
    const rows = await holdfast.control.call('recentPredictions', { params: { model: 'churn' } });
    const truths = ids.map(id => rows.find(row => row.id === id)?.truth);
    return truths.every(truth => truth !== null && truth !== undefined) ? truths : undefined;
  });
  expect(joined).toEqual(['1', '0']);
  const exported = await runCli(
    'predictions',
    'churn',
    '--where',
    "key = 'early'",
    '--format',
    'jsonl',
    '--data',
    data,
  );
  expect(exported.stdout.trim().split('\n')).toHaveLength(1);
  expect(JSON.parse(exported.stdout)).toMatchObject({ key: 'early', truth: '1' });
});

test('a baseline whose columns do not match the model is refused with what is missing', async () => {
  const csv = join(folder.path, 'wrong.csv');
  writeFileSync(csv, `a,b\n${'1,2\n'.repeat(100)}`);
  const refused = await runCli('deploy', mlp, '--name', 'other', '--baseline', csv, '--data', data);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('input columns do not match the model');
  expect(refused.stderr).not.toContain(data);
});

test('what is no model is refused for what it is, and the server goes on', async () => {
  const file = join(folder.path, 'page.onnx');
  writeFileSync(file, '<!doctype html><title>Not found</title>');
  const refused = await runCli('deploy', file, '--name', 'page', '--data', data);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/HTML/);
  expect((await holdfast.infer('churn', await oneRow('churn'))).status).toBe(200);
});

test('deploying a second version moves the champion, and a rollback moves it back, both without a failed request', async () => {
  const second = join(folder.path, 'second.onnx');
  // The same graph with another name inside is another artifact.
  const bytes = readFileSync(mlp);
  writeFileSync(second, Buffer.concat([bytes, Buffer.from([0x32, 0x01, 0x78])]));
  const body = await oneRow('churn');
  const failures: number[] = [];
  const versions = new Set<string>();
  const stop = new AbortController();
  const load = Array.from({ length: 8 }, async () => {
    while (!stop.signal.aborted) {
      const response = await holdfast.infer('churn', body);
      if (response.status !== 200) failures.push(response.status);
      versions.add(response.headers.get('x-holdfast-version') ?? '');
      await response.arrayBuffer();
    }
  });
  const deployed = await runCli('deploy', second, '--name', 'churn', '--data', data, '--json');
  expect(deployed.code, deployed.stderr).toBe(0);
  expect(JSON.parse(deployed.stdout)).toMatchObject({ version: { version: 2, aliases: ['champion'] } });
  await eventually(async () => (versions.has('2') ? true : undefined));
  for (let i = 0; i < 25; i++) {
    await holdfast.control.call('rollback', { params: { model: 'churn' }, body: { reason: 'test' } });
    await holdfast.control.call('moveAlias', { params: { model: 'churn', alias: 'champion' }, body: { version: 2 } });
  }
  await holdfast.control.call('rollback', { params: { model: 'churn' }, body: {} });
  stop.abort();
  await Promise.all(load);
  expect(failures).toEqual([]);
  const after = await holdfast.infer('churn', body);
  expect(after.headers.get('x-holdfast-version')).toBe('1');
});

test('a gateway and a runner that are killed are replaced, and nothing recorded is lost', async () => {
  const before = await holdfast.control.call('status', {});
  expect((await holdfast.infer('churn', await oneRow('churn'), { 'x-holdfast-key': 'before-kill' })).status).toBe(200);
  await eventually(async () => {
    const { recording } = await holdfast.control.call('status', {});
    return recording.recordedTotal > before.recording.recordedTotal ? true : undefined;
  });
  for (const kind of ['gateway', 'runner', 'watcher'] as const) {
    const { processes } = await holdfast.control.call('status', {});
    const victim = processes.find(process => process.kind === kind);
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    await eventually(async () => {
      const { processes: now } = await holdfast.control.call('status', {});
      return now.some(process => process.kind === kind && process.pid !== victim?.pid && process.restarts > 0)
        ? true
        : undefined;
    });
    const body = await oneRow('churn');
    await eventually(async () => {
      const response = await holdfast.infer('churn', body).catch(() => undefined);
      return response?.status === 200 ? true : undefined;
    });
  }
  expect(before.recording.droppedTotal).toBe(0);
  const rows = await eventually(async () => {
    const recent = await holdfast.control.call('recentPredictions', {
      params: { model: 'churn' },
      query: { where: "key = 'before-kill'" },
    });
    return recent.length > 0 ? recent : undefined;
  });
  expect(rows).toHaveLength(1);
});

test('the metrics of both listeners are scraped as Prometheus text', async () => {
  for (const base of [holdfast.ready.inferenceUrl, holdfast.ready.consoleUrl]) {
    const response = await fetch(`${base}/metrics`);
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(await response.text()).toContain('# TYPE');
  }
});

test('control answers no other host name and no other origin', async () => {
  const url = `${holdfast.ready.consoleUrl}/api/v1/models`;
  expect((await fetch(url, { headers: { origin: 'http://evil.example' } })).status).toBe(403);
  expect((await fetch(url, { method: 'DELETE', headers: { origin: 'http://evil.example' } })).status).toBe(403);
});

test('SIGTERM ends everything in order, and the next start serves what was there', async () => {
  const { pid } = holdfast;
  expect((await holdfast.infer('churn', await oneRow('churn'), { 'x-holdfast-key': 'before-stop' })).status).toBe(200);
  const statusBefore = await holdfast.control.call('status', {});
  holdfast.signal('SIGTERM');
  expect(await holdfast.finished).toMatchObject({ code: 0 });
  for (const child of statusBefore.processes) expect(() => process.kill(child.pid, 0), child.name).toThrow();
  holdfast = await HoldfastProcess.up(['--data', data]);
  expect(holdfast.pid).not.toBe(pid);
  const response = await holdfast.infer('churn', await oneRow('churn'));
  expect(response.headers.get('x-holdfast-version')).toBe('1');
  const rows = await eventually(async () => {
    const recent = await holdfast.control.call('recentPredictions', {
      params: { model: 'churn' },
      query: { where: "key = 'before-stop'" },
    });
    return recent.length > 0 ? recent : undefined;
  });
  expect(rows).toHaveLength(1);
});

test('control that is killed leaves no process behind and starts again without a hand', async () => {
  const { processes } = await holdfast.control.call('status', {});
  holdfast.signal('SIGKILL');
  await holdfast.finished;
  await eventually(async () => {
    const alive = processes.filter(({ pid }) => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    });
    return alive.length === 0 ? true : undefined;
  });
  holdfast = await HoldfastProcess.up(['--data', data]);
  expect((await holdfast.infer('churn', await oneRow('churn'))).status).toBe(200);
});
