import fc from 'fast-check';
import { expect, test } from 'vitest';
import reference from '../fixtures/reference-values.json' with { type: 'json' };
import { chiSquareContingency, chiSquareGoodnessOfFit, cramersV, gTest } from './contingency.ts';
import {
  hellinger,
  jensenShannon,
  jensenShannonDivergence,
  lInfinity,
  lInfinityRobust,
  psi,
  psiNullMean,
  totalVariation,
} from './distances.ts';
import { fisherExact, twoProportionZ } from './two-proportion.ts';

const { table, ...expected } = reference.categoricalSmall;
const first = table[0]!;
const second = table[1]!;

function near(actual: number, value: number, relative = 1e-9): void {
  expect(Math.abs(actual - value)).toBeLessThanOrEqual(relative * Math.abs(value));
}

test('contingency tests agree with SciPy 1.10.1', () => {
  const chi = chiSquareContingency(table);
  expect([chi.statistic, chi.pValue, chi.degreesOfFreedom].map(x => x.toFixed(9))).toEqual(
    expected.chi2_contingency.map(x => x.toFixed(9)),
  );
  const g = gTest(table);
  near(g.statistic, expected.g_contingency[0]!);
  near(g.pValue, expected.g_contingency[1]!);
  const goodness = chiSquareGoodnessOfFit(second, first);
  near(goodness.statistic, expected.evidently_chisquare_gof[0]!);
  near(goodness.pValue, expected.evidently_chisquare_gof[1]!);
  const square = [
    [20, 10],
    [10, 20],
  ];
  near(chiSquareContingency(square, { yates: true }).pValue, expected['chi2_2x2_yates[[20,10],[10,20]]'][1]!);
  near(chiSquareContingency(square).pValue, expected.chi2_2x2_noyates[1]!);
  near(
    chiSquareContingency([
      [4, 2, 0],
      [0, 1, 5],
    ]).degreesOfFreedom,
    2,
  );
});

test('Fisher and the two-proportion test agree with SciPy and Evidently', () => {
  near(
    fisherExact([
      [8, 2],
      [1, 5],
    ]).pValue,
    expected['fisher_2x2[[8,2],[1,5]]'],
  );
  // evidently tests/stattests/test_stattests.py
  expect(
    fisherExact([
      [45, 45],
      [30, 60],
    ]).pValue,
  ).toBeCloseTo(0.0339723, 6);
  expect(
    fisherExact([
      [90, 60],
      [60, 90],
    ]).pValue,
  ).toBeCloseTo(0.00078, 4);
  expect(twoProportionZ(10, 20, 10, 20).pValue).toBe(1);
  expect(twoProportionZ(0, 0, 3, 4).pValue).toBe(1);
});

test('distances agree with SciPy', () => {
  near(jensenShannon(first, second, Math.E), expected.jensenshannon_base_e);
  near(jensenShannon(first, second), expected.jensenshannon_base_2);
  expect(hellinger(first, second)).toBeCloseTo(0.068128, 6);
});

// awslabs/deequ src/test/scala/com/amazon/deequ/KLL/KLLDistanceTest.scala
test('L-infinity, its robust version and PSI agree with deequ', () => {
  near(lInfinity([10, 20, 25, 10, 5], [11, 20, 25, 10, 10]), 0.06015037593984962);
  expect(lInfinityRobust([10, 20, 25, 10, 5], [11, 20, 25, 10, 10])).toBe(0);
  const wide = [207, 20, 25, 14, 25, 13, 0];
  const other = [22, 20, 25, 12, 13, 0, 15];
  near(lInfinityRobust(wide, other), 0.2726338046550349);
  near(lInfinityRobust(wide, other, 0.1), 0.33774199396969184);
  near(
    psi([428, 425, 414, 427, 440, 447, 380, 386, 444, 386], [426, 437, 429, 391, 469, 433, 360, 443, 371, 418]),
    0.007406694184014186,
  );
});

// tensorflow/data-validation tensorflow_data_validation/anomalies/metrics_test.cc
test('Jensen-Shannon divergence and L-infinity agree with TensorFlow Data Validation', () => {
  near(lInfinity([1, 9], [3, 7]), 0.2, 1e-12);
  near(jensenShannonDivergence([1, 1, 0], [1, 0, 1]), 0.5);
  near(jensenShannonDivergence([2, 2, 1, 0, 0, 0], [0, 2, 0, 1, 1, 1]), 0.6);
  near(jensenShannonDivergence([3, 1], [4, 0]), 0.13792538096);
});

// deepchecks tests/utils/drift_test.py expects 0.21 within 0.01.
test("bias-corrected Cramer's V agrees with deepchecks", () => {
  expect(
    cramersV(
      [
        [200, 800],
        [400, 600],
      ],
      true,
    ),
  ).toBeCloseTo(0.217, 3);
});

test('merging small cells keeps every expected count at the limit or ends with two columns', () => {
  const sparse = [
    [500, 400, 3, 2, 1, 0, 1],
    [490, 410, 1, 3, 0, 2, 1],
  ];
  expect(chiSquareContingency(sparse, { mergeBelow: 5 }).degreesOfFreedom).toBe(2);
  expect(
    chiSquareContingency(
      [
        [100, 1],
        [100, 0],
      ],
      { mergeBelow: 5 },
    ).degreesOfFreedom,
  ).toBe(1);
});

test('tables without anything to compare give p-value 1', () => {
  expect(chiSquareContingency([]).pValue).toBe(1);
  expect(
    chiSquareContingency([
      [0, 0],
      [1, 2],
    ]).pValue,
  ).toBe(1);
  expect(chiSquareContingency([[3], [4]]).pValue).toBe(1);
  expect(() =>
    chiSquareContingency([
      [1, -1],
      [1, 1],
    ]),
  ).toThrow(RangeError);
  expect(() => chiSquareContingency([[1, 2], [1]])).toThrow(RangeError);
});

test('the mean of PSI without change is near its formula', () => {
  expect(psiNullMean(10, 1000, 100)).toBeCloseTo(0.099, 3);
  expect(psiNullMean(0, 10, 10)).toBe(0);
});

const counts = fc.array(fc.tuple(fc.nat(50), fc.nat(50)), { minLength: 1, maxLength: 12 });

test('distances are symmetric, bounded, zero for equal shares, and blind to the order of cells', () => {
  fc.assert(
    fc.property(counts, pairs => {
      const a = pairs.map(([x]) => x);
      const b = pairs.map(([, y]) => y);
      for (const distance of [psi, jensenShannon, hellinger, lInfinity, totalVariation]) {
        const d = distance(a, b);
        expect(d).toBeGreaterThanOrEqual(0);
        expect(Number.isFinite(d)).toBe(true);
        expect(distance(b, a)).toBeCloseTo(d, 10);
        expect(distance(a.toReversed(), b.toReversed())).toBeCloseTo(d, 10);
        expect(
          distance(
            a,
            a.map(x => 3 * x),
          ),
        ).toBeCloseTo(0, 7);
        if (distance !== psi) expect(d).toBeLessThanOrEqual(1 + 1e-12);
      }
      for (const compare of [chiSquareContingency, gTest]) {
        const { pValue } = compare([a, b]);
        expect(pValue).toBeGreaterThanOrEqual(0);
        expect(pValue).toBeLessThanOrEqual(1);
        expect(compare([b, a]).pValue).toBeCloseTo(pValue, 9);
      }
    }),
    { numRuns: 80, seed: 1 },
  );
});
