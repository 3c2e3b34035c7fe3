import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import reference from '../fixtures/reference-values.json' with { type: 'json' };
import { andersonDarling } from './anderson-darling.ts';
import { cramerVonMises } from './cramer-von-mises.ts';
import { eppsSingleton } from './epps-singleton.ts';
import { ksFromCounts, ksTwoSample } from './kolmogorov-smirnov.ts';
import { mannWhitneyU } from './mann-whitney.ts';
import { studentT, welchT } from './t-test.ts';
import { energyDistance, wassersteinDistance, wassersteinFromBins } from './wasserstein.ts';

const { a, b, ...scipy } = reference.scipySmall;

function near(actual: number, expected: number, relative = 1e-6): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(relative * Math.abs(expected) + 1e-300);
}

function nearPair(actual: { readonly statistic: number; readonly pValue: number }, expected: readonly number[]): void {
  near(actual.statistic, expected[0]!);
  near(actual.pValue, expected[1]!);
}

test('two small samples: every test agrees with SciPy 1.10.1', () => {
  nearPair(ksTwoSample(a, b), scipy.ks_exact);
  nearPair(ksTwoSample(a, b, { method: 'asymptotic' }), scipy.ks_asymp);
  nearPair(cramerVonMises(a, b), scipy.cvm_exact);
  nearPair(cramerVonMises(a, b, { method: 'asymptotic' }), scipy.cvm_asymp);
  nearPair(andersonDarling([a, b]), scipy.anderson_ksamp_midrank);
  nearPair(mannWhitneyU(a, b), scipy.mannwhitneyu_two_sided_asymp);
  nearPair(welchT(a, b), scipy.welch_t);
  nearPair(studentT(a, b), scipy.student_t);
  nearPair(eppsSingleton(a, b), scipy.epps_singleton);
  near(wassersteinDistance(a, b), scipy.wasserstein);
  near(energyDistance(a, b), scipy.energy);
});

test('two samples of a hundred: every test agrees with SciPy 1.10.1', () => {
  const { a: before, b: after, ...expected } = reference.normalShift;
  nearPair(ksTwoSample(before, after), expected.KS);
  nearPair(mannWhitneyU(before, after), expected.MannWhitneyU);
  nearPair(welchT(before, after), expected.Welch);
  nearPair(andersonDarling([before, after]), expected.AndersonDarling);
  near(cramerVonMises(before, after).statistic, expected.CVM[0]!);
  near(wassersteinDistance(before, after), expected.EMD);
  near(energyDistance(before, after), expected.Energy);
});

// scipy/stats/tests/test_stats.py, TestKSTwoSamples.
test('exact KS agrees with the cases of SciPy', () => {
  const range = (from: number, count: number, to: number, shift = 0): number[] =>
    Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1) + shift);
  nearPair(ksTwoSample([1.01, 2.01], [1, 2, 3]), [1 / 3, 1]);
  near(ksTwoSample([1.01, 2.01], [1, 2, 3], { alternative: 'greater' }).pValue, 0.7);
  nearPair(ksTwoSample([0.99, 1.99], [1, 2, 3, 4]), [3 / 4, 6 / 15]);
  nearPair(ksTwoSample(range(1, 100, 100), range(1, 100, 100, 2.1)), [0.03, 0.9999999999962055]);
  nearPair(
    ksTwoSample(range(1, 100, 100), range(1, 100, 100, 2.1), { alternative: 'greater' }),
    [0.03, 0.9143290114276248],
  );
  nearPair(ksTwoSample(range(1, 100, 100), range(1, 110, 100, 20.1)), [232 / 1100, 0.015739183865607353]);
});

// Conover's example and the tables of Anderson 1962, as in scipy/stats/tests/test_hypotests.py.
test('exact Cramer-von Mises agrees with published tables', () => {
  const x = [7.6, 8.4, 8.6, 8.7, 9.3, 9.9, 10.1, 10.6, 11.2];
  const y = [5.2, 5.7, 5.9, 6.5, 6.8, 8.2, 9.1, 9.8, 10.8, 11.3, 11.5, 12.3, 12.5, 13.4, 14.6];
  const conover = cramerVonMises(x, y);
  expect(conover.statistic).toBeCloseTo(0.262, 3);
  expect(conover.pValue).toBeCloseTo(0.1868, 4);
  // Samples 1..n and n+1..n+m are the most extreme arrangement: two of all choose(n + m, n).
  near(cramerVonMises([1, 2, 3, 4], [5, 6, 7, 8, 9, 10]).pValue, 2 / 210);
  near(cramerVonMises([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12, 13]).pValue, 2 / 1716);
});

// Scholz and Stephens 1987, example 1: paper smoothness in four laboratories.
test('k-sample Anderson-Darling agrees with its authors', () => {
  const labs = [
    [38.7, 41.5, 43.8, 44.5, 45.5, 46.0, 47.7, 58.0],
    [39.2, 39.3, 39.7, 41.4, 41.8, 42.9, 43.3, 45.8],
    [34.0, 35.0, 39.0, 40.0, 43.0, 43.0, 44.0, 45.0],
    [34.0, 34.8, 34.8, 35.4, 37.2, 37.8, 41.2, 42.8],
  ];
  const result = andersonDarling(labs, 'right');
  expect(result.statistic).toBeCloseTo(4.449, 3);
  expect(andersonDarling(labs).statistic).toBeCloseTo(4.48, 3);
  expect(result.pValue).toBeCloseTo(0.0021, 3);
  const critical = [0.4985, 1.3237, 1.9158, 2.493, 3.2459];
  for (const [i, value] of critical.entries()) expect(result.criticalValues[i]).toBeCloseTo(value, 3);
});

test('empty, constant and infinite samples have defined answers', () => {
  const constant = new Float64Array(30).fill(5);
  for (const compare of [ksTwoSample, cramerVonMises, mannWhitneyU, welchT, studentT, eppsSingleton]) {
    expect(compare([], [1, 2]).pValue).toBe(1);
    expect(compare(constant, constant).pValue).toBeGreaterThan(0.9);
    const infinite = compare([1, 2, Number.POSITIVE_INFINITY, 3, 4, 5], [2, 3, 4, Number.NEGATIVE_INFINITY, 1, 6]);
    expect(infinite.pValue).toBeGreaterThanOrEqual(0);
    expect(infinite.pValue).toBeLessThanOrEqual(1);
  }
  expect(andersonDarling([constant, constant]).pValue).toBe(1);
  expect(wassersteinDistance([], [1])).toBe(0);
  expect(wassersteinDistance([1, Number.POSITIVE_INFINITY], [2])).toBe(1);
});

const samples = fc.array(fc.integer({ min: -30, max: 30 }), { minLength: 1, maxLength: 40 });

test('all two-sided tests are symmetric, have p in [0, 1], and do not mind a shift and scale of both samples', () => {
  fc.assert(
    fc.property(samples, samples, (x, y) => {
      for (const compare of [ksTwoSample, cramerVonMises, mannWhitneyU, welchT, studentT, eppsSingleton]) {
        const { pValue } = compare(x, y);
        expect(pValue).toBeGreaterThanOrEqual(0);
        expect(pValue).toBeLessThanOrEqual(1);
        expect(compare(y, x).pValue).toBeCloseTo(pValue, 8);
        const move = (value: number): number => 4 * value + 64;
        expect(compare(x.map(move), y.map(move)).pValue).toBeCloseTo(pValue, 8);
      }
    }),
    { numRuns: 60, seed: 1 },
  );
});

test('rank tests do not mind a monotone transformation of both samples', () => {
  fc.assert(
    fc.property(samples, samples, (x, y) => {
      for (const compare of [ksTwoSample, cramerVonMises, mannWhitneyU]) {
        expect(compare(x.map(Math.sinh), y.map(Math.sinh)).pValue).toBeCloseTo(compare(x, y).pValue, 10);
      }
    }),
    { numRuns: 40, seed: 1 },
  );
});

test('Wasserstein is a metric and moves with a shift', () => {
  fc.assert(
    fc.property(samples, samples, samples, fc.integer({ min: -9, max: 9 }), (x, y, z, shift) => {
      const xy = wassersteinDistance(x, y);
      expect(wassersteinDistance(x, x)).toBe(0);
      expect(wassersteinDistance(y, x)).toBeCloseTo(xy, 9);
      expect(xy).toBeLessThanOrEqual(wassersteinDistance(x, z) + wassersteinDistance(z, y) + 1e-9);
      expect(
        wassersteinDistance(
          x,
          x.map(value => value + shift),
        ),
      ).toBeCloseTo(Math.abs(shift), 9);
    }),
    { numRuns: 60, seed: 1 },
  );
});

test('KS over bins never exceeds KS over the rows, and Wasserstein over bins comes near', () => {
  fc.assert(
    fc.property(samples, samples, (x, y) => {
      const edges = [-20, -10, 0, 10, 20];
      const count = (values: readonly number[]): number[] => {
        const counts = [0, 0, 0, 0, 0, 0];
        for (const value of values) counts[edges.filter(edge => edge < value).length]! += 1;
        return counts;
      };
      expect(ksFromCounts(count(x), count(y)).statistic).toBeLessThanOrEqual(ksTwoSample(x, y).statistic + 1e-12);
      const binned = wassersteinFromBins(count(x), count(y), edges, { min: -30, max: 30 });
      expect(Math.abs(binned - wassersteinDistance(x, y))).toBeLessThanOrEqual(10);
    }),
    { numRuns: 60, seed: 1 },
  );
});

const elec2 = '../shared/data/elec2/elec2_data.dat';

test.skipIf(!existsSync(elec2))('electricity demand, first against second half: agrees with SciPy 1.10.1', () => {
  const rows = readFileSync(elec2, 'utf8')
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/).map(Number));
  const half = rows.length / 2;
  for (const [name, column] of [
    ['nswdemand', 4],
    ['vicdemand', 6],
  ] as const) {
    const values = rows.map(row => row[column]!);
    const [x, y] = [values.slice(0, half), values.slice(half)];
    const { scipy: expected } = reference.elec2Halves[name];
    near(ksTwoSample(x, y).statistic, expected.ks_asymp[0]!);
    if (name === 'nswdemand') near(ksTwoSample(x, y).pValue, expected.ks_asymp[1]!);
    near(cramerVonMises(x, y).statistic, expected.cvm_asymp[0]!);
    near(andersonDarling([x, y]).statistic, expected.anderson_ksamp_midrank[0]!);
    nearPair(mannWhitneyU(x, y), expected.mannwhitneyu_two_sided_asymp);
    nearPair(welchT(x, y), expected.welch_t);
    nearPair(studentT(x, y), expected.student_t);
    nearPair(eppsSingleton(x, y), expected.epps_singleton);
    near(wassersteinDistance(x, y), expected.wasserstein);
    near(energyDistance(x, y), expected.energy);
  }
});
