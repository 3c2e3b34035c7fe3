// What serving costs, variants side by side in one run: (A) Holdfast with everything on, (B) without recording and
// monitoring, (C) Fastify + onnxruntime-node as a Node developer writes it by hand, (D) the bare session in a loop at
// the batch size that A reached. Requests of one row; JSON and binary tensors; 1, 32 and 128 keep-alive connections.
// Prints requests per second and CPU microseconds per request of all server processes, and exits with 1 when a bar is
// missed. Variants take turns in rounds and medians are shown.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { HoldfastProcess, runCli, temporaryFolder } from '../test/e2e/holdfast-process.ts';
import { LoadClient, type LoadResult } from './load-client.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    connections: { type: 'string', default: '1,32,128' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const seconds = options.quick ? 1 : Number(options.seconds);
const rounds = options.quick ? 1 : Number(options.rounds);
const connectionCounts = options.quick ? [32] : options.connections.split(',').map(Number);
const encodings = ['json', 'binary'] as const;
type Encoding = (typeof encodings)[number];

const bars = { connections: 32, cpuOverUnwatched: 1.15, requestsOverHandWritten: 2 };
/** Each process runs this many requests of each encoding before anything is measured. */
const warmUpRequests = 6000;
/** Linux counts the CPU time of other processes in ticks of 10 ms. */
const tickUs = 10_000;
/** A watcher with nothing to do uses at most this many ticks in a second. */
const idleTicks = 2;
const settleTimeoutMs = 10_000;

const repository = join(import.meta.dirname, '..');

/** One row: the values of each input. */
type Row = Readonly<Record<string, readonly (number | string)[]>>;

interface Subject {
  readonly name: string;
  readonly modelFile: string;
  readonly rows: readonly Row[];
}

let seed = 1;
/** Repeatable numbers from 0 to 1. */
function uniform(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 4_294_967_296;
}

function mlp(): Subject {
  const features = (): number[] => Array.from({ length: 30 }, () => Math.round(uniform() * 1e4) / 1e4);
  return {
    name: 'mlp',
    modelFile: join(repository, 'packages/holdfast/src/runtime/fixtures/mlp-30-64-1.onnx'),
    rows: Array.from({ length: 5000 }, () => ({ features: features() })),
  };
}

function flight(): Subject {
  const folder = join(repository, 'examples/flight-delay');
  const known: Record<string, number | string>[] = JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8'));
  const row = (): Row => {
    const flight = known[Math.floor(uniform() * known.length)]!;
    const inputs = Object.entries(flight).filter(([name]) => name !== 'probability');
    return Object.fromEntries(inputs.map(([name, value]) => [name, [value]]));
  };
  return {
    name: 'flight',
    modelFile: join(folder, 'model.onnx'),
    rows: Array.from({ length: 5000 }, row),
  };
}

function feedsOf(rows: readonly Row[]): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const [name, first] of Object.entries(rows[0]!)) {
    const shape = [rows.length, first.length];
    const all = rows.flatMap(row => row[name]!);
    feeds[name] =
      typeof first[0] === 'string'
        ? new Tensor('string', all.map(String), shape)
        : new Tensor('float32', Float32Array.from(all, Number), shape);
  }
  return feeds;
}

/** Inputs and outputs of all rows as a CSV file: a baseline for drift and prediction drift. */
async function baselineOf(rows: readonly Row[], session: InferenceSession): Promise<string> {
  const feeds = feedsOf(rows);
  const tensors = Object.entries({ ...feeds, ...(await session.run(feeds)) });
  const columns = tensors.flatMap(([name, { data, size }]) => {
    const width = size / rows.length;
    return Array.from({ length: width }, (_, at) => ({
      title: width === 1 ? name : `${name}[${at}]`,
      at: (row: number): string => String(data[row * width + at]),
    }));
  });
  const lines = rows.map((_, row) => columns.map(column => column.at(row)).join(','));
  return `${columns.map(column => column.title).join(',')}\n${lines.join('\n')}\n`;
}

function textBytes(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function bodyOf(row: Row, encoding: Encoding): { headers: string; body: Buffer } {
  const inputs = Object.entries(row).map(([name, data]) => {
    const isText = typeof data[0] === 'string';
    const bytes = isText
      ? Buffer.concat(data.map(value => textBytes(String(value))))
      : Buffer.from(Float32Array.from(data, Number).buffer);
    return { name, shape: [1, data.length], datatype: isText ? 'BYTES' : 'FP32', data, bytes };
  });
  if (encoding === 'json') {
    const body = JSON.stringify({ inputs: inputs.map(({ bytes: _, ...input }) => input) });
    return { headers: 'content-type: application/json\r\n', body: Buffer.from(body) };
  }
  const head = Buffer.from(
    JSON.stringify({
      inputs: inputs.map(({ data: _, bytes, ...input }) => ({
        ...input,
        parameters: { binary_data_size: bytes.length },
      })),
      parameters: { binary_data_output: true },
    }),
  );
  return {
    headers: `content-type: application/octet-stream\r\ninference-header-content-length: ${head.length}\r\n`,
    body: Buffer.concat([head, ...inputs.map(({ bytes }) => bytes)]),
  };
}

function requestsOf(rows: readonly Row[], encoding: Encoding): Buffer[] {
  return rows.slice(0, 256).map(row => {
    const { headers, body } = bodyOf(row, encoding);
    const head = `POST /v2/models/model/infer HTTP/1.1\r\nhost: 127.0.0.1\r\n${headers}content-length: ${body.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), body]);
  });
}

/** User and system time of a process so far; 0 when it is gone. */
function ticksOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}

/** CPU ticks of a server's processes, by kind. */
type Ticks = Readonly<Record<string, number>>;

/** A server under load. */
interface Variant extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  ticks(): Ticks;
  /** Resolves when work that the requests left behind is done. */
  settle(): Promise<void>;
  /** Rows and runs of the model so far; undefined where each request is a run. */
  batches(): Promise<{ rows: number; runs: number } | undefined>;
}

async function startHoldfast(subject: Subject, baselineCsv: string | undefined): Promise<Variant> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder()).path;
  const config = join(folder, 'holdfast.yaml');
  // Segments are sealed soon after they are written, so that a measured stretch of load includes its own sealing.
  writeFileSync(config, `recording: ${baselineCsv === undefined ? '{ enabled: false }' : '{ sealAfter: 3s }'}\n`);
  const data = join(folder, 'data');
  const holdfast = stack.use(await HoldfastProcess.up(['--config', config, '--data', data]));
  const deploy = ['deploy', subject.modelFile, '--name', 'model', '--data', data];
  if (baselineCsv !== undefined) {
    const baseline = join(folder, 'baseline.csv');
    writeFileSync(baseline, baselineCsv);
    deploy.push('--baseline', baseline);
  }
  const deployed = await runCli(...deploy);
  if (deployed.code !== 0) throw new Error(`deploy failed: ${deployed.stderr}`);
  const { processes } = await holdfast.control.call('status', {});
  const pids = processes.map(({ kind, pid }) => ({ kind, pid }));
  const watcher = pids.find(({ kind }) => kind === 'watcher')?.pid ?? 0;
  const unsealed = (): boolean =>
    readdirSync(join(data, 'log'), { recursive: true }).some(file => /\.predictions\.(open|log)$/.test(String(file)));
  const { inferenceUrl } = holdfast.ready;
  const lifetime = stack.move();
  return {
    name: baselineCsv === undefined ? 'unwatched' : 'holdfast',
    port: Number(new URL(inferenceUrl).port),
    ticks: () => {
      const ticks: Record<string, number> = {};
      for (const { kind, pid } of pids) ticks[kind] = (ticks[kind] ?? 0) + ticksOf(pid);
      return ticks;
    },
    settle: async () => {
      if (baselineCsv === undefined) return;
      const end = performance.now() + settleTimeoutMs;
      for (let before = ticksOf(watcher); performance.now() < end; ) {
        await pause(1000);
        const now = ticksOf(watcher);
        if (now - before <= idleTicks && !unsealed()) return;
        before = now;
      }
    },
    batches: async () => {
      const text = await (await fetch(`${inferenceUrl}/metrics`)).text();
      const total = (metric: string): number =>
        Array.from(text.matchAll(new RegExp(`^${metric}\\{[^}]*\\} (\\d+)`, 'gm')), ([, value]) =>
          Number(value),
        ).reduce((sum, value) => sum + value, 0);
      return { rows: total('nv_inference_count'), runs: total('nv_inference_exec_count') };
    },
    [Symbol.asyncDispose]: () => lifetime.disposeAsync(),
  };
}

async function firstLine(child: ChildProcess): Promise<string> {
  const line = Promise.withResolvers<string>();
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', text => {
    said += text;
    if (said.includes('\n')) line.resolve(said.trim());
  });
  child.once('exit', code => line.reject(new Error(`the hand-written server ended with ${code}`)));
  return line.promise;
}

async function startHandWritten(subject: Subject): Promise<Variant> {
  const program = join(import.meta.dirname, 'hand-written-server.ts');
  const child = spawn(process.execPath, [program, subject.modelFile], { stdio: ['pipe', 'pipe', 'inherit'] });
  const left = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const port = Number(await firstLine(child));
  return {
    name: 'by hand',
    port,
    ticks: () => ({ server: ticksOf(child.pid ?? 0) }),
    settle: async () => {},
    batches: async () => undefined,
    [Symbol.asyncDispose]: async () => {
      child.stdin?.end();
      await left;
    },
  };
}

interface Sample {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU microseconds per request, by kind of process. */
  readonly cpuUs: Readonly<Record<string, number>>;
  readonly totalCpuUs: number;
  readonly rowsPerRun: number;
}

/** The watcher is read when it has settled; the other processes when the last answer is there and synced. */
async function measure(variant: Variant, load: () => Promise<LoadResult>): Promise<Sample> {
  const batchesBefore = await variant.batches();
  const before = variant.ticks();
  const { requests, elapsedMs, p50Ms, p99Ms } = await load();
  await pause(150);
  const served = variant.ticks();
  await variant.settle();
  const settled = variant.ticks();
  const batches = await variant.batches();
  const cpuUs: Record<string, number> = {};
  for (const kind of Object.keys(before)) {
    const after = kind === 'watcher' ? settled : served;
    cpuUs[kind] = ((after[kind]! - before[kind]!) * tickUs) / requests;
  }
  const rowsPerRun =
    batches && batchesBefore ? (batches.rows - batchesBefore.rows) / (batches.runs - batchesBefore.runs) : 1;
  return {
    requestsPerSecond: (requests * 1000) / elapsedMs,
    p50Ms,
    p99Ms,
    cpuUs,
    totalCpuUs: Object.values(cpuUs).reduce((sum, us) => sum + us, 0),
    rowsPerRun,
  };
}

/** CPU microseconds per row of the bare session in this process. */
async function bareLoop(session: InferenceSession, rows: readonly Row[], batch: number): Promise<number> {
  const feeds = feedsOf(rows.slice(0, batch));
  const runFor = async (ms: number): Promise<number> => {
    let runs = 0;
    for (const end = performance.now() + ms; performance.now() < end; runs++) await session.run(feeds);
    return runs;
  };
  await runFor(200);
  const before = process.cpuUsage();
  const runs = await runFor(500);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (runs * batch);
}

function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function medianSample(samples: readonly Sample[]): Sample {
  const of = (key: 'requestsPerSecond' | 'p50Ms' | 'p99Ms' | 'totalCpuUs' | 'rowsPerRun'): number =>
    median(samples.map(sample => sample[key]));
  const kinds = Object.keys(samples[0]?.cpuUs ?? {});
  return {
    requestsPerSecond: of('requestsPerSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    totalCpuUs: of('totalCpuUs'),
    rowsPerRun: of('rowsPerRun'),
    cpuUs: Object.fromEntries(kinds.map(kind => [kind, median(samples.map(sample => sample.cpuUs[kind] ?? 0))])),
  };
}

interface Cell {
  readonly model: string;
  readonly encoding: Encoding;
  readonly connections: number;
  readonly holdfast: Sample;
  readonly unwatched: Sample;
  readonly byHand: Sample;
  /** CPU microseconds per row. */
  readonly bareUs: number;
}

/** Every variant must give the same numbers, or the comparison means nothing. */
async function checkSameAnswers(variants: readonly Variant[], row: Row): Promise<void> {
  const answers = [];
  for (const { port } of variants) {
    const { body } = bodyOf(row, 'json');
    const response = await fetch(`http://127.0.0.1:${port}/v2/models/model/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Uint8Array(body),
    });
    const { outputs }: { outputs: { name: string; data: number[] }[] } = JSON.parse(await response.text());
    answers.push(JSON.stringify(outputs.map(({ name, data }) => [name, ...data.map(value => Math.fround(value))])));
  }
  if (new Set(answers).size !== 1) throw new Error(`the variants answer differently: ${answers.join(' ')}`);
}

async function compare(subject: Subject, client: LoadClient): Promise<Cell[]> {
  await using stack = new AsyncDisposableStack();
  const session = await InferenceSession.create(subject.modelFile, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  stack.defer(() => session.release());
  const holdfast = stack.use(await startHoldfast(subject, await baselineOf(subject.rows, session)));
  const unwatched = stack.use(await startHoldfast(subject, undefined));
  const byHand = stack.use(await startHandWritten(subject));
  const variants = [holdfast, unwatched, byHand];
  await checkSameAnswers(variants, subject.rows[0]!);
  for (const encoding of encodings) {
    const requests = requestsOf(subject.rows, encoding);
    for (const { port } of variants) {
      const load = { port, requests, seconds: 0 };
      await client.run({ ...load, connections: 32, minimumRequests: warmUpRequests });
      await client.run({ ...load, connections: 1, minimumRequests: 500 });
    }
  }
  await holdfast.settle();
  const cells: Cell[] = [];
  for (const encoding of encodings) {
    const requests = requestsOf(subject.rows, encoding);
    for (const connections of connectionCounts) {
      const samples = new Map(variants.map(variant => [variant, [] as Sample[]]));
      const bare: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const turns = variants.map((_, i) => variants[(i + round) % variants.length]!);
        for (const variant of turns) {
          const load = { port: variant.port, requests, connections, seconds, minimumRequests: 1 };
          samples.get(variant)?.push(await measure(variant, () => client.run(load)));
        }
        const rowsPerRun = samples.get(holdfast)?.at(-1)?.rowsPerRun ?? 1;
        bare.push(await bareLoop(session, subject.rows, Math.max(1, Math.round(rowsPerRun))));
      }
      const of = (variant: Variant): Sample => medianSample(samples.get(variant) ?? []);
      const cell = { holdfast: of(holdfast), unwatched: of(unwatched), byHand: of(byHand), bareUs: median(bare) };
      cells.push({ model: subject.name, encoding, connections, ...cell });
      process.stderr.write(`${subject.name} ${encoding} ${connections} measured\n`);
    }
  }
  return cells;
}

interface Ratios {
  readonly cpuOverUnwatched: number;
  readonly requestsOverHandWritten: number;
  readonly cpuOverHandWritten: number;
  readonly cpuOverBare: number;
}

function ratiosOf({ holdfast, unwatched, byHand, bareUs }: Cell): Ratios {
  return {
    cpuOverUnwatched: holdfast.totalCpuUs / unwatched.totalCpuUs,
    requestsOverHandWritten: holdfast.requestsPerSecond / byHand.requestsPerSecond,
    cpuOverHandWritten: holdfast.totalCpuUs / byHand.totalCpuUs,
    cpuOverBare: holdfast.totalCpuUs / bareUs,
  };
}

function printTables(cells: readonly Cell[]): void {
  console.log(
    'A Holdfast, everything on; B recording and monitoring off; C Fastify + onnxruntime-node; D bare session',
  );
  console.log('requests per second; "cpu" is microseconds of all server processes per request');
  console.table(
    cells.map(cell => {
      const { holdfast: a, unwatched: b, byHand: c, bareUs } = cell;
      const ratios = ratiosOf(cell);
      return {
        cell: `${cell.model} ${cell.encoding} ${cell.connections}`,
        'A/B cpu': ratios.cpuOverUnwatched.toFixed(2),
        'A/C req/s': ratios.requestsOverHandWritten.toFixed(2),
        'A/C cpu': ratios.cpuOverHandWritten.toFixed(2),
        'A/D cpu': ratios.cpuOverBare.toFixed(1),
        'A req/s': Math.round(a.requestsPerSecond),
        'B req/s': Math.round(b.requestsPerSecond),
        'C req/s': Math.round(c.requestsPerSecond),
        'A cpu': Math.round(a.totalCpuUs),
        'B cpu': Math.round(b.totalCpuUs),
        'C cpu': Math.round(c.totalCpuUs),
        'D cpu': bareUs.toFixed(1),
      };
    }),
  );
  console.log('where the CPU of A and B goes (microseconds per request), latency, rows per run of the model');
  console.table(
    cells.flatMap(cell =>
      [cell.holdfast, cell.unwatched].map((sample, i) => ({
        cell: `${'AB'[i]} ${cell.model} ${cell.encoding} ${cell.connections}`,
        ...Object.fromEntries(Object.entries(sample.cpuUs).map(([kind, us]) => [kind, us.toFixed(1)])),
        'p50 ms': sample.p50Ms.toFixed(2),
        'p99 ms': sample.p99Ms.toFixed(2),
        'rows/run': sample.rowsPerRun.toFixed(1),
      })),
    ),
  );
}

interface BarResult {
  readonly bar: string;
  readonly measured: number;
  readonly isMet: boolean;
}

function judge(cells: readonly Cell[]): BarResult[] {
  return cells
    .filter(cell => cell.connections === bars.connections)
    .flatMap(cell => {
      const { cpuOverUnwatched, requestsOverHandWritten } = ratiosOf(cell);
      const at = `${cell.model} ${cell.encoding}, ${cell.connections} connections`;
      return [
        {
          bar: `${at}: A/B CPU per request <= ${bars.cpuOverUnwatched}`,
          measured: cpuOverUnwatched,
          isMet: cpuOverUnwatched <= bars.cpuOverUnwatched,
        },
        {
          bar: `${at}: A/C requests per second >= ${bars.requestsOverHandWritten}`,
          measured: requestsOverHandWritten,
          isMet: requestsOverHandWritten >= bars.requestsOverHandWritten,
        },
      ];
    });
}

const subjects = [mlp, flight].filter(({ name }) => options.only === undefined || options.only === name);
if (subjects.length === 0) throw new Error(`--only takes mlp or flight, not "${options.only}"`);
using client = new LoadClient();
// Without its load the measurement fails, and on the way out every server is stopped.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => client[Symbol.dispose]());
const cells: Cell[] = [];
for (const subject of subjects) cells.push(...(await compare(subject(), client)));
const results = judge(cells);
if (options.json) console.log(JSON.stringify({ cells, bars: results }));
else {
  printTables(cells);
  for (const { bar, measured, isMet } of results) {
    console.log(`${isMet ? 'pass' : 'MISS'}  ${bar}: ${measured.toFixed(2)}`);
  }
}
if (results.some(({ isMet }) => !isMet)) process.exitCode = 1;
