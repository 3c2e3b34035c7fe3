import { createRng } from '@holdfast/stats';
import { expect, test } from 'vitest';
import { float, int } from '../../space/params.ts';
import { createStudy } from '../../study/create-study.ts';
import { logImprovement, logImprovementSlope } from './acquisition.ts';
import { expectedImprovement } from './expected-improvement.ts';
import { fitHyper, negativeLogPosterior, pairsOf } from './fit.ts';
import { gp } from './gp.ts';
import { defaultHyper, matern52, matern52Slope, toVector } from './kernel.ts';
import { lowerBound } from './lower-bound.ts';
import { GaussianProcess } from './model.ts';

const numeric = (d: number) => ({ isCategory: new Array<boolean>(d).fill(false) });
const randomInputs = (n: number, d: number, seed: number): Float64Array[] => {
  const rng = createRng(seed);
  return Array.from({ length: n }, () => Float64Array.from({ length: d }, () => rng.next()));
};

test.each([
  // Matern-5/2 at distance 0.5 and 2: (1 + r + r^2/3) e^-r evaluated with mpmath at 30 digits.
  [0, 1],
  [0.25, 0.828649142418125],
  [4, 0.138660219138504],
])('the Matern-5/2 correlation at squared distance %f is %f', (d2, value) => {
  expect(matern52(d2)).toBeCloseTo(value, 10);
  const h = 1e-6;
  if (d2 > 0) expect(matern52Slope(d2)).toBeCloseTo((matern52(d2 + h) - matern52(d2 - h)) / (2 * h), 8);
});

test.each([
  // mpmath, 60 digits: log(z Phi + phi) and Phi / (z Phi + phi).
  [3, 1.09873966532771, 0.332840968451795],
  [0, -0.918938533204673, 1.2533141373155],
  [-1, -2.48512102571264, 1.90427123332969],
  [-5, -16.744301162661, 5.36181624128809],
  [-20, -206.917838509425, 20.0992628111013],
  [-30, -457.724653760598, 30.06644615416242],
  [-100, -5010.12957880025, 100.0199940041959],
])('log expected improvement at z = %f keeps its digits', (z, value, slope) => {
  expect(logImprovement(z) / value).toBeCloseTo(1, 9);
  expect(logImprovementSlope(z) / slope).toBeCloseTo(1, 6);
});

test('a noiseless posterior passes through its observations and returns to the prior far away', () => {
  const inputs = [Float64Array.of(0.1), Float64Array.of(0.5)];
  const hyper = {
    ...defaultHyper(1),
    logW: Float64Array.of(Math.log(1e4)),
    logNoise: Math.log(1e-6),
    logAdditive: -20,
    logLinear: -20,
    logQuadratic: -20,
  };
  const model = new GaussianProcess(inputs, Float64Array.of(-1, 1), numeric(1), hyper);
  expect(model.predict(inputs[0]!).mean).toBeCloseTo(-1, 4);
  expect(model.predict(inputs[1]!).variance).toBeLessThan(1e-5);
  expect(model.predict(Float64Array.of(0.9)).variance).toBeGreaterThan(0.9);
});

test('what is remembered of values that come back changes no prediction', () => {
  const inputs = randomInputs(24, 2, 3).map(x => x.map((v, i) => (i === 0 ? Math.floor(v * 4) / 4 : v)));
  const y = Float64Array.from(inputs, x => Math.sin(5 * x[0]!) - x[1]!);
  const fresh = (): GaussianProcess => new GaussianProcess(inputs, y, numeric(2), defaultHyper(2));
  const used = fresh();
  for (const x of randomInputs(100, 2, 9)) used.predict(x);
  for (const x of inputs) {
    expect(used.predict(x)).toEqual(fresh().predict(x));
    expect(used.predictMean(x)).toBeCloseTo(fresh().predict(x).mean, 12);
  }
});

test.each([
  ['expected improvement', (model: GaussianProcess) => expectedImprovement(model, 0)],
  ['lower bound', lowerBound],
])('gradients of the %s agree with differences', (_, make) => {
  const inputs = randomInputs(15, 3, 4);
  const y = Float64Array.from(inputs, x => Math.sin(5 * x[0]!) + x[1]! ** 2 - x[2]!);
  const acquisition = make(new GaussianProcess(inputs, y, numeric(3), defaultHyper(3)));
  const gradient = new Float64Array(3);
  for (const x of randomInputs(5, 3, 8)) {
    acquisition.valueWithGradient(x, gradient);
    for (let i = 0; i < 3; i++) {
      const at = (h: number): number => acquisition.value(x.map((v, k) => (k === i ? v + h : v)));
      expect(gradient[i]).toBeCloseTo((at(1e-6) - at(-1e-6)) / 2e-6, 3);
    }
  }
});

test('the gradient of the marginal likelihood agrees with differences, categories included', () => {
  const shape = { isCategory: [false, true, false] };
  const inputs = randomInputs(12, 3, 6).map(x => x.map((v, i) => (i === 1 ? Math.floor(v * 3) : v)));
  const y = Float64Array.from(inputs, x => Math.sin(4 * x[0]!) + x[1]!);
  const pairs = pairsOf(inputs, shape);
  const v = toVector(defaultHyper(3)).map((h, i) => h + 0.1 * i);
  const gradient = new Float64Array(v.length);
  negativeLogPosterior(pairs, y, v, gradient);
  for (let k = 0; k < v.length; k++) {
    const at = (h: number): number =>
      negativeLogPosterior(
        pairs,
        y,
        v.map((x, i) => (i === k ? x + h : x)),
        new Float64Array(v.length),
      );
    expect(gradient[k]).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 4);
  }
});

test('fitting finds out which inputs matter together', () => {
  const inputs = randomInputs(50, 3, 2);
  const y = Float64Array.from(inputs, x => Math.sin(6 * x[0]! + 6 * x[1]!));
  const { hyper } = fitHyper(inputs, y, numeric(3), defaultHyper(3), 50);
  expect(Math.min(hyper.logW[0]!, hyper.logW[1]!) - hyper.logW[2]!).toBeGreaterThan(1);
});

test('a smooth bowl with an integer is solved in thirty trials', () => {
  const study = createStudy({ space: { x: float(-5, 5), y: float(-5, 5), k: int(0, 8) }, sampler: gp(), seed: 3 });
  for (let i = 0; i < 30; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { x, y, k } = ask.trial.params;
    study.tell(ask.trial.number, (x - 1.3) ** 2 + (y + 2.1) ** 2 + (k - 5) ** 2);
  }
  expect(study.best()?.values?.[0]).toBeLessThan(0.01);
});

test('parallel proposals differ', () => {
  const study = createStudy({ space: { x: float(0, 1) }, sampler: gp({ startupTrials: 3 }), seed: 1 });
  for (const v of [3, 1, 2]) {
    const ask = study.ask();
    if (ask.kind === 'trial') study.tell(ask.trial.number, v);
  }
  const xs = [study.ask(), study.ask(), study.ask()].map(a => (a.kind === 'trial' ? a.trial.params.x : Number.NaN));
  expect(Math.min(Math.abs(xs[0]! - xs[1]!), Math.abs(xs[1]! - xs[2]!), Math.abs(xs[0]! - xs[2]!))).toBeGreaterThan(
    1e-4,
  );
});

test('the first trial is the middle of every range, unless a known constraint forbids it', () => {
  const settings = { space: { x: float(0, 4), k: int(1, 9) }, sampler: gp(), seed: 1 };
  const first = (ask: ReturnType<ReturnType<typeof createStudy<typeof settings.space>>['ask']>) =>
    ask.kind === 'trial' ? ask.trial.params : undefined;
  expect(first(createStudy(settings).ask())).toEqual({ x: 2, k: 5 });
  const bounded = createStudy({ ...settings, sampler: gp(), constraints: [p => p.x < 1] });
  expect(first(bounded.ask())?.x).toBeLessThan(1);
});
