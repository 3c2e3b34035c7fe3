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
import { cpuMs, loadProblems, option, peersOf, problemOf, quantile, regrets } from './tune-harness.ts';

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
  readonly budgets: readonly number[];
  readonly regrets: readonly number[];
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

const key = (r: Pick<Run, 'problem' | 'shift' | 'sampler' | 'seed' | 'budgets'>): string =>
  [r.problem, r.shift, r.sampler, r.seed, r.budgets.join('+')].join(' ');
const runs = new Map<string, Run>();
if (store !== '' && existsSync(store))
  for (const line of readFileSync(store, 'utf8').trim().split('\n')) {
    const run = JSON.parse(line) as Run;
    runs.set(key(run), run);
  }

/** A table looks the same whatever the shift: it has no floats. */
const cells = problems.flatMap(problem =>
  (module.TABLES.includes(problem) ? [0] : shifts).flatMap(shift =>
    samplers.map(sampler => ({ problem, shift, sampler })),
  ),
);
for (const cell of cells) {
  const make = makers[cell.sampler];
  if (!make) throw new Error(`Unknown sampler ${cell.sampler}; choose from ${Object.keys(makers).join(', ')}.`);
  for (let seed = 1000; seed < 1000 + seeds; seed++) {
    if (runs.has(key({ ...cell, seed, budgets }))) continue;
    const started = cpuMs();
    const reached = regrets(problemOf(module, cell.problem, cell.shift), make(), seed, budgets);
    const run = { ...cell, seed, budgets, regrets: reached, cpuMs: cpuMs() - started };
    runs.set(key(run), run);
    if (store !== '') appendFileSync(store, `${JSON.stringify(run)}\n`);
  }
}

let compared = 0;
let won = 0;
let withinTwice = 0;
console.log(
  'problem            shift trials sampler    seeds median [q25, q75]               best peer                       CPU ms a trial',
);
for (const cell of cells) {
  const own = Array.from({ length: seeds }, (_, s) => runs.get(key({ ...cell, seed: 1000 + s, budgets }))).filter(
    r => r !== undefined,
  );
  const cost = own.reduce((sum, r) => sum + r.cpuMs, 0) / own.length / budgets.at(-1)!;
  for (const [k, n] of budgets.entries()) {
    const column = own.map(r => r.regrets[k]!);
    const [median, low, high] = [0.5, 0.25, 0.75].map(q => quantile(column, q));
    const peer = peersOf(cell.problem, n)[0];
    const floor = module.TABLES.includes(cell.problem) ? rounding.table : rounding.problem;
    const wins = peer !== undefined && median! <= peer.median + floor;
    const isNear = peer !== undefined && median! <= 2 * peer.median + floor;
    if (peer) compared++;
    if (wins) won++;
    if (isNear) withinTwice++;
    const ours = `${median!.toPrecision(3)} [${low!.toPrecision(2)}, ${high!.toPrecision(2)}]`;
    const theirs = peer ? `${wins ? '<=' : isNear ? '> ' : '>>'} ${peer.median.toPrecision(3)} ${peer.system}` : '-';
    console.log(
      `${cell.problem.padEnd(18)} ${String(cell.shift).padEnd(5)} ${String(n).padStart(6)} ${cell.sampler.padEnd(10)} ${String(own.length).padStart(5)} ${ours.padEnd(31)} ${theirs.padEnd(32)} ${cost.toFixed(1)}`,
    );
  }
}
console.log(
  `At or below the best peer in ${won} of ${compared} cells (${((100 * won) / compared).toFixed(0)} %); within twice of it in ${withinTwice}.`,
);
