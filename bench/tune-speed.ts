/**
 * CPU of one suggestion by length of the history (5 floats), and how many of 200 proposals differ on the MLP table.
 *
 *   npm run bench -- tune-speed [--samplers gp,forest]
 */
import { createRng } from '@holdfast/stats';
import {
  auto,
  cmaEs,
  createStudy,
  float,
  forest,
  gp,
  nsga2,
  nsga3,
  quasiRandom,
  type Sampler,
  tpe,
} from '@holdfast/tune';
import { cpuMs, loadProblems, option, problemOf } from './tune-harness.ts';

const space = { a: float(0, 1), b: float(0, 1), c: float(0, 1), d: float(0, 1), e: float(0, 1) };
const makers: Readonly<Record<string, () => Sampler>> = {
  'tpe multivariate': () => tpe(),
  'tpe group': () => tpe({ mode: 'group' }),
  'tpe univariate': () => tpe({ mode: 'univariate' }),
  'cma-es': () => cmaEs(),
  gp: () => gp(),
  forest: () => forest(),
  'nsga-ii': () => nsga2(),
  'nsga-iii': () => nsga3(),
  'quasi-random': () => quasiRandom(),
  auto: () => auto(),
};
/** Optuna 5.0dev, ms: TPE, grouped TPE, CMA-ES, GP; SMAC3 2.4, which retrains every eighth time. */
const peers: Readonly<Record<string, string>> = {
  'tpe multivariate': '4.7 / 19 / 65',
  'tpe group': '7.6 / 19 / 103',
  'cma-es': '1.5 / 1.9 / 8.4',
  gp: '168 / 3,840 / not run',
  forest: '13 / 98 / not run',
};

console.log(
  'sampler            CPU ms a suggestion after 100 / 200 / 1,000 / 5,000 trials      peer after 100 / 1,000 / 5,000',
);
const chosen = option('samplers', Object.keys(makers).join(',')).split(',');
for (const [name, make] of Object.entries(makers).filter(([name]) => chosen.includes(name))) {
  const cells = [100, 200, 1000, 5000].map(history => {
    const study = createStudy({ space, sampler: make(), seed: 1 });
    const other = createStudy({ space, seed: 2 });
    const rng = createRng(7);
    for (let i = 0; i < history; i++) {
      const x = Object.fromEntries(Object.keys(space).map(k => [k, rng.next()]));
      other.enqueueFlat(x);
      const ask = other.ask();
      if (ask.kind === 'trial')
        other.tell(
          ask.trial.number,
          Object.values(x).reduce((s, v) => s + (v - 0.3) ** 2, 0),
        );
    }
    study.warmStart(other.trials);
    // The first suggestion pays for caches and the fit; the mean of the next twenty is what a study sees.
    const told = (): void => {
      const ask = study.ask();
      if (ask.kind === 'trial')
        study.tell(
          ask.trial.number,
          Object.values(ask.trial.flat).reduce<number>((s, v) => s + (Number(v) - 0.3) ** 2, 0),
        );
    };
    told();
    const started = cpuMs();
    for (let i = 0; i < 20; i++) told();
    return ((cpuMs() - started) / 20).toFixed(2);
  });
  console.log(`${name.padEnd(18)} ${cells.join(' / ').padEnd(66)} ${peers[name] ?? '-'}`);
}

const module = await loadProblems();
const problem = problemOf(module, 'mlp_digits');
for (const [name, make] of Object.entries({ tpe: makers['tpe multivariate']!, auto: makers.auto! })) {
  const study = createStudy({ space: problem.space, sampler: make(), seed: 3 });
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    seen.add(JSON.stringify(ask.trial.flat));
    study.tell(ask.trial.number, problem.evaluate(ask.trial.flat));
  }
  console.log(
    `${name}: ${seen.size} distinct configurations among 200 proposals on mlp_digits (Optuna 5.0dev: 122-143).`,
  );
}
