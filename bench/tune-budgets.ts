/**
 * Multi-fidelity on the look-up tables of real jobs: cost, in full evaluations, until a full evaluation within 1% of the
 * best loss has been found.
 *
 *   npm run bench -- tune-budgets [--samplers tpe,auto,bohb] [--tables ...] [--seeds 4] [--most 100]
 */
import {
  asha,
  auto,
  bohbSampler,
  createStudy,
  hyperband,
  medianPruner,
  noPruner,
  type Pruner,
  rankGuard,
  type Sampler,
  tpe,
} from '@holdfast/tune';
import { loadProblems, option, type Problem, problemOf, quantile } from './tune-harness.ts';

const samplers: Readonly<Record<string, () => Sampler>> = {
  tpe: () => tpe(),
  auto: () => auto(),
  bohb: () => bohbSampler(),
};

function prunersFor(min: number, max: number): Readonly<Record<string, () => Pruner>> {
  const rungs = { minSteps: min, maxSteps: max };
  return {
    'full evaluations': () => noPruner(),
    'guarded median': () => rankGuard(medianPruner()),
    asha: () => asha(rungs),
    'guarded asha': () => rankGuard(asha(rungs)),
    hyperband: () => hyperband(rungs),
  };
}

/** Cost until the target is met; `most` when it is not. */
function costToTarget(problem: Problem, sampler: Sampler, pruner: Pruner, seed: number, most: number): number {
  const { budgets, columns } = problem.fidelity!;
  const full = budgets.at(-1)!;
  const study = createStudy({ space: problem.space, sampler, pruner, seed });
  let cost = 0;
  while (cost < most) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { number, flat, resumeFrom = 0 } = ask.trial;
    let spent = resumeFrom;
    let stopped: 'pruned' | 'paused' | undefined;
    for (const [i, budget] of budgets.entries()) {
      if (budget <= resumeFrom) continue;
      cost += (budget - spent) / full;
      spent = budget;
      const decision = study.report(number, budget, problem.evaluate(flat, columns[i]!));
      if (budget < full && decision.kind !== 'continue') {
        stopped = decision.kind === 'prune' ? 'pruned' : 'paused';
        break;
      }
    }
    if (stopped) study.tell(number, { kind: stopped });
    else {
      const value = problem.evaluate(flat, columns.at(-1)!);
      study.tell(number, value);
      if (value <= 1.01 * problem.optimum) return cost;
    }
  }
  return most;
}

const module = await loadProblems();
const tables = option('tables', 'hgb_breast_cancer,mlp_digits,xgb_diabetes,nas_mlp_digits').split(',');
const seeds = Number(option('seeds', '4'));
const most = Number(option('most', '100'));
console.log('table              sampler  pruner            cost to within 1%, in full evaluations: median [q25, q75]');
for (const table of tables) {
  const problem = problemOf(module, table);
  if (!problem.fidelity) throw new Error(`${table} has no budgets.`);
  const { budgets } = problem.fidelity;
  for (const sampler of option('samplers', 'tpe,auto').split(','))
    for (const [label, pruner] of Object.entries(prunersFor(budgets[0]!, budgets.at(-1)!))) {
      const costs = Array.from({ length: seeds }, (_, s) =>
        costToTarget(problem, samplers[sampler]!(), pruner(), s, most),
      );
      const [median, low, high] = [0.5, 0.25, 0.75].map(q => quantile(costs, q).toFixed(1));
      console.log(`${table.padEnd(18)} ${sampler.padEnd(8)} ${label.padEnd(17)} ${median} [${low}, ${high}]`);
    }
}
