/**
 * Several objectives: share of the whole table's hypervolume that the front of a study reaches.
 *
 *   npm run bench -- tune-fronts [--samplers auto,nsga2] [--tables ...] [--seeds 10] [--trials 50,100]
 */
import { auto, createStudy, gp, hypervolume, noPruner, nsga2, nsga3, random, type Sampler, tpe } from '@holdfast/tune';
import { frontFactsOf, loadProblems, option, problemOf, quantile } from './tune-harness.ts';

const makers: Readonly<Record<string, () => Sampler>> = {
  auto: () => auto(),
  gp: () => gp(),
  tpe: () => tpe(),
  nsga2: () => nsga2(),
  nsga3: () => nsga3(),
  random: () => random(),
};

/** Medians at 50 and 100 trials, Optuna 5.0dev and random search. */
const peers: Readonly<Record<string, string>> = {
  nas_mlp_digits: 'TPE .986 / .999, NSGA-II .966 / .984, GP .978 / -, random .966 / .983',
  mlp_digits: 'TPE .997 / .999, random .990 / .994',
};

const module = await loadProblems();
const trials = option('trials', '50,100').split(',').map(Number);
const seeds = Number(option('seeds', '10'));
for (const table of option('tables', 'nas_mlp_digits,mlp_digits').split(',')) {
  const problem = problemOf(module, table);
  const { objectives, reference, hypervolume: whole } = frontFactsOf(table);
  console.log(`${table} (${objectives.join(', ')}), peers: ${peers[table] ?? '-'}`);
  for (const name of option('samplers', Object.keys(makers).join(',')).split(',')) {
    const make = makers[name];
    if (!make) throw new Error(`Unknown sampler ${name}; choose from ${Object.keys(makers).join(', ')}.`);
    const runs = Array.from({ length: seeds }, (_, seed) => {
      const study = createStudy({
        space: problem.space,
        objectives: objectives.map(o => ({ name: o, direction: 'minimize' as const })),
        sampler: make(),
        pruner: noPruner(),
        seed: 500 + seed,
      });
      return trials.map((n, k) => {
        for (let i = trials[k - 1] ?? 0; i < n; i++) {
          const ask = study.ask();
          if (ask.kind !== 'trial') break;
          study.tell(
            ask.trial.number,
            objectives.map(o => problem.evaluate(ask.trial.flat, o)),
          );
        }
        return (
          hypervolume(
            study.front().map(t => t.values ?? []),
            reference,
          ) / whole
        );
      });
    });
    const medians = trials.map((n, k) => {
      const column = runs.map(r => r[k]!);
      return `${n}: ${quantile(column, 0.5).toFixed(4)} [${quantile(column, 0.25).toFixed(3)}, ${quantile(column, 0.75).toFixed(3)}]`;
    });
    console.log(`  ${name.padEnd(8)} ${medians.join('   ')}`);
  }
}
