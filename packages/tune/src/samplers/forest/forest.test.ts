import { createRng } from '@holdfast/stats';
import { expect, test } from 'vitest';
import { categorical, choice, float, int } from '../../space/params.ts';
import { Space } from '../../space/space.ts';
import { createStudy, restoreStudy } from '../../study/create-study.ts';
import { random } from '../random.ts';
import type { Sampler } from '../sampler.ts';
import { forest } from './forest.ts';
import { logNormalImprovement, logScaled } from './log-improvement.ts';
import { oneExchange } from './one-exchange.ts';
import { RegressionTree } from './regression-tree.ts';

const everyRow = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i);

test('a full tree repeats its training rows and splits numbers half way between neighbours', () => {
  const rows = {
    inputs: [0.1, 0.2, 0.6, 0.8].map(x => Float64Array.of(x)),
    values: Float64Array.of(1, 1, 5, 6),
    isCategory: [false],
  };
  const tree = new RegressionTree(rows, everyRow(4));
  expect(rows.inputs.map(x => tree.predict(x))).toEqual([1, 1, 5, 6]);
  // The first split lies between 0.2 and 0.6.
  expect(tree.predict(Float64Array.of(0.399))).toBe(1);
  expect(tree.predict(Float64Array.of(0.401))).toBe(5);
});

test('categories are split off one by one, and a leaf holds the log of the mean of exponentials', () => {
  const rows = {
    inputs: [0, 1, 2, 1].map(c => Float64Array.of(c)),
    values: Float64Array.of(0, Math.log(4), 0, Math.log(2)),
    isCategory: [true],
  };
  const tree = new RegressionTree(rows, everyRow(4));
  expect(tree.predict(Float64Array.of(1))).toBeCloseTo(Math.log(3), 12);
  expect(tree.predict(Float64Array.of(2))).toBe(0);
});

test('the improvement of a log-normal loss agrees with its integral', () => {
  // scipy.integrate.quad of max(0, 0.5 - e^y) under N(-0.4, 0.3) (mean, variance), from -14 to log 0.5.
  expect(logNormalImprovement(-0.4, 0.3, Math.log(0.5))).toBeCloseTo(0.03954639668524284, 9);
  expect(logNormalImprovement(0, 0, -1)).toBe(0);
});

test('losses keep their order on the log scale, the highest at 0', () => {
  const losses = [3, 1, 2, 101];
  const scaled = logScaled(losses);
  expect(scaled[3]).toBe(0);
  expect([scaled[1]! < scaled[2]!, scaled[2]! < scaled[0]!, scaled[0]! < 0]).toEqual([true, true, true]);
  // Fifth percentile 1.15, so 1 - 0.15 becomes 0 and 101 becomes 1: ln(0.15 / 100.15).
  expect(scaled[1]).toBeCloseTo(Math.log(0.15 / 100.15), 12);
  expect([...logScaled([7, 7])]).toEqual([0, 0]);
});

test('neighbours differ in one parameter, and a changed choice brings its own parameters', () => {
  const space = new Space({ k: int(0, 9), c: choice({ a: { x: float(0, 1) }, b: { y: float(0, 1) } }) });
  const rng = createRng(1);
  const point = space.random(rng);
  const neighbours = oneExchange(space, point, rng);
  expect(neighbours.length).toBeGreaterThan(4);
  for (const n of neighbours) {
    const changed = [0, 1].filter(d => n[d] !== point[d]);
    expect(changed.length).toBeLessThanOrEqual(1);
    expect(Number.isNaN(n[2]!)).toBe(n[1] !== 0);
    expect(Number.isNaN(n[3]!)).toBe(n[1] !== 1);
  }
});

const mixed = {
  kind: categorical(['p', 'q', 'r', 's']),
  size: int(1, 40),
  rate: float(1e-4, 1, { log: true }),
  other: float(0, 1),
};

function bestAfter(sampler: Sampler, seed: number): number {
  const study = createStudy({ space: mixed, sampler, seed });
  for (let i = 0; i < 60; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { kind, size, rate } = ask.trial.params;
    study.tell(
      ask.trial.number,
      (kind === 'r' ? 0 : 1) + Math.abs(size - 12) / 20 + Math.abs(Math.log10(rate) + 2) / 2,
    );
  }
  return study.best()?.values?.[0] ?? Number.POSITIVE_INFINITY;
}

test('a rough mixed problem is solved much better than by random search', () => {
  const seeds = [1, 2, 3, 4, 5];
  const mean = (make: () => Sampler): number => seeds.reduce((s, seed) => s + bestAfter(make(), seed), 0) / 5;
  expect(mean(() => forest())).toBeLessThan(0.5 * mean(() => random()));
});

test('a restored forest study goes on as if it had not stopped', () => {
  const settings = { space: mixed, seed: 3 };
  const expected: string[] = [];
  const got: string[] = [];
  const step = (study: ReturnType<typeof createStudy<typeof mixed>>, out: string[]): void => {
    const ask = study.ask();
    if (ask.kind !== 'trial') return;
    out.push(JSON.stringify(ask.trial.flat));
    study.tell(ask.trial.number, ask.trial.params.size * ask.trial.params.rate);
  };
  const straight = createStudy({ ...settings, sampler: forest() });
  for (let i = 0; i < 24; i++) step(straight, expected);
  const first = createStudy({ ...settings, sampler: forest() });
  for (let i = 0; i < 15; i++) step(first, got);
  const second = restoreStudy(JSON.parse(JSON.stringify(first.snapshot())), { ...settings, sampler: forest() });
  for (let i = 15; i < 24; i++) step(second, got);
  expect(got).toEqual(expected);
});
