/**
 * Simple regret of our samplers on the problems of the specification, beside the best peer of each cell
 * (problem x budget; with a shift, the peers' figures are those without it).
 *
 *   npm run bench -- tune-problems [--samplers auto,tpe] [--problems branin2,...] [--budget 50,200] [--seeds 3]
 *     [--shift 0,0.1] [--store FILE]
 *
 * A store keeps every run as a line of JSON and runs only what it lacks, so that a long table can be measured in
 * pieces; the report covers all the cells asked for. The default (auto, 3 seeds, 50 trials) takes about a minute.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { auto, cmaEs, forest, gp, nsga2, random, type Sampler, tpe } from '@holdfast/tune';
import { cpuMs, loadProblems, option, peersOf, problemOf, quantile, regretOf } from './tune-harness.ts';

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

interface Run {
  readonly problem: string;
  readonly shift: number;
  readonly sampler: string;
  readonly seed: number;
  readonly trials: number;
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
const store = option('store', '');
/** Regrets below these are rounding of the stored optimum: of problems, of tables. */
const rounding = { problem: 1e-9, table: 1e-6 };

const key = (r: Pick<Run, 'problem' | 'shift' | 'sampler' | 'seed' | 'trials'>): string =>
  [r.problem, r.shift, r.sampler, r.seed, r.trials].join(' ');
const runs = new Map<string, Run>();
if (store !== '' && existsSync(store))
  for (const line of readFileSync(store, 'utf8').trim().split('\n')) {
    const run = JSON.parse(line) as Run;
    runs.set(key(run), run);
  }

/** A table looks the same whatever the shift: it has no floats. Every budget is a study of its own: samplers plan. */
const cells = problems.flatMap(problem =>
  (module.TABLES.includes(problem) ? [0] : shifts).flatMap(shift =>
    samplers.flatMap(sampler => budgets.map(trials => ({ problem, shift, sampler, trials }))),
  ),
);
// Seed by seed, so that a table which was cut short has about as many seeds in every cell.
for (let seed = 1000; seed < 1000 + seeds; seed++)
  for (const cell of cells) {
    const make = makers[cell.sampler];
    if (!make) throw new Error(`Unknown sampler ${cell.sampler}; choose from ${Object.keys(makers).join(', ')}.`);
    if (runs.has(key({ ...cell, seed }))) continue;
    const started = cpuMs();
    const regret = regretOf(problemOf(module, cell.problem, cell.shift), make(), seed, cell.trials);
    const run = { ...cell, seed, regret, cpuMs: cpuMs() - started };
    runs.set(key(run), run);
    if (store !== '') appendFileSync(store, `${JSON.stringify(run)}\n`);
  }

let compared = 0;
let won = 0;
let withinTwice = 0;
console.log(
  'problem            shift trials sampler    seeds median [q25, q75]               best peer                       CPU ms a trial',
);
for (const cell of cells) {
  const own = Array.from({ length: seeds }, (_, s) => runs.get(key({ ...cell, seed: 1000 + s }))).filter(
    r => r !== undefined,
  );
  const cost = own.reduce((sum, r) => sum + r.cpuMs, 0) / own.length / cell.trials;
  const [median, low, high] = [0.5, 0.25, 0.75].map(q =>
    quantile(
      own.map(r => r.regret),
      q,
    ),
  );
  const peer = peersOf(cell.problem, cell.trials)[0];
  const floor = module.TABLES.includes(cell.problem) ? rounding.table : rounding.problem;
  const wins = peer !== undefined && median! <= peer.median + floor;
  const isNear = peer !== undefined && median! <= 2 * peer.median + floor;
  if (peer) compared++;
  if (wins) won++;
  if (isNear) withinTwice++;
  const ours = `${median!.toPrecision(3)} [${low!.toPrecision(2)}, ${high!.toPrecision(2)}]`;
  const theirs = peer ? `${wins ? '<=' : isNear ? '> ' : '>>'} ${peer.median.toPrecision(3)} ${peer.system}` : '-';
  console.log(
    `${cell.problem.padEnd(18)} ${String(cell.shift).padEnd(5)} ${String(cell.trials).padStart(6)} ${cell.sampler.padEnd(10)} ${String(own.length).padStart(5)} ${ours.padEnd(31)} ${theirs.padEnd(32)} ${cost.toFixed(1)}`,
  );
}
console.log(
  `At or below the best peer in ${won} of ${compared} cells (${((100 * won) / compared).toFixed(0)} %); within twice of it in ${withinTwice}.`,
);
