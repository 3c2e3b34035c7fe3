/**
 * Simple regret of our samplers on the problems of the specification, a cell being a problem and a budget: `auto` beside the
 * best peer of each cell, the others beside the same algorithm elsewhere (with a shift, peers' figures are those without).
 * Marks: <= at or below the peer's median, ~ the quartiles overlap, > worse, >> worse than twice the peer's median.
 *
 *   npm run bench -- tune-problems [--samplers auto,tpe] [--problems branin2,...] [--budget 50,200] [--seeds 3]
 *     [--shift 0,0.1] [--workers 1] [--store FILE] [--report]
 *
 * With several workers, that many trials run at once; the peers' figures stay those of one trial after the other.
 *
 * A store keeps every run as a line of JSON and runs only what it lacks, so that a long table can be measured in
 * pieces; --report runs nothing. Exit code 1 when `auto` is above its peers in more than a fifth of the cells or beyond
 * twice in any, or another sampler is worse than its own peer. The default (auto, 3 seeds, 50 trials) takes half a minute.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { auto, cmaEs, forest, gp, nsga2, random, type Sampler, tpe } from '@holdfast/tune';
import {
  cpuMs,
  loadProblems,
  option,
  type PeerFigure,
  peersOf,
  problemOf,
  quantile,
  regretOf,
  studyOf,
} from './tune-harness.ts';

const makers: Readonly<Record<string, () => Sampler>> = {
  auto: () => auto(),
  gp: () => gp(),
  tpe: () => tpe(),
  univariate: () => tpe({ mode: 'univariate' }),
  group: () => tpe({ mode: 'group' }),
  cmaes: () => cmaEs(),
  forest: () => forest(),
  nsga2: () => nsga2(),
  random: () => random(),
};

/** The systems that a sampler other than `auto` is compared with, the better of them in each cell. */
const ownPeers: Readonly<Record<string, readonly string[]>> = {
  gp: ['optuna 5.0dev gp'],
  tpe: ['optuna 5.0dev tpe'],
  univariate: ['optuna 3.1 tpe', 'hyperopt TPE'],
  group: ['optuna 5.0dev tpe_mv_group'],
  cmaes: ['optuna 5.0dev cmaes'],
  forest: ['SMAC3 2.4 HPO(RF)'],
};

interface Run {
  readonly problem: string;
  readonly shift: number;
  readonly sampler: string;
  readonly seed: number;
  readonly trials: number;
  /** Trials at once; absent for one. */
  readonly workers?: number;
  readonly regret: number;
  readonly cpuMs: number;
}

const module = await loadProblems();
const all = [...module.SYNTH, ...module.TABLES.filter(t => t !== 'pipeline_digits')];
const problems = option('problems', all.join(',')).split(',');
const samplers = option('samplers', 'auto').split(',');
const seeds = Number(option('seeds', '3'));
const budgets = option('budget', '50').split(',').map(Number);
const shifts = option('shift', '0').split(',').map(Number);
const workers = Number(option('workers', '1'));
const store = option('store', '');
const reportsOnly = process.argv.includes('--report');
/** Regrets below these are rounding of the stored optimum: of problems, of tables. */
const rounding = { problem: 1e-9, table: 1e-6 };

const key = (r: Pick<Run, 'problem' | 'shift' | 'sampler' | 'seed' | 'trials' | 'workers'>): string =>
  [r.problem, r.shift, r.sampler, r.seed, r.trials, r.workers ?? 1].join(' ');
const runs = new Map<string, Run>();
if (store !== '' && existsSync(store))
  for (const line of readFileSync(store, 'utf8').trim().split('\n')) {
    const run = JSON.parse(line) as Run;
    runs.set(key(run), run);
  }

/** A table looks the same whatever the shift: it has no floats. Every budget is a study of its own: samplers plan. */
const cells = problems.flatMap(problem =>
  (module.TABLES.includes(problem) ? [0] : shifts).flatMap(shift =>
    samplers.flatMap(sampler => budgets.map(trials => ({ problem, shift, sampler, trials, workers }))),
  ),
);
// Seed by seed, so that a table which was cut short has about as many seeds in every cell.
for (let seed = 1000; seed < 1000 + seeds && !reportsOnly; seed++)
  for (const cell of cells) {
    const make = makers[cell.sampler];
    if (!make) throw new Error(`Unknown sampler ${cell.sampler}; choose from ${Object.keys(makers).join(', ')}.`);
    if (runs.has(key({ ...cell, seed }))) continue;
    const started = cpuMs();
    const problem = problemOf(module, cell.problem, cell.shift);
    const regret = await regretOf(problem, studyOf(problem, make(), seed, cell.trials), { ...cell, seed });
    const run = { ...cell, seed, regret, cpuMs: cpuMs() - started };
    runs.set(key(run), run);
    if (store !== '') appendFileSync(store, `${JSON.stringify(run)}\n`);
  }

const marks = new Map<string, string[]>(samplers.map(s => [s, []]));
console.log(
  'problem            shift trials sampler    seeds median [q25, q75]               peer                             ratio  CPU ms a trial',
);
for (const cell of cells) {
  const own = Array.from({ length: seeds }, (_, s) => runs.get(key({ ...cell, seed: 1000 + s }))).filter(
    r => r !== undefined,
  );
  if (own.length === 0) continue;
  const cost = own.reduce((sum, r) => sum + r.cpuMs, 0) / own.length / cell.trials;
  const reached = own.map(r => r.regret);
  const [median = 0, low = 0, high = 0] = [0.5, 0.25, 0.75].map(q => quantile(reached, q));
  const compared = ownPeers[cell.sampler];
  const peer = peersOf(cell.problem, cell.trials).find(p => compared?.includes(p.system) ?? true);
  const floor = module.TABLES.includes(cell.problem) ? rounding.table : rounding.problem;
  const mark = peer ? markOf(median, compared ? low : median, peer, floor) : '';
  if (peer) marks.get(cell.sampler)?.push(mark);
  const ours = `${median.toPrecision(3)} [${low.toPrecision(2)}, ${high.toPrecision(2)}]`;
  const theirs = peer ? `${mark.padEnd(2)} ${peer.median.toPrecision(3)} ${peer.system}` : '-';
  const ratio = peer ? (Math.max(median, floor) / Math.max(peer.median, floor)).toPrecision(2) : '';
  console.log(
    `${cell.problem.padEnd(18)} ${String(cell.shift).padEnd(5)} ${String(cell.trials).padStart(6)} ${cell.sampler.padEnd(10)} ${String(own.length).padStart(5)} ${ours.padEnd(31)} ${theirs.padEnd(32)} ${ratio.padEnd(6)} ${cost.toFixed(1)}`,
  );
}

/** How a cell stands beside a peer; noise counts where `low`, our lower quartile, is given rather than the median. */
function markOf(median: number, low: number, peer: PeerFigure, floor: number): '<=' | '~' | '>' | '>>' {
  if (median <= peer.median + floor) return '<=';
  if (low < median && low <= peer.high + floor) return '~';
  return median <= 2 * peer.median + floor ? '>' : '>>';
}

for (const [sampler, all] of marks) {
  const count = (mark: string): number => all.filter(m => m === mark).length;
  const share = ((100 * count('<=')) / all.length).toFixed(0);
  console.log(
    `${sampler}: at or below the peer in ${count('<=')} of ${all.length} cells (${share} %), within noise in ${count('~')}, worse in ${count('>')}, beyond twice in ${count('>>')}.`,
  );
  const isBelow = count('>') + count('>>') === 0;
  const isMet =
    sampler === 'auto' ? count('<=') >= 0.8 * all.length && count('>>') === 0 : isBelow || !ownPeers[sampler];
  if (!isMet) process.exitCode = 1;
}
