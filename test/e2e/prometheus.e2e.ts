import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { eventually, HoldfastProcess, temporaryFolder } from './holdfast-process.ts';

const fixtures = fileURLToPath(new URL('../../packages/holdfast/src/runtime/fixtures', import.meta.url));
const absent = 'promtool and prometheus are not installed (Debian: apt-get install prometheus)';
const isInstalled = ['promtool', 'prometheus'].every(program => spawnSync(program, ['--version']).status === 0);

/** Rows of each request; their sum is what `nv_inference_count` must show. */
const requests = [1, 5, 20, 1, 13];
const rows = 40;

const folder = temporaryFolder();
let holdfast: HoldfastProcess;

beforeAll(async () => {
  copyFileSync(join(fixtures, 'mlp-30-64-1.onnx'), join(folder.path, 'churn.onnx'));
  holdfast = await HoldfastProcess.up([join(folder.path, 'churn.onnx'), '--data', join(folder.path, 'data')]);
  for (const size of requests) {
    const data = Array.from({ length: size * 30 }, (_, i) => (i % 7) / 7);
    const body = { inputs: [{ name: 'features', datatype: 'FP32', shape: [size, 30], data }] };
    expect((await holdfast.infer('churn', body)).status).toBe(200);
  }
  // Refusals of both kinds have lines of their own.
  expect((await holdfast.infer('churn', { inputs: [] })).status).toBe(400);
  expect((await holdfast.infer('nobody', { inputs: [] })).status).toBe(404);
});

afterAll(async () => {
  await holdfast[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

test('promtool finds no fault in what either listener publishes', async context => {
  if (!isInstalled) return context.skip(absent);
  for (const base of [holdfast.ready.inferenceUrl, holdfast.ready.consoleUrl]) {
    const text = await (await fetch(`${base}/metrics`)).text();
    expect(text).toContain('holdfast_');
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect(checked.stderr.trim().split('\n').filter(isComplaint), `${base}\n${checked.stderr}`).toEqual([]);
    // 3 says that the text is sound and only its style was remarked on.
    expect([0, 3]).toContain(checked.status);
  }
});

/** Remarks on the style of names that are Triton's: its users' dashboards read them, so they stay as they are. */
const tritonStyle =
  /^nv_(?:inference|cache)_\w+ (counter metrics should have "_total" suffix|metric names should not contain abbreviated units|non-histogram and non-summary metrics should not have "_count" suffix)$/;

function isComplaint(line: string): boolean {
  return line !== '' && !tritonStyle.test(line);
}

const answerSchema = z.object({
  status: z.literal('success'),
  data: z.object({
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise(resolve => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('the system gave no port');
  return address.port;
}

/** A Prometheus of its own that scrapes both listeners. */
class Prometheus implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #url: string;
  #output = '';

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
  }

  static async start(targets: readonly string[]): Promise<Prometheus> {
    const config = {
      global: { scrape_interval: '200ms', scrape_timeout: '200ms' },
      scrape_configs: [{ job_name: 'holdfast', static_configs: [{ targets }] }],
    };
    const path = join(folder.path, 'prometheus.yml');
    writeFileSync(path, JSON.stringify(config));
    const port = await freePort();
    const child = spawn(
      'prometheus',
      [
        `--config.file=${path}`,
        `--storage.tsdb.path=${join(folder.path, 'tsdb')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { cwd: folder.path, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    return new Prometheus(child, `http://127.0.0.1:${port}`);
  }

  /** The value of the one series that a query finds, once there is one. */
  async value(query: string): Promise<number> {
    return eventually(async () => {
      if (this.#child.exitCode !== null) throw new Error(`prometheus ended: ${this.#output}`);
      const response = await fetch(`${this.#url}/api/v1/query?query=${encodeURIComponent(query)}`).catch(
        () => undefined,
      );
      if (response?.ok !== true) return undefined;
      const { result } = answerSchema.parse(await response.json()).data;
      return result.length === 1 ? Number(result[0]?.value[1]) : undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const left = new Promise(resolve => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await left;
  }
}

test('a Prometheus that scrapes both listeners answers with the rows and requests that were sent', async context => {
  if (!isInstalled) return context.skip(absent);
  const targets = [holdfast.ready.inferenceUrl, holdfast.ready.consoleUrl].map(url => new URL(url).host);
  await using prometheus = await Prometheus.start(targets);
  for (const target of targets) expect(await prometheus.value(`up{instance="${target}"} == 1`)).toBe(1);
  expect(await prometheus.value('nv_inference_count{model="churn"}')).toBe(rows);
  expect(await prometheus.value('nv_inference_request_success{model="churn",version="1"}')).toBe(requests.length);
  expect(await prometheus.value('holdfast_request_duration_seconds_count{model="churn"}')).toBe(requests.length);
  expect(await prometheus.value('holdfast_champion_version{model="churn"}')).toBe(1);
  // Control hears of what was recorded once a second.
  expect(await prometheus.value(`holdfast_predictions_recorded_total == ${rows}`)).toBe(rows);
  const p99 = await prometheus.value(
    'histogram_quantile(0.99, sum by (le) (holdfast_request_duration_seconds_bucket{model="churn"}))',
  );
  expect(p99).toBeGreaterThan(0);
  expect(p99).toBeLessThan(60);
});
