// What recording costs and keeps: CPU microseconds per row of 30 floats beside two named limits, the watcher's share,
// and what 20 kill -9 lose. Prints a table, or with --json one object.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Signature } from '@holdfast/api';
import { pino } from 'pino';
import {
  type AnsweredRequest,
  followLog,
  openHistory,
  openLabelLog,
  openRecorder,
  type PredlogTables,
  predlogMigrations,
} from '../packages/holdfast/src/predlog/index.ts';
import { readEverything, runAndKill } from '../packages/holdfast/src/predlog/killed-writer.ts';
import { openDatabase } from '../packages/holdfast/src/storage/index.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rate: { type: 'string', default: '20000' },
    labels: { type: 'string', default: '14000' },
    kills: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
    /** Internal: this process is the gateway of the sustained run. */
    gateway: { type: 'string' },
  },
});
const seconds = Number(options.seconds);
const rate = Number(options.rate);
const labelRate = Number(options.labels);
const log = pino({ level: 'silent' });
const columns = 30;

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, columns], optional: false }],
  outputs: [{ name: 'score', datatype: 'FP32', shape: [-1, 1], optional: false }],
  columns: [
    ...Array.from({ length: columns }, (_, index) => ({
      name: `x[${index}]`,
      role: 'input' as const,
      tensor: 'x',
      index,
      kind: 'numeric' as const,
      pii: false,
    })),
    { name: 'score', role: 'output', tensor: 'score', index: 0, kind: 'numeric', pii: false },
  ],
  task: { kind: 'binary', score: 'score', positiveClass: '1', threshold: 0.5 },
};

let seed = 1;
/** Repeatable numbers from 0 to 1 that do not compress. */
function uniform(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 4_294_967_296;
}
const values = Float32Array.from({ length: columns * 997 }, uniform);

function request(n: number): AnsweredRequest {
  const from = (n % 997) * columns;
  return {
    model: 'bench',
    version: 1,
    signature,
    id: `01jd${String(n).padStart(16, '0')}`,
    rows: 1,
    receivedMs: Date.now(),
    eventMs: undefined,
    key: undefined,
    tags: undefined,
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1, columns], data: values.subarray(from, from + columns) }],
    outputs: [{ name: 'score', datatype: 'FP32', shape: [1, 1], data: values.subarray(from, from + 1) }],
    latencyUs: 500,
  };
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Calls `each` at the rate for a while, `tick` every 50 ms; CPU microseconds per row of this process. */
async function paced(each: (n: number) => void, tick: () => Promise<void>, forSeconds = seconds): Promise<number> {
  const startedUs = cpuUs();
  const startedMs = performance.now();
  let sent = 0;
  let ticking = Promise.resolve();
  let tickedMs = startedMs;
  for (let nowMs = startedMs; nowMs - startedMs < forSeconds * 1000; nowMs = performance.now()) {
    for (const due = ((nowMs - startedMs) / 1000) * rate; sent < due; sent++) each(sent);
    if (nowMs - tickedMs >= 50) {
      tickedMs = nowMs;
      ticking = ticking.then(tick);
    }
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  await ticking;
  await tick();
  return (cpuUs() - startedUs) / sent;
}

const folders: string[] = [];
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  folders.push(path);
  return path;
}

const nothing = async (): Promise<void> => {};

/** What making the requests and keeping the time costs by itself. */
function harness(): Promise<number> {
  let _kept = 0;
  return paced(n => {
    _kept += request(n).rows;
  }, nothing);
}

async function recorder(): Promise<{ cpuUs: number; dropped: number }> {
  await using sink = await openRecorder({ directory: folder(), instance: 'g', clock: Date.now, log });
  const used = await paced(n => sink.answered(request(n)), nothing);
  await sink.flush();
  return { cpuUs: used, dropped: sink.stats.droppedTotal };
}

/** One JSON object per row, written and synced every 50 ms: what a developer does by hand. */
async function jsonLines(): Promise<number> {
  await using file = await open(join(folder(), 'log.jsonl'), 'a');
  let lines: string[] = [];
  return await paced(
    n => {
      const { signature: _, inputs, outputs, ...row } = request(n);
      const [x] = inputs;
      const [score] = outputs;
      lines.push(JSON.stringify({ ...row, x: [...(x?.data ?? [])], score: score?.data[0] }));
    },
    async () => {
      if (lines.length === 0) return;
      const group = `${lines.join('\n')}\n`;
      lines = [];
      await file.appendFile(group);
      await file.datasync();
    },
  );
}

/** Rows straight into a DuckDB file through its appender, flushed every 50 ms. */
async function duckAppender(): Promise<number> {
  const instance = await DuckDBInstance.create(join(folder(), 'log.duckdb'), { threads: '1' });
  const connection = await instance.connect();
  const names = Array.from({ length: columns + 1 }, (_, i) => `c${i} float`).join(', ');
  await connection.run(`create table log (id varchar, received double, latency double, ${names})`);
  const appender = await connection.createAppender('log');
  const used = await paced(
    n => {
      const { id, receivedMs, latencyUs, inputs, outputs } = request(n);
      appender.appendVarchar(id);
      appender.appendDouble(receivedMs);
      appender.appendDouble(latencyUs);
      for (const value of [...(inputs[0]?.data ?? []), outputs[0]?.data[0]]) appender.appendFloat(Number(value));
      appender.endRow();
    },
    async () => appender.flushSync(),
  );
  appender.closeSync();
  connection.closeSync();
  instance.closeSync();
  return used;
}

interface GatewayOutcome {
  readonly sent: number;
  readonly recorded: number;
  readonly dropped: number;
  readonly labels: number;
}

/** The gateway of the sustained run: predictions at the rate, and a label for each a second later, up to the label rate. */
async function runGateway(directory: string): Promise<GatewayOutcome> {
  const shared = { directory, instance: 'g', clock: Date.now, log, segmentAgeMs: 3000 };
  await using sink = await openRecorder(shared);
  await using labels = await openLabelLog(shared);
  const startedMs = performance.now();
  let sent = 0;
  let labelled = 0;
  await paced(
    n => {
      sink.answered(request(n));
      sent = n + 1;
    },
    async () => {
      const due = Math.max(0, Math.min(sent, ((performance.now() - startedMs) / 1000 - 1) * labelRate));
      const group = [];
      for (; labelled < due; labelled++) {
        const predictionId = request(labelled).id;
        group.push({ predictionId, key: undefined, value: String(labelled % 2), eventMs: Date.now() });
      }
      if (group.length > 0) await labels.append('bench', group);
    },
  );
  await sink.flush();
  return { sent, recorded: sink.stats.recordedTotal, dropped: sink.stats.droppedTotal, labels: labelled };
}

/** A gateway in a process of its own, followed here as the watcher does: decoded, joined, sealed. */
async function sustained() {
  const directory = folder();
  await using db = await openDatabase<PredlogTables>({
    path: join(directory, 'watch.db'),
    migrations: predlogMigrations,
    durability: 'normal',
  });
  await using history = await openHistory({ directory, db, clock: Date.now, log });
  const follower = followLog({ directory, log });
  const child = spawn(
    process.execPath,
    [
      '--conditions=source',
      import.meta.filename,
      '--gateway',
      directory,
      '--seconds',
      String(seconds),
      '--rate',
      String(rate),
      '--labels',
      String(labelRate),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', text => {
    said += text;
  });
  let isRunning = true;
  child.once('close', () => {
    isRunning = false;
  });
  let rows = 0;
  let idle = 0;
  let sealedMs = performance.now();
  const spentUs = { follow: 0, ingest: 0, match: 0, seal: 0 };
  const spend = async <T>(on: keyof typeof spentUs, step: () => Promise<T>): Promise<T> => {
    const before = cpuUs();
    const result = await step();
    spentUs[on] += cpuUs() - before;
    return result;
  };
  while (isRunning || idle < 2) {
    const chunks = await spend('follow', async () => {
      const read = await follower.readNew();
      for (const chunk of read) if (chunk.kind === 'predictions') rows += chunk.columns.length > 0 ? chunk.rows : 0;
      return read;
    });
    idle = chunks.length === 0 ? idle + 1 : 0;
    await spend('ingest', () => history.ingest(chunks));
    if (chunks.length > 0) await spend('match', () => history.matchNew());
    if (performance.now() - sealedMs > 2000) {
      sealedMs = performance.now();
      await spend('seal', () => history.seal(follower.finished));
    }
    if (chunks.length === 0) await new Promise(resolve => setTimeout(resolve, 250));
    else await new Promise(resolve => setTimeout(resolve, 100));
  }
  await spend('match', () => history.matchNew());
  const outcome: GatewayOutcome = JSON.parse(said);
  const startedMs = performance.now();
  const window = await history.scoredWindow({
    model: 'bench',
    version: 1,
    fromMs: 0,
    toMs: Number.MAX_SAFE_INTEGER,
    columns: ['score'],
  });
  const windowMs = performance.now() - startedMs;
  return { ...outcome, followed: rows, predictions: window.predictions, labelled: window.labelled, windowMs, spentUs };
}

async function kills(times: number) {
  const directory = folder();
  const acknowledged: number[] = [];
  let first = 0;
  let longestLagMs = 0;
  const lags: { from: number; tellings: readonly { n: number; atMs: number }[] }[] = [];
  for (let kill = 0; kill < times; kill++) {
    const witness = await runAndKill(directory, first, 60 + ((kill * 37) % 80));
    acknowledged.push(...witness.acknowledged);
    lags.push({ from: first, tellings: witness.handed });
    first = (witness.handed.at(-1)?.n ?? first) + 1_000_000;
  }
  const { predictions, labels, damagedBytes } = await readEverything(directory);
  let tail = 0;
  for (const { from, tellings } of lags) {
    const last = tellings.at(-1);
    if (last === undefined) continue;
    const lost = tellings.find(({ n }) => !predictions.has(`p-${n}`));
    if (lost !== undefined) longestLagMs = Math.max(longestLagMs, last.atMs - lost.atMs);
    for (let n = from; n <= last.n; n++) if (!predictions.has(`p-${n}`)) tail += 1;
  }
  return {
    kills: times,
    acknowledgedLabels: acknowledged.length,
    lostLabels: acknowledged.filter(n => labels.get(String(n)) !== 1).length,
    recordedPredictions: predictions.size,
    doubledPredictions: [...predictions.values()].filter(count => count !== 1).length,
    tailPredictions: tail,
    oldestLostMs: longestLagMs,
    damagedBytes,
  };
}

async function main(): Promise<void> {
  const baseUs = await harness();
  const recorded = await recorder();
  const linesUs = await jsonLines();
  const appenderUs = await duckAppender();
  const run = await sustained();
  const killed = await kills(Number(options.kills));
  const perRow = (us: number): number => Number((us / run.followed).toFixed(2));
  const report = {
    rowsPerSecond: rate,
    cpuUsPerRow: {
      harness: Number(baseUs.toFixed(2)),
      recorder: Number((recorded.cpuUs - baseUs).toFixed(2)),
      jsonLines: Number((linesUs - baseUs).toFixed(2)),
      duckdbAppender: Number((appenderUs - baseUs).toFixed(2)),
    },
    recorderDropped: recorded.dropped,
    sustained: {
      sent: run.sent,
      recorded: run.recorded,
      dropped: run.dropped,
      followed: run.followed,
      labels: run.labels,
      joined: run.labelled,
      watcherCpuUsPerRow: {
        follow: perRow(run.spentUs.follow),
        ingest: perRow(run.spentUs.ingest),
        match: perRow(run.spentUs.match),
        seal: perRow(run.spentUs.seal),
      },
      wholeWindowMs: Math.round(run.windowMs),
    },
    killed,
  };
  if (options.json === true) console.log(JSON.stringify(report));
  else console.dir(report, { depth: 4 });
  const isKept =
    run.dropped === 0 &&
    run.recorded === run.sent &&
    run.followed === run.sent &&
    run.labelled === run.labels &&
    killed.lostLabels === 0 &&
    killed.doubledPredictions === 0 &&
    killed.damagedBytes === 0;
  if (!isKept) process.exitCode = 1;
}

try {
  if (options.gateway === undefined) await main();
  else console.log(JSON.stringify(await runGateway(options.gateway)));
} finally {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
}
