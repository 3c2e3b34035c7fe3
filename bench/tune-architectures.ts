/**
 * Architecture search on the look-up table of real networks: trials until one within 1 % of the best loss is found.
 *
 *   npm run bench -- tune-architectures [--samplers aging,auto,tpe,random] [--seeds 10] [--trials 480]
 */
import { agingEvolution, auto, createStudy, random, type Sampler, tpe } from '@holdfast/tune';
import { loadProblems, option, type Problem, problemOf, quantile } from './tune-harness.ts';

const samplers: Readonly<Record<string, () => Sampler>> = {
  aging: () => agingEvolution(),
  auto: () => auto(),
  tpe: () => tpe({ mode: 'group' }),
  random: () => random(),
};

/** Trials until the target is met; one more than the most when it is not. */
function trialsToTarget(problem: Problem, sampler: Sampler, seed: number, most: number): number {
  const study = createStudy({ space: problem.space, sampler, seed });
  for (let n = 1; n <= most; n++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const value = problem.evaluate(ask.trial.flat);
    study.tell(ask.trial.number, value);
    if (value <= 1.01 * problem.optimum) return n;
  }
  return most + 1;
}

const problem = problemOf(await loadProblems(), 'nas_mlp_digits');
const seeds = Number(option('seeds', '10'));
const most = Number(option('trials', '480'));
console.log('sampler  trials to within 1 %: median [q25, q75]');
for (const name of option('samplers', 'aging,auto,tpe,random').split(',')) {
  const make = samplers[name];
  if (!make) throw new Error(`There is no sampler "${name}"; choose of ${Object.keys(samplers).join(', ')}.`);
  const counts = Array.from({ length: seeds }, (_, seed) => trialsToTarget(problem, make(), seed, most));
  const [median, low, high] = [0.5, 0.25, 0.75].map(q => quantile(counts, q).toFixed(0));
  console.log(`${name.padEnd(8)} ${median} [${low}, ${high}]`);
}
