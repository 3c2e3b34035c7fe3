/** Problems, peers' figures and statistics shared by the tuning benches. Not a program. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createRng } from '@holdfast/stats';
import { createStudy, type FlatParams, type Param, type Sampler, type Scalar, type SpaceSpec } from '@holdfast/tune';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'shared', 'specs', 'tuning');

interface RawParam {
  readonly name: string;
  readonly type: 'float' | 'int' | 'ordinal' | 'categorical';
  readonly low: number;
  readonly high: number;
  readonly log?: boolean;
  readonly values: readonly Scalar[];
  readonly when?: Readonly<Record<string, readonly Scalar[]>>;
}

export interface Problem {
  readonly name: string;
  readonly space: SpaceSpec;
  readonly optimum: number;
  evaluate(params: FlatParams, metric?: string): number;
  /** Tables only: the budgets and the columns with the loss at each. */
  readonly fidelity?: { readonly budgets: readonly number[]; readonly columns: readonly string[] };
}

interface RawProblem {
  readonly name: string;
  readonly space: readonly RawParam[];
  readonly optimum: number;
  readonly meta?: { readonly fidelity?: { readonly budgets: readonly number[]; readonly columns: readonly string[] } };
  evaluate(params: FlatParams, metric?: string): number;
}

interface ProblemModule {
  readonly SYNTH: readonly string[];
  readonly TABLES: readonly string[];
  load(name: string): RawProblem;
}

function isProblemModule(m: unknown): m is ProblemModule {
  return (
    typeof m === 'object' && m !== null && 'SYNTH' in m && 'TABLES' in m && 'load' in m && typeof m.load === 'function'
  );
}

/** The problem set; ends the program with a sentence when the shared folder is not there. */
export async function loadProblems(): Promise<ProblemModule> {
  const path = join(folder, 'problems.mjs');
  if (!existsSync(path)) {
    console.log('The problems of specs/tuning are not beside this repository (../shared); nothing to run.');
    process.exit(0);
  }
  const loaded: unknown = await import(pathToFileURL(path).href);
  if (!isProblemModule(loaded)) throw new Error(`${path} does not export SYNTH, TABLES and load.`);
  return loaded;
}

function toParam({ type, low, high, log, values, when }: RawParam): Param {
  const condition = when ? { when } : {};
  if (type === 'float' || type === 'int') return { type, low, high, ...(log && { log }), ...condition };
  return { type: type === 'ordinal' ? 'ordered' : 'categorical', values, ...condition };
}

/**
 * A problem; with a shift, every range of floats is moved, its width kept, by up to that share of the width and by a
 * different amount in each dimension, so that no centre gives anything away. The optimum stays inside.
 */
export function problemOf(module: ProblemModule, name: string, shift = 0): Problem {
  const raw = module.load(name);
  const space = Object.fromEntries(
    raw.space.map((p, i) => {
      if (p.type !== 'float' || p.log || shift === 0) return [p.name, toParam(p)];
      const by = shift * (2 * ((i * 0.618034 + 0.17) % 1) - 1) * (p.high - p.low);
      return [p.name, toParam({ ...p, low: p.low + by, high: p.high + by })];
    }),
  );
  return {
    name,
    space,
    optimum: raw.optimum,
    evaluate: (params, metric) => raw.evaluate(params, metric),
    ...(raw.meta?.fidelity && { fidelity: raw.meta.fidelity }),
  };
}

/** Whoever proposes configurations: a study of ours, or another system in a process of its own. */
export interface Searcher {
  /** The next configuration; undefined when there is none any more, or none before something is told. */
  ask(): Promise<Proposal | undefined> | Proposal | undefined;
  tell(number: number, value: number): Promise<void> | void;
}

interface Proposal {
  readonly number: number;
  readonly flat: FlatParams;
}

/** A study of ours that knows how many trials there will be. */
export function studyOf(problem: Problem, sampler: Sampler, seed: number, trials: number): Searcher {
  const study = createStudy({ space: problem.space, sampler, seed, budget: { trials } });
  return {
    ask() {
      const ask = study.ask();
      return ask.kind === 'trial' ? ask.trial : undefined;
    },
    tell(number, value) {
      study.tell(number, value);
    },
  };
}

/**
 * Simple regret after so many trials. With several workers each asks again as soon as its trial, which takes between
 * half and one and a half units of time, has ended: results arrive late and out of order.
 */
export async function regretOf(
  problem: Problem,
  searcher: Searcher,
  { seed, trials, workers }: { readonly seed: number; readonly trials: number; readonly workers: number },
): Promise<number> {
  const rng = createRng(seed);
  const running: { readonly number: number; readonly value: number; readonly endsAt: number }[] = [];
  let best = Number.POSITIVE_INFINITY;
  let now = 0;
  for (let left = trials; ; ) {
    const asked = left > 0 && running.length < workers ? await searcher.ask() : undefined;
    if (asked) {
      left--;
      const value = problem.evaluate(asked.flat);
      running.push({ number: asked.number, value, endsAt: now + rng.uniform(0.5, 1.5) });
      continue;
    }
    const next = running.sort((a, b) => a.endsAt - b.endsAt).shift();
    if (next === undefined) return Math.max(0, best - problem.optimum);
    now = next.endsAt;
    await searcher.tell(next.number, next.value);
    best = Math.min(best, next.value);
  }
}

export interface FrontFacts {
  readonly objectives: readonly string[];
  readonly reference: readonly number[];
  readonly hypervolume: number;
}

/** Columns to minimise, reference point and hypervolume of the whole table's Pareto front. */
export function frontFactsOf(table: string): FrontFacts {
  const facts = JSON.parse(readFileSync(join(folder, 'tables', 'facts.json'), 'utf8')) as Record<
    string,
    { readonly pareto?: FrontFacts }
  >;
  const front = facts[table]?.pareto;
  if (!front) throw new Error(`${table} has no Pareto front in facts.json.`);
  return front;
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (at % 1) * ((sorted[Math.floor(at) + 1] ?? low) - low);
}

export interface PeerFigure {
  readonly system: string;
  readonly median: number;
  /** The lower quartile over its seeds. */
  readonly low: number;
  /** The upper quartile. */
  readonly high: number;
}

/** Medians of the peers for a problem and budget, best first. */
export function peersOf(problem: string, trials: number): readonly PeerFigure[] {
  const [, ...lines] = readFileSync(join(folder, 'summary.csv'), 'utf8').trim().split('\n');
  return lines
    .map(line => line.split(','))
    .filter(c => c[0] === problem && Number(c[1]) === trials && c[2] !== 'random')
    .map(c => {
      const [median = 0, low = 0, high = 0] = c.slice(4, 7).map(v => Math.max(0, Number(v)));
      return { system: c[2]!, median, low, high };
    })
    .sort((a, b) => a.median - b.median);
}

/** `--name value` from the command line. */
export function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
