import { createRng } from '@holdfast/stats';
import { expect, test } from 'vitest';
import { axesOf, defaultPopulation, startCma, strategyOf, updateCma } from '../maths/cma.ts';
import { symmetricEigen } from '../maths/symmetric-eigen.ts';
import { categorical, float, int } from '../space/params.ts';
import { createStudy, restoreStudy } from '../study/create-study.ts';
import { firstRun, nextRestart, spend } from './cma-restarts.ts';
import { cmaEs } from './cmaes.ts';

test('strategy parameters equal those of the tutorial for ten dimensions', () => {
  // Hansen 2016, table 1, evaluated for n = 10, lambda = 10 with numpy.
  const { muEff, c1, cMu, cSigma, cC, chi, weights } = strategyOf(10, 10);
  expect(muEff).toBeCloseTo(3.1672992814107, 12);
  expect(c1).toBeCloseTo(0.0152838245247517, 12);
  expect(cMu).toBeCloseTo(0.0201542827612084, 12);
  expect(cSigma).toBeCloseTo(0.284428587946367, 12);
  expect(cC).toBeCloseTo(0.294990383035622, 12);
  expect(chi).toBeCloseTo(3.08472656516901, 12);
  expect(weights.slice(0, 5).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
  expect(defaultPopulation(10)).toBe(10);
});

test('eigenvectors rebuild the matrix', () => {
  const a = Float64Array.of(4, 1, 0.5, 1, 3, -1, 0.5, -1, 2);
  const { values, vectors } = symmetricEigen(a, 3);
  for (let i = 0; i < 3; i++)
    for (let j = 0; j < 3; j++) {
      let sum = 0;
      for (let k = 0; k < 3; k++) sum += vectors[i * 3 + k]! * values[k]! * vectors[j * 3 + k]!;
      expect(sum).toBeCloseTo(a[i * 3 + j]!, 12);
    }
});

test('one update moves the mean to the weighted best half', () => {
  const state = startCma([0, 0], 1, 4);
  const ranked = [
    [1, 0],
    [0, 1],
    [-1, 0],
    [0, -1],
  ];
  const next = updateCma(state, axesOf(state), ranked);
  const { weights } = strategyOf(2, 4);
  expect(next.mean[0]).toBeCloseTo(weights[0]!, 12);
  expect(next.mean[1]).toBeCloseTo(weights[1]!, 12);
});

test('a rotated ellipsoid of condition 10^4 is solved to 1e-8 in 800 evaluations', () => {
  let state = startCma([0.9, 0.2, 0.7], 0.3, 8);
  const rng = createRng(5);
  const f = ([a = 0, b = 0, c = 0]: readonly number[]): number =>
    (a + b - 0.3) ** 2 + 1e4 * (a - b) ** 2 + 100 * (c - a) ** 2;
  for (let g = 0; g < 100; g++) {
    const axes = axesOf(state);
    const population = Array.from({ length: 8 }, () => {
      const z = Array.from(axes.lengths, l => l * rng.normal());
      return state.mean.map((m, i) => m + state.sigma * z.reduce((s, v, k) => s + axes.vectors[i * 3 + k]! * v, 0));
    }).sort((p, q) => f(p) - f(q));
    state = updateCma(state, axes, population);
  }
  expect(f(state.mean)).toBeLessThan(1e-8);
});

test('a mixed space is searched, and a restart in mid-generation changes nothing', () => {
  const space = { x: float(-5, 5), y: float(-5, 5), k: int(0, 9), c: categorical(['a', 'b']) };
  const run = (stopAt: number): { readonly keys: readonly string[]; readonly best: number } => {
    let study = createStudy({ space, sampler: cmaEs(), seed: 9 });
    for (let i = 0; i < 240; i++) {
      if (i === stopAt) study = restoreStudy(JSON.parse(JSON.stringify(study.snapshot())), { space, sampler: cmaEs() });
      const ask = study.ask();
      if (ask.kind !== 'trial') break;
      const { x, y, k, c } = ask.trial.params;
      study.tell(ask.trial.number, (x - 1) ** 2 + 10 * (y - x) ** 2 + (k - 7) ** 2 + (c === 'a' ? 0 : 1));
    }
    return { keys: study.trials.map(t => JSON.stringify(t.params)), best: study.best()?.values?.[0] ?? Number.NaN };
  };
  const straight = run(-1);
  expect(straight.best).toBeLessThan(0.1);
  expect(run(101).keys).toEqual(straight.keys);
});

test('restarts double the population; BIPOP spends as much on small ones in between', () => {
  const rng = createRng(1);
  const once = spend(firstRun(8), 80);
  expect(nextRestart('ipop', once, 8, rng)).toEqual({ populationSize: 16, step: 1, regime: 'large' });
  const small = nextRestart('bipop', { ...once, largeSize: 64 }, 8, rng);
  expect(small.regime).toBe('small');
  // Hansen 2009, equation 2: between the first population and half the large one, steps down to a hundredth.
  expect(small.populationSize).toBeGreaterThanOrEqual(8);
  expect(small.populationSize).toBeLessThanOrEqual(32);
  expect(small.step).toBeGreaterThanOrEqual(0.01);
  expect(nextRestart('bipop', { ...once, spentSmall: 80 }, 8, rng).regime).toBe('large');
});

test('a flat run starts again elsewhere', () => {
  const study = createStudy({
    space: { x: float(0, 1), y: float(0, 1) },
    sampler: cmaEs({ restarts: 'bipop' }),
    seed: 3,
  });
  const state = () => JSON.stringify((study.options.sampler.save() as { history?: unknown } | null)?.history ?? null);
  const seen = new Set<string>();
  for (let i = 0; i < 400; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    // A plateau around the middle: nothing to gain once it is reached.
    study.tell(ask.trial.number, Math.max(0.3, Math.hypot(ask.trial.params.x - 0.5, ask.trial.params.y - 0.5)));
    const { regime } = JSON.parse(state()) as { readonly regime: string };
    seen.add(regime);
  }
  expect([...seen]).toEqual(['large', 'small']);
});

test('a study whose space gains a number goes on', () => {
  const study = createStudy({ space: { x: float(0, 1) }, sampler: cmaEs(), seed: 1 });
  const tellNext = (s: typeof study): void => {
    const ask = s.ask();
    if (ask.kind === 'trial') s.tell(ask.trial.number, ask.trial.params.x ** 2);
  };
  for (let i = 0; i < 12; i++) tellNext(study);
  const space = { x: float(0, 1), y: float(0, 1, { default: 0.5 }) };
  const evolved = restoreStudy(study.snapshot(), { space, sampler: cmaEs(), evolve: true });
  const ask = evolved.ask();
  expect(ask.kind === 'trial' && Object.keys(ask.trial.params)).toEqual(['x', 'y']);
});
