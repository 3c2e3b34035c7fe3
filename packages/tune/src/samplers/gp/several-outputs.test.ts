import { createRng } from '@holdfast/stats';
import { expect, test } from 'vitest';
import { nonDominatedBoxes } from '../../maths/boxes.ts';
import { hypervolume } from '../../maths/hypervolume.ts';
import { noPruner } from '../../pruners/pruner.ts';
import { float } from '../../space/params.ts';
import { createStudy } from '../../study/create-study.ts';
import { random } from '../random.ts';
import type { Sampler } from '../sampler.ts';
import { logNormalCdf, logNormalCdfSlope, withFeasibility } from './feasibility.ts';
import { gp } from './gp.ts';
import { hypervolumeImprovement, improvementReference } from './hypervolume-improvement.ts';
import { defaultHyper } from './kernel.ts';
import { GaussianProcess } from './model.ts';
import type { Acquisition } from './search.ts';

const numeric = (d: number) => ({ isCategory: new Array<boolean>(d).fill(false) });
const randomInputs = (n: number, d: number, seed: number): Float64Array[] => {
  const rng = createRng(seed);
  return Array.from({ length: n }, () => Float64Array.from({ length: d }, () => rng.next()));
};

const inputs = randomInputs(12, 2, 7);
const outputs = [
  (x: Float64Array): number => Math.sin(4 * x[0]!) + x[1]!,
  (x: Float64Array): number => (x[0]! - 0.6) ** 2 - x[1]!,
  (x: Float64Array): number => Math.cos(3 * x[1]!) + 0.5 * x[0]!,
];
const modelsOf = (m: number): GaussianProcess[] =>
  outputs.slice(0, m).map(f => new GaussianProcess(inputs, Float64Array.from(inputs, f), numeric(2), defaultHyper(2)));
const rowsOf = (models: readonly GaussianProcess[]): number[][] => {
  const means = models.map(m => m.fittedMeans());
  return inputs.map((_, i) => means.map(m => m[i]!));
};

function expectSlopes(acquisition: Acquisition, seed: number): void {
  const gradient = new Float64Array(2);
  for (const x of randomInputs(5, 2, seed)) {
    acquisition.valueWithGradient(x, gradient);
    for (let i = 0; i < 2; i++) {
      const at = (h: number): number => acquisition.value(x.map((v, k) => (k === i ? v + h : v)));
      const slope = (at(1e-6) - at(-1e-6)) / 2e-6;
      expect(Math.abs(gradient[i]! - slope) / (1 + Math.abs(slope))).toBeLessThan(2e-4);
    }
  }
}

test.each([2, 3, 4])('boxes of %i objectives fill exactly what the front leaves', m => {
  const rng = createRng(m);
  const rows = Array.from({ length: 9 }, () => Array.from({ length: m }, () => rng.next()));
  const reference = new Array<number>(m).fill(1.1);
  const volume = nonDominatedBoxes(rows, reference).reduce(
    (sum, { low, high }) => sum + high.reduce((v, to, k) => v * (to - Math.max(0, low[k]!)), 1),
    0,
  );
  expect(volume).toBeCloseTo(1.1 ** m - hypervolume(rows, reference), 10);
});

test.each([2, 3])('expected hypervolume improvement of %i objectives agrees with a simulation', m => {
  const models = modelsOf(m);
  const rows = rowsOf(models);
  const acquisition = hypervolumeImprovement(models, rows);
  const front = rows.filter(r => !rows.some(o => o !== r && o.every((v, k) => v <= r[k]!)));
  const reference = improvementReference(front, rows);
  const base = hypervolume(rows, reference);
  const rng = createRng(11);
  for (const x of randomInputs(3, 2, 21)) {
    const posteriors = models.map(p => p.predict(x));
    const draws = 20_000;
    let sum = 0;
    for (let i = 0; i < draws; i++)
      sum +=
        hypervolume([...front, posteriors.map(p => p.mean + Math.sqrt(p.variance) * rng.normal())], reference) - base;
    expect(Math.exp(acquisition.value(x)) / (sum / draws)).toBeCloseTo(1, 1);
  }
});

test.each([2, 3])('the gradient of the hypervolume improvement of %i objectives agrees with differences', m => {
  const models = modelsOf(m);
  expectSlopes(hypervolumeImprovement(models, rowsOf(models)), 31);
});

test.each([
  // scipy.special.log_ndtr(z), and exp(norm.logpdf(z) - log_ndtr(z)).
  [-1, -1.84102164500926, 1.52513527616098],
  [-3, -6.60772622151035, 3.28309865493044],
  [-10, -53.2312851505053, 10.0980932339625],
  [-40, -804.608442013754, 40.0249687694727],
])('the log probability at z = %f keeps its digits', (z, value, slope) => {
  expect(logNormalCdf(z)).toBeCloseTo(value, 8);
  expect(logNormalCdfSlope(z) / slope).toBeCloseTo(1, 7);
});

test('the gradient of the log feasibility agrees with differences', () => {
  const [objective, ...limits] = modelsOf(3);
  expectSlopes(withFeasibility(limits, undefined), 41);
  expectSlopes(
    withFeasibility(limits, {
      promise: x => -objective!.predictMean(x),
      value: x => -objective!.predict(x).mean,
      valueWithGradient(x, gradient) {
        const posterior = objective!.predictWithGradient(x, gradient, new Float64Array(2));
        for (let i = 0; i < 2; i++) gradient[i] = -gradient[i]!;
        return -posterior.mean;
      },
    }),
    43,
  );
});

test('a constrained optimum on the border is found in thirty trials', () => {
  const study = createStudy({ space: { x: float(0, 1), y: float(0, 1) }, sampler: gp(), seed: 4 });
  for (let i = 0; i < 30; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { x, y } = ask.trial.params;
    // The lowest x + y outside the circle of radius 0.8 around the origin lies on an axis: 0.8.
    study.tell(ask.trial.number, { kind: 'complete', values: [x + y], constraints: [0.64 - x * x - y * y] });
  }
  expect(study.best()?.values?.[0]).toBeGreaterThanOrEqual(0.8 - 1e-9);
  expect(study.best()?.values?.[0]).toBeLessThan(0.82);
});

function volumeAfter(sampler: Sampler, trials: number): number {
  const study = createStudy({
    space: { x: float(0, 1), y: float(0, 1) },
    objectives: [
      { name: 'a', direction: 'minimize' },
      { name: 'b', direction: 'minimize' },
    ],
    sampler,
    pruner: noPruner(),
    seed: 6,
  });
  for (let i = 0; i < trials; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { x, y } = ask.trial.params;
    study.tell(ask.trial.number, [x ** 2 + 3 * (y - 0.3) ** 2, (x - 1) ** 2 + 3 * (y - 0.3) ** 2]);
  }
  return hypervolume(
    study.front().map(t => t.values ?? []),
    [1, 1],
  );
}

test('two objectives: the front of a bowl pair is almost complete after thirty trials', () => {
  // sqrt(a) + sqrt(b) = 1 encloses 1 - 1/6.
  expect(volumeAfter(gp(), 30)).toBeGreaterThan(0.97 * (5 / 6));
  expect(volumeAfter(random(), 30)).toBeLessThan(0.85 * (5 / 6));
});
