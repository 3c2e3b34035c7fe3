/**
 * Cost, in full evaluations, until a full evaluation within 1 % of the best loss has been found on the look-up tables of
 * real jobs: without stopping that is the number of trials, beside when the best peer was there; with stopping it should
 * be a third of it or less.
 *
 *   npm run bench -- tune-budgets [--samplers tpe,auto,bohb,random] [--pruners full,asha,...] [--tables ...]
 *     [--seeds 10] [--most 100] [--store FILE]
 *
 * A store keeps every run as a line of JSON and runs only what it lacks. Exit code 1 when a bar is missed.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import {
  asha,
  auto,
  bohbSampler,
  createStudy,
  freezeThaw,
  gp,
  hyperband,
  medianPruner,
  noPruner,
  type Pruner,
  random,
  rankGuard,
  type Sampler,
  tpe,
} from '@holdfast/tune';
import { loadProblems, option, type Problem, peersOf, problemOf, quantile } from './tune-harness.ts';

const makers: Readonly<Record<string, () => Sampler>> = {
  random: () => random(),
  tpe: () => tpe(),
  group: () => tpe({ mode: 'group' }),
  gp: () => gp(),
  auto: () => auto(),
  bohb: () => bohbSampler(),
};

const prunersFor: Readonly<Record<string, (min: number, max: number) => Pruner>> = {
  full: () => noPruner(),
  median: () => rankGuard(medianPruner()),
  asha: (minSteps, maxSteps) => asha({ minSteps, maxSteps }),
  guarded: (minSteps, maxSteps) => rankGuard(asha({ minSteps, maxSteps })),
  hyperband: (minSteps, maxSteps) => hyperband({ minSteps, maxSteps }),
  thaw: (minSteps, maxSteps) => freezeThaw({ minSteps, maxSteps }),
};

interface Run {
  readonly table: string;
  readonly sampler: string;
  readonly pruner: string;
  readonly seed: number;
  readonly most: number;
  /** In full evaluations; `most` when the target was not met. */
  readonly cost: number;
  /** The same in CPU seconds of the recorded trainings, each step of a training taken as equally long. */
  readonly seconds: number;
}

const target = 1.01;

/** Cost until the target is met. */
function costToTarget(
  problem: Problem,
  sampler: Sampler,
  pruner: Pruner,
  seed: number,
  most: number,
): Pick<Run, 'cost' | 'seconds'> {
  const { budgets, columns } = problem.fidelity ?? { budgets: [1], columns: [undefined] };
  const full = budgets.at(-1)!;
  const study = createStudy({ space: problem.space, sampler, pruner, seed });
  let cost = 0;
  let seconds = 0;
  while (cost < most) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { number, flat, resumeFrom = 0 } = ask.trial;
    let spent = resumeFrom;
    let stopped: 'pruned' | 'paused' | undefined;
    for (const [i, budget] of budgets.entries()) {
      if (budget <= resumeFrom) continue;
      const share = (budget - spent) / full;
      cost += share;
      seconds += share * problem.evaluate(flat, 'cost_s');
      spent = budget;
      const decision = study.report(number, budget, problem.evaluate(flat, columns[i]));
      if (budget < full && decision.kind !== 'continue') {
        stopped = decision.kind === 'prune' ? 'pruned' : 'paused';
        break;
      }
    }
    if (stopped) study.tell(number, { kind: stopped });
    else {
      const value = problem.evaluate(flat);
      study.tell(number, value);
      if (value <= target * problem.optimum) return { cost, seconds };
    }
  }
  return { cost: most, seconds };
}

/** By how many trials the first peer's median was there, as far as the figures at 50 and 200 trials tell. */
function peersThere(problem: Problem): { readonly by: number; readonly text: string } {
  const near = (target - 1) * problem.optimum;
  for (const trials of [50, 200]) {
    const peer = peersOf(problem.name, trials).find(p => p.median <= near);
    if (peer) return { by: trials, text: `<= ${trials}, ${peer.system}` };
  }
  return { by: Number.POSITIVE_INFINITY, text: '> 200' };
}

const module = await loadProblems();
const tables = option('tables', module.TABLES.join(',')).split(',');
const samplers = option('samplers', 'tpe,auto').split(',');
const pruners = option('pruners', Object.keys(prunersFor).join(',')).split(',');
const seeds = Number(option('seeds', '10'));
const most = Number(option('most', '100'));
const store = option('store', '');

const key = (r: Pick<Run, 'table' | 'sampler' | 'pruner' | 'seed' | 'most'>): string =>
  [r.table, r.sampler, r.pruner, r.seed, r.most].join(' ');
const runs = new Map<string, Run>();
if (store !== '' && existsSync(store))
  for (const line of readFileSync(store, 'utf8').trim().split('\n')) {
    const run = JSON.parse(line) as Run;
    runs.set(key(run), run);
  }

let missed = false;
console.log('table              sampler  pruner     full evaluations [q25, q75]   CPU s of trainings   bar');
for (const table of tables) {
  const problem = problemOf(module, table);
  for (const sampler of samplers) {
    let withoutStopping = Number.NaN;
    for (const pruner of problem.fidelity ? pruners : ['full']) {
      const { budgets } = problem.fidelity ?? { budgets: [1] };
      const own = Array.from({ length: seeds }, (_, seed): Run => {
        const cell = { table, sampler, pruner, seed, most };
        const known = runs.get(key(cell));
        if (known) return known;
        const stops = prunersFor[pruner]!(budgets[0]!, budgets.at(-1)!);
        const run = { ...cell, ...costToTarget(problem, makers[sampler]!(), stops, seed, most) };
        if (store !== '') appendFileSync(store, `${JSON.stringify(run)}\n`);
        return run;
      });
      const costs = own.map(r => r.cost);
      const [median = 0, low = 0, high = 0] = [0.5, 0.25, 0.75].map(q => quantile(costs, q));
      if (pruner === 'full') withoutStopping = median;
      const peers = peersThere(problem);
      const isMet = pruner === 'full' ? median <= peers.by : median <= withoutStopping / 3;
      if (!isMet) missed = true;
      const bar = pruner === 'full' ? `peers ${peers.text}` : `1/${(withoutStopping / median).toFixed(1)} of full`;
      const ours = `${median >= most ? `> ${most}` : median.toFixed(1)} [${low.toFixed(1)}, ${high.toFixed(1)}]`;
      const seconds = quantile(
        own.map(r => r.seconds),
        0.5,
      );
      console.log(
        `${table.padEnd(18)} ${sampler.padEnd(8)} ${pruner.padEnd(10)} ${ours.padEnd(28)} ${seconds.toFixed(2).padEnd(20)} ${bar}${isMet ? '' : ', missed'}`,
      );
    }
  }
}
if (missed) process.exitCode = 1;
