import fc from 'fast-check';
import { expect, test } from 'vitest';
import { momentsOf } from '../moments.ts';
import { countIntoBins, quantileBinEdges } from '../quantile-bins.ts';
import { createRng, type Rng } from '../rng.ts';
import { type BinnedColumn, type Column, categoricalColumn, countCategories } from './columns.ts';
import { compareCategorical } from './compare-categorical.ts';
import { compareNumeric, compareNumericBinned, prepareNumericBaseline } from './compare-numeric.ts';
import type { ColumnComparison, ComparedColumn } from './comparison.ts';
import { driftReport, prepareBaseline } from './report.ts';

function normals(rng: Rng, n: number, mean = 0, deviation = 1): Float64Array {
  return Float64Array.from({ length: n }, () => mean + deviation * rng.normal());
}

function compared(comparison: ColumnComparison): ComparedColumn {
  if (comparison.outcome !== 'compared') throw new Error(`undecided: ${comparison.because}`);
  return comparison;
}

function binned(values: Float64Array, edges: Float64Array): BinnedColumn {
  const counts = new Float64Array(edges.length + 1);
  const missing = countIntoBins(values, edges, counts);
  return { edges, counts, missing, moments: momentsOf(values) };
}

test('a shift of half a deviation is found, its size is read off the effect', () => {
  const rng = createRng(1);
  const result = compared(compareNumeric(normals(rng, 5000), normals(rng, 2000, 0.5)));
  expect(result.pValue).toBeLessThan(1e-12);
  // The true KS distance of a half-deviation shift is 2 Phi(0.25) - 1 = 0.197.
  expect(result.effect).toBeGreaterThan(0.15);
  expect(result.effect).toBeLessThan(0.22);
  expect(result.effect).toBeGreaterThan(result.effectThreshold);
});

test('one absurd outlier among ten thousand rows neither raises an alarm nor hides a shift', () => {
  const rng = createRng(2);
  const baseline = prepareNumericBaseline(normals(rng, 10_000));
  const quiet = normals(rng, 10_000);
  quiet[0] = 1e6;
  expect(compared(compareNumeric(baseline, quiet)).effect).toBeLessThan(0.02);
  const shifted = normals(rng, 10_000, 1);
  shifted[0] = 1e6;
  const result = compared(compareNumeric(baseline, shifted));
  expect(result.effect).toBeGreaterThan(0.3);
  if (result.statistics.kind === 'numeric') expect(result.statistics.psi).toBeGreaterThan(0.5);
});

test('a burst of missing values is drift, and is named as the cause', () => {
  const rng = createRng(3);
  const gaps = normals(rng, 2000).map(value => (rng.bernoulli(0.3) ? Number.NaN : value));
  const result = compared(compareNumeric(normals(rng, 2000), gaps));
  expect(result.cause).toBe('missing');
  expect(result.pValue).toBeLessThan(1e-12);
  expect(result.effect).toBeGreaterThan(0.25);
});

test('binned profiles give nearly the answer of the rows, with a p-value that is not smaller', () => {
  const rng = createRng(4);
  const baseline = normals(rng, 20_000);
  const edges = quantileBinEdges(baseline, 32);
  for (const shift of [0, 0.1, 0.5]) {
    const current = normals(rng, 2000, shift);
    const rows = compared(compareNumeric(baseline, current));
    const bins = compared(compareNumericBinned(binned(baseline, edges), binned(current, edges)));
    expect(bins.effect).toBeLessThanOrEqual(rows.effect + 1e-12);
    expect(bins.effect).toBeGreaterThan(rows.effect - 0.02);
    expect(bins.pValue).toBeGreaterThanOrEqual(rows.pValue);
    if (rows.statistics.kind !== 'numeric' || bins.statistics.kind !== 'numeric') throw new Error('numeric expected');
    expect(Math.abs(bins.statistics.wasserstein - rows.statistics.wasserstein)).toBeLessThan(0.05);
  }
});

test('different bins are not compared', () => {
  const values = normals(createRng(5), 100);
  const coarse = binned(values, quantileBinEdges(values, 4));
  const fine = binned(values, quantileBinEdges(values, 8));
  expect(compareNumericBinned(coarse, fine)).toEqual({ outcome: 'undecided', because: 'different-bins' });
});

test('a column of few values is compared value by value', () => {
  const rng = createRng(6);
  const flags = (n: number, p: number): Float64Array =>
    Float64Array.from({ length: n }, () => (rng.bernoulli(p) ? 1 : 0));
  const result = compared(compareNumeric(flags(3000, 0.1), flags(3000, 0.3)));
  expect(result.test).toBe('chi-square');
  expect(result.pValue).toBeLessThan(1e-12);
  expect(result.effect).toBeGreaterThan(0.15);
});

test('a category the baseline never had counts, rows and counts give the same answer', () => {
  const before = categoricalColumn(Array.from({ length: 600 }, (_, i) => (i % 3 === 0 ? 'a' : 'b')));
  const after = categoricalColumn(Array.from({ length: 600 }, (_, i) => (i % 3 === 0 ? 'new' : 'b')));
  const result = compared(compareCategorical(before, after));
  expect(result).toEqual(compareCategorical(countCategories(before), countCategories(after)));
  if (result.statistics.kind !== 'categorical') throw new Error('categorical expected');
  expect(result.statistics.unseenShare).toBeCloseTo(1 / 3, 12);
  expect(result.statistics.lInfinity).toBeCloseTo(1 / 3, 12);
  expect(result.effect).toBeGreaterThan(0.25);
  expect(result.pValue).toBeLessThan(1e-12);
});

test('columns that cannot be judged say why', () => {
  const values = normals(createRng(7), 50);
  const none = new Float64Array(0);
  const gaps = new Float64Array(50).fill(Number.NaN);
  expect(compareNumeric(none, values)).toEqual({ outcome: 'undecided', because: 'no-baseline-rows' });
  expect(compareNumeric(values, none)).toEqual({ outcome: 'undecided', because: 'no-current-rows' });
  expect(compareNumeric(values, values.subarray(0, 3))).toEqual({ outcome: 'undecided', because: 'too-few-rows' });
  expect(compareNumeric(gaps, gaps)).toEqual({ outcome: 'undecided', because: 'all-missing' });
  const absent = { counts: new Map<string, number>(), missing: 30 };
  expect(compareCategorical(absent, absent)).toEqual({ outcome: 'undecided', because: 'all-missing' });
});

test('a constant column is stable while constant and drifts when its value changes', () => {
  const constant = new Float64Array(100).fill(3);
  const same = compared(compareNumeric(constant, constant));
  expect([same.pValue, same.effect]).toEqual([1, 0]);
  const moved = compared(compareNumeric(constant, new Float64Array(100).fill(3.0001)));
  expect(moved.pValue).toBeLessThan(1e-12);
  expect(moved.effect).toBeGreaterThan(0.8);
});

test('no input makes a comparison answer NaN, or a p-value outside [0, 1]', () => {
  const cell = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, 0, 1, 1, 1e308, -1e308));
  const sample = fc.array(cell, { minLength: 0, maxLength: 60 });
  fc.assert(
    fc.property(sample, sample, fc.constantFrom('ks', 'psi', 'wasserstein'), (a, b, effect) => {
      const edges = quantileBinEdges(a, 10);
      const [x, y] = [Float64Array.from(a), Float64Array.from(b)];
      for (const result of [
        compareNumeric(x, y, { effect, minimumRows: 1 }),
        compareNumericBinned(binned(x, edges), binned(y, edges), { effect, minimumRows: 1 }),
      ]) {
        if (result.outcome === 'undecided') continue;
        expect(result.pValue).toBeGreaterThanOrEqual(0);
        expect(result.pValue).toBeLessThanOrEqual(1);
        expect(result.effect).toBeGreaterThanOrEqual(0);
        for (const value of Object.values(result.statistics)) {
          if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
        }
      }
    }),
    { numRuns: 300, seed: 1 },
  );
});

function table(rng: Rng, n: number, shift: number): Map<string, Column> {
  const columns = new Map<string, Column>();
  for (let c = 0; c < 4; c++) {
    columns.set(`amount_${c}`, { kind: 'numeric', values: normals(rng, n, c === 2 ? shift : 0) });
    columns.set(`country_${c}`, categoricalColumn(Array.from({ length: n }, () => 'abcde'[rng.int(5)])));
  }
  return columns;
}

test('a report names the drifted column first and explains it in one sentence with sizes, effect, limit and promise', () => {
  const rng = createRng(8);
  const report = driftReport(table(rng, 3000, 0), table(rng, 2000, 0.5));
  expect(report.drifted).toEqual(['amount_2']);
  expect(report.verdicts[0]!.column).toBe('amount_2');
  expect(report.verdicts[0]!.sentence).toMatch(
    /^"amount_2" drifted: its distribution moved \(mean [-\d.]+ to 0\.\d+\); KS distance beyond chance 0\.1\d+, limit 0\.1; Kolmogorov-Smirnov test p < 1e-12 \(Benjamini-Hochberg-adjusted, alpha 0\.05\); 2,000 rows against 3,000\.$/,
  );
  expect(report.sentence).toBe(
    '1 of 8 columns drifted, first "amount_2"; a quiet window raises an alarm in at most 5 % of cases.',
  );
});

test('a significant but tiny change is stable: the effect must reach its limit too', () => {
  const rng = createRng(9);
  const columns = (mean: number): Map<string, Column> =>
    new Map([['x', { kind: 'numeric', values: normals(rng, 50_000, mean) }]]);
  const report = driftReport(columns(0), columns(0.08));
  const verdict = report.verdicts[0]!;
  if (verdict.outcome === 'undecided') throw new Error('judged expected');
  expect(verdict.adjustedPValue).toBeLessThan(1e-6);
  expect(verdict.outcome).toBe('stable');
  const sharper = driftReport(columns(0), columns(0.08), { thresholds: new Map([['x', { values: 0.02 }]]) });
  expect(sharper.drifted).toEqual(['x']);
});

test('a prepared baseline gives the same report', () => {
  const rng = createRng(10);
  const [baseline, current] = [table(rng, 500, 0), table(rng, 500, 1)];
  expect(driftReport(prepareBaseline(baseline), current)).toEqual(driftReport(baseline, current));
});

test('absent, retyped and extra columns are reported, not thrown', () => {
  const rng = createRng(11);
  const baseline = table(rng, 100, 0);
  const current = table(rng, 100, 0);
  current.delete('amount_0');
  current.set('amount_1', categoricalColumn(new Array(100).fill('x')));
  current.set('brand_new', { kind: 'numeric', values: normals(rng, 100) });
  const report = driftReport(baseline, current);
  const why = new Map(
    report.verdicts.map(verdict => [verdict.column, verdict.outcome === 'undecided' ? verdict.because : '']),
  );
  expect(why.get('amount_0')).toBe('column-missing');
  expect(why.get('amount_1')).toBe('kind-changed');
  expect(report.extraColumns).toEqual(['brand_new']);
  expect(() => driftReport(baseline, current, { alpha: 0 })).toThrow(RangeError);
});

test('the order of rows and of columns does not matter', () => {
  const rng = createRng(12);
  const baseline = table(rng, 300, 0);
  const current = table(rng, 300, 0.7);
  const shuffled = new Map(
    [...current]
      .toReversed()
      .map(([name, column]): [string, Column] => [
        name,
        column.kind === 'numeric' ? { ...column, values: rng.shuffle(Float64Array.from(column.values)) } : column,
      ]),
  );
  const [report, again] = [driftReport(baseline, current), driftReport(baseline, shuffled)];
  for (const [i, verdict] of report.verdicts.entries()) {
    const other = again.verdicts[i]!;
    if (verdict.outcome === 'undecided' || other.outcome === 'undecided') throw new Error('judged expected');
    expect([other.column, other.outcome]).toEqual([verdict.column, verdict.outcome]);
    expect(other.adjustedPValue).toBeCloseTo(verdict.adjustedPValue, 12);
    expect(other.effect).toBeCloseTo(verdict.effect, 12);
  }
});
