/**
 * How often the rollout judge is wrong, and how fast it is right.
 *
 * Simulated rollouts `5% 10m -> 25% 10m -> 100%` at a steady request rate, looked at every 10 seconds until they end: with
 * a version that is equal, worse by exactly a margin, worse by more, and better. Beside it, on the same requests: a fixed
 * z-test of the errors at each look (what a dashboard and a person do), and the mixture SPRT (Johari et al. 2022), both at
 * the same alpha and both promoting what they did not reject by the end of the plan.
 *
 * Bars: an equal version is rejected, and a version worse by a margin is promoted, in at most alpha of the rollouts (with
 * three standard errors of the simulation).
 *
 * node --conditions=source bench/rollout-judge.ts [--rollouts 2000] [--rate 120] [--seed 1] [--only NAME]
 */
import { parseArgs } from 'node:util';
import { judgeSchema, parsePlan } from '@holdfast/api';
import { createRng, mixtureRadius, type Rng } from '@holdfast/stats';
import {
  addBlock,
  type EvidenceBlock,
  judgeStep,
  noEvidence,
  settingsOf,
} from '../packages/holdfast/src/rollout/index.ts';
import { Histogram } from '../packages/holdfast/src/telemetry/index.ts';

const { values: flags } = parseArgs({
  options: {
    rollouts: { type: 'string', default: '2000' },
    rate: { type: 'string', default: '120' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const rollouts = Number(flags.rollouts);
const requestsPerSecond = Number(flags.rate);
const lookMs = 10_000;
const judge = judgeSchema.parse({ outputs: { mode: 'guard', margin: 0.1 } });
const settings = settingsOf(judge);
const parsed = parsePlan('5% 10m -> 25% 10m -> 100%');
if (typeof parsed === 'string') throw new Error(parsed);
const steps = parsed;

/** One version: share of failed requests, factor on a lognormal latency around 20 ms, and what it predicts. */
interface Version {
  readonly errors: number;
  readonly slowness: number;
  readonly classes: readonly number[];
}

const champion: Version = { errors: 0.02, slowness: 1, classes: [0.5, 0.3, 0.2] };
interface Scenario {
  readonly name: string;
  readonly challenger: Version;
  /** What must not happen more often than alpha. */
  readonly wrong: 'rejected' | 'promoted' | 'none';
}
const scenarios: readonly Scenario[] = [
  { name: 'equal', challenger: champion, wrong: 'rejected' },
  { name: 'errors 2 % -> 3 % (the margin)', challenger: { ...champion, errors: 0.03 }, wrong: 'promoted' },
  { name: 'latency x 1.25 (the margin)', challenger: { ...champion, slowness: 1.25 }, wrong: 'promoted' },
  { name: 'errors 2 % -> 4 %', challenger: { ...champion, errors: 0.04 }, wrong: 'promoted' },
  { name: 'errors 2 % -> 6 %', challenger: { ...champion, errors: 0.06 }, wrong: 'promoted' },
  { name: 'latency x 1.6', challenger: { ...champion, slowness: 1.6 }, wrong: 'promoted' },
  { name: 'predictions shifted by 0.2', challenger: { ...champion, classes: [0.3, 0.5, 0.2] }, wrong: 'none' },
  { name: 'errors 2 % -> 1 %, faster', challenger: { ...champion, errors: 0.01, slowness: 0.9 }, wrong: 'rejected' },
];

/** Buckets of a lognormal latency with their chances, so that a block is drawn bucket by bucket. */
function latencyLaw(slowness: number): readonly (readonly [bucket: number, chance: number])[] {
  const counts = new Map<number, number>();
  const points = 4000;
  for (let i = 0; i < points; i++) {
    const bucket = Histogram.bucketOf(20_000 * slowness * Math.exp(0.5 * normalQuantile((i + 0.5) / points)));
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1 / points);
  }
  return [...counts];
}

/** Acklam's approximation; off by less than 1e-8. */
function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  const t = Math.sqrt(-2 * Math.log(p));
  return -(
    t -
    (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t ** 3)
  );
}

function arm(rng: Rng, version: Version, law: ReturnType<typeof latencyLaw>, mean: number) {
  const latency: [number, number][] = [];
  let requests = 0;
  for (const [bucket, chance] of law) {
    const count = rng.poisson(mean * chance);
    if (count > 0) latency.push([bucket, count]);
    requests += count;
  }
  // Failures are few: their number is drawn, not each request.
  const errors = Math.min(requests, rng.poisson(requests * version.errors));
  const outputs = new Map(version.classes.map((chance, k) => [`class ${k}`, rng.poisson(requests * chance)]));
  return { requests, errors, rows: requests, nonFiniteRows: 0, latency, outputs };
}

type Ending = 'promoted' | 'rejected' | 'no verdict';
interface Outcome {
  readonly ending: Ending;
  readonly minutes: number;
}

type Laws = Readonly<Record<'champion' | 'challenger', ReturnType<typeof latencyLaw>>>;

interface Simulated {
  readonly ours: Outcome;
  readonly fixed: Outcome;
  readonly mixture: Outcome;
}

function simulate(rng: Rng, challenger: Version, laws: Laws): Simulated {
  let ours: Outcome | undefined;
  let fixed: Outcome | undefined;
  let mixture: Outcome | undefined;
  let totalMs = 0;
  for (const step of steps) {
    if (step.percent === 100) break;
    let evidence = noEvidence(settings);
    let isOver = false;
    for (let elapsedMs = lookMs; !isOver; elapsedMs += lookMs) {
      const mean = (requestsPerSecond * lookMs) / 1000;
      const block: EvidenceBlock = {
        champion: arm(rng, champion, laws.champion, mean * (1 - step.percent / 100)),
        challenger: arm(rng, challenger, laws.challenger, (mean * step.percent) / 100),
        copies: { compared: 0, disagreed: 0, dropped: 0 },
      };
      evidence = addBlock(evidence, block, settings);
      const minutes = (totalMs + elapsedMs) / 60_000;
      const recent = { champion: block.champion, challenger: block.challenger };
      const decision = judgeStep({ judge, steps, step, elapsedMs, nowMs: elapsedMs, evidence, recent });
      if (ours === undefined) {
        if (decision.kind === 'rollback') ours = { ending: 'rejected', minutes };
        else if (decision.kind === 'pause') ours = { ending: 'no verdict', minutes };
      }
      const [a, b] = [evidence.challenger, evidence.champion];
      const difference = a.errors / a.requests - b.errors / b.requests;
      const pooled = (a.errors + b.errors) / (a.requests + b.requests);
      const squared = pooled * (1 - pooled) * (1 / a.requests + 1 / b.requests);
      const isInTime = elapsedMs <= (step.forMs ?? 0) && a.requests >= judge.minimumRequests;
      if (isInTime && fixed === undefined && difference > 1.645 * Math.sqrt(squared)) {
        fixed = { ending: 'rejected', minutes };
      }
      if (isInTime && mixture === undefined && difference > mixtureRadius(squared, judge.errors.margin, judge.alpha)) {
        mixture = { ending: 'rejected', minutes };
      }
      isOver = decision.kind === 'advance' || ours !== undefined;
      if (isOver && elapsedMs < (step.forMs ?? 0)) isOver = fixed !== undefined && mixture !== undefined;
      if (isOver) totalMs += elapsedMs;
    }
    if (ours !== undefined) break;
  }
  const minutes = totalMs / 60_000;
  return {
    ours: ours ?? { ending: 'promoted', minutes },
    fixed: fixed ?? { ending: 'promoted', minutes: 20 },
    mixture: mixture ?? { ending: 'promoted', minutes: 20 },
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function show(outcomes: readonly Outcome[]): string {
  const part = (ending: Ending): string => {
    const count = outcomes.filter(one => one.ending === ending).length;
    return `${((100 * count) / outcomes.length).toFixed(1)}`.padStart(5);
  };
  const minutes = median(outcomes.map(one => one.minutes))
    .toFixed(1)
    .padStart(5);
  return `${part('promoted')} ${part('rejected')} ${part('no verdict')} ${minutes}`;
}

let missed = 0;
const width = 32;
console.log(
  `${rollouts} rollouts each, ${requestsPerSecond} requests per second, alpha ${judge.alpha}; promoted, rejected, no verdict in %, median minutes\n`,
);
console.log(`${''.padEnd(width)}${'judge'.padEnd(26)}${'fixed z-test, peeking'.padEnd(26)}mixture SPRT`);
for (const { name, challenger, wrong } of scenarios) {
  if (flags.only !== undefined && !name.startsWith(flags.only)) continue;
  const rng = createRng(Number(flags.seed));
  const laws = { champion: latencyLaw(champion.slowness), challenger: latencyLaw(challenger.slowness) };
  const all = Array.from({ length: rollouts }, () => simulate(rng, challenger, laws));
  console.log(
    `${name.padEnd(width)}${(['ours', 'fixed', 'mixture'] as const)
      .map(who => show(all.map(one => one[who])).padEnd(26))
      .join('')}`,
  );
  const share = all.filter(one => one.ours.ending === wrong).length / rollouts;
  const bar = judge.alpha + 3 * Math.sqrt((judge.alpha * (1 - judge.alpha)) / rollouts);
  if (share > bar) {
    missed++;
    console.log(`  missed: ${wrong} in ${(100 * share).toFixed(1)} %, promised ${100 * judge.alpha} %`);
  }
}
process.exitCode = missed > 0 ? 1 : 0;
