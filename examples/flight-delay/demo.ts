// Serves the flight model, replays February to June 2001 against it and tells what happens: see README.md.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HoldfastClient } from '@holdfast/api';
import { baselineColumns, ensureBaseline } from './baseline.ts';
import { type Clock, wallClock } from './clock.ts';
import { modelFile } from './delay-model.ts';
import { type DemoOptions, DemoUsageError, parseDemoOptions, usage } from './demo-options.ts';
import { type DemoSummary, MonthScores, summaryOf, summaryText } from './demo-summary.ts';
import { FlightStore } from './flights.ts';
import { Narrator, paceLine } from './narrator.ts';
import { Product } from './product.ts';
import { Replay } from './replay.ts';
import { httpTransport } from './transport.ts';

const modelName = 'flight-delay';
const connections = 8;
const tellEveryMs = 3_000;
/** How long the server may take to score the last labels after the replay. */
const settleTimeoutMs = 30_000;
/** Exit code of a program that was told to stop before it was done. */
const interrupted = 130;

type Say = (line: string) => void;

const shown = (path: string): string => relative(process.cwd(), path);

function introduction(inferenceUrl: string, consoleUrl: string): string {
  const input = (name: string, value: number | string) =>
    `{"name":"${name}","datatype":"${typeof value === 'string' ? 'BYTES' : 'FP32'}","shape":[1,1],"data":[${JSON.stringify(value)}]}`;
  const flight = { hour: 17.5, weekday: 5, distance: 733, origin_delay: 22, destination_delay: 15, origin_traffic: 61 };
  const inputs = Object.entries({ ...flight, origin: 'ORD', destination: 'LGA' }).map(([name, value]) =>
    input(name, value),
  );
  return [
    `console    ${consoleUrl}`,
    `inference  ${inferenceUrl}`,
    'ask it yourself, once it is deployed:',
    `  curl -s ${inferenceUrl}/v2/models/${modelName}/infer -d '{"inputs":[${inputs.join(',')}]}'`,
  ].join('\n');
}

async function deploy(product: Product, baseline: string, say: Say): Promise<void> {
  const words = ['deploy', modelFile, '--name', modelName, '--baseline', baseline];
  const columns = ['--truth-column', baselineColumns.truth, '--time-column', baselineColumns.time];
  say(`$ holdfast ${[...words, ...columns].map(word => (word.startsWith('/') ? shown(word) : word)).join(' ')}`);
  await product.command([...words, ...columns]);
}

/** Tells what the server announces until the signal aborts; asks again when the connection breaks. */
async function listen(
  client: HoldfastClient,
  narrator: Narrator,
  say: Say,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of client.events(signal)) for (const line of narrator.hear(event)) say(line);
    } catch (error) {
      if (!signal.aborted) say(`the live events broke off: ${String(error)}`);
    }
    await clock.sleep(1_000, signal);
  }
}

/** Tells pace and finished weeks every few seconds until the signal aborts. */
async function report({ client, replay, narrator, latencies, say, clock }: Watch, signal: AbortSignal): Promise<void> {
  let lastRows = 0;
  let lastMs = clock.nowMs();
  for (;;) {
    await clock.sleep(tellEveryMs, signal);
    if (signal.aborted) return;
    const { progress } = replay;
    const nowMs = clock.nowMs();
    const recent = replay.takeLatencies();
    for (const latency of recent) latencies.push(latency);
    say(paceLine(progress, ((progress.rows - lastRows) * 1000) / (nowMs - lastMs), recent));
    lastRows = progress.rows;
    lastMs = nowMs;
    try {
      const performance = await client.call('performance', { params: { model: modelName }, signal });
      for (const line of narrator.hearPerformance(performance, progress.eventMs)) say(line);
    } catch (error) {
      if (!signal.aborted) say(`the scores could not be read: ${String(error)}`);
    }
  }
}

interface Watch {
  readonly client: HoldfastClient;
  readonly replay: Replay;
  readonly narrator: Narrator;
  readonly latencies: number[];
  readonly say: Say;
  readonly clock: Clock;
}

/** Waits until every label that was sent is part of a score. */
async function settled({ client, replay, narrator, say, clock }: Watch, signal: AbortSignal): Promise<void> {
  const deadlineMs = clock.nowMs() + settleTimeoutMs;
  for (;;) {
    const performance = await client.call('performance', { params: { model: modelName } });
    const labelled = performance.points.reduce((sum, point) => sum + point.labelled, 0);
    const isSettled = labelled >= replay.progress.labels;
    if (isSettled || signal.aborted || clock.nowMs() > deadlineMs) {
      for (const line of narrator.hearPerformance(performance, Number.POSITIVE_INFINITY)) say(line);
      return;
    }
    await clock.sleep(500, signal);
  }
}

async function play(
  product: Product,
  store: FlightStore,
  options: DemoOptions,
  say: Say,
  signal: AbortSignal,
): Promise<DemoSummary> {
  const { client, inferenceUrl } = product;
  const clock = wallClock;
  const months = new MonthScores();
  using transport = httpTransport(inferenceUrl, connections);
  const replay = new Replay({
    source: store,
    span: options,
    transport,
    clock,
    model: modelName,
    speed: options.speed,
    concurrency: connections,
    onAnswer: (group, late) => months.add(group, late),
  });
  const watch: Watch = { client, replay, narrator: new Narrator(), latencies: [], say, clock };
  const quiet = new AbortController();
  const telling = Promise.all([listen(client, watch.narrator, say, clock, quiet.signal), report(watch, quiet.signal)]);
  const startedMs = clock.nowMs();
  try {
    await replay.run(signal);
    const seconds = (clock.nowMs() - startedMs) / 1000;
    await settled(watch, signal);
    const alerts = await client.call('alerts', { query: { model: modelName } });
    for (const alert of alerts) for (const line of watch.narrator.hearAlert(alert)) say(line);
    const { recording } = await client.call('status', {});
    const latencies = [...watch.latencies, ...replay.takeLatencies()];
    const { narrator } = watch;
    return summaryOf({ progress: replay.progress, latencies, seconds, months, narrator, alerts, recording });
  } finally {
    quiet.abort();
    await telling;
  }
}

async function demo(options: DemoOptions, say: Say, signal: AbortSignal): Promise<DemoSummary> {
  await mkdir(options.data, { recursive: true });
  await using stack = new AsyncDisposableStack();
  // Every run starts from nothing: the same flights twice would be twice the traffic.
  const data = await mkdtemp(join(options.data, 'server-'));
  stack.defer(() => rm(data, { recursive: true, force: true }));
  const config = fileURLToPath(new URL('holdfast.yaml', import.meta.url));
  const { host, port, consolePort } = options;
  const product = stack.use(await Product.start({ data, config, host, port, consolePort }));
  say(introduction(product.inferenceUrl, product.consoleUrl));
  say('reading 3,000,000 flights of 2001 and computing what was known before each departure ...');
  const store = stack.use(await FlightStore.open(options.data));
  signal.throwIfAborted();
  const baseline = await ensureBaseline(store, options.data);
  signal.throwIfAborted();
  await deploy(product, baseline, say);
  say(
    `replaying ${new Date(options.fromMs).toDateString()} onwards, ${options.speed.toLocaleString('en-US')} times as fast`,
  );
  const summary = await play(product, store, options, say, signal);
  say(summaryText(summary));
  if (!options.once && !signal.aborted) {
    say(`the server stays up for a look around: ${product.consoleUrl} (Ctrl-C ends it)`);
    await Promise.race([new Promise(resolve => signal.addEventListener('abort', resolve)), product.ended]);
  }
  return summary;
}

async function main(): Promise<number> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => stop.abort());
  try {
    const options = parseDemoOptions(process.argv.slice(2));
    if (options === undefined) {
      process.stdout.write(usage);
      return 0;
    }
    const say: Say = line => void (options.json ? process.stderr : process.stdout).write(`${line}\n`);
    const summary = await demo(options, say, stop.signal);
    if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    return stop.signal.aborted && options.once ? interrupted : 0;
  } catch (error) {
    if (stop.signal.aborted) return interrupted;
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    if (error instanceof DemoUsageError) process.stderr.write(`\n${usage}`);
    return error instanceof DemoUsageError ? 2 : 1;
  }
}

process.exitCode = await main();
