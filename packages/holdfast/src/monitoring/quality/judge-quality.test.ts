import { expect, test } from 'vitest';
import { monitorsSchema } from '../../config/index.ts';
import { ProfileBatch } from '../profiles/batch.ts';
import type { ColumnValues } from '../profiles/column-values.ts';
import { Profile } from '../profiles/profile.ts';
import { versionReference } from '../profiles/version-reference.ts';
import { sampleBaseline, sampleRows } from '../sample-log.ts';
import { judgeQuality, lowerBound } from './judge-quality.ts';

const reference = versionReference(1, sampleBaseline(sampleRows(1, 2000, 0, 1000)));
const config = monitorsSchema.parse({}).quality;

const sound = (rows: number): Map<string, ColumnValues> =>
  new Map<string, ColumnValues>([
    ['amount', { kind: 'numeric', values: new Float64Array(rows).fill(10) }],
    ['age', { kind: 'numeric', values: new Float64Array(rows).fill(40) }],
    ['country', { kind: 'categorical', dictionary: ['us'], codes: new Int32Array(rows) }],
    ['score', { kind: 'numeric', values: new Float64Array(rows).fill(0.3) }],
    ['label', { kind: 'categorical', dictionary: ['0'], codes: new Int32Array(rows) }],
  ]);

function judge(columns: ReadonlyMap<string, ColumnValues>, rows: number) {
  const profile = new Profile(reference.plan);
  new ProfileBatch(reference.plan, rows, name => columns.get(name)).addTo([profile], 0, rows);
  return judgeQuality(reference, profile, config, 0.01);
}

/** Every n-th row is bad. */
const every = (n: number, bad: number, good: number, rows: number): ColumnValues => ({
  kind: 'numeric',
  values: Float64Array.from({ length: rows }, (_, row) => (row % n === 0 ? bad : good)),
});

test.each<[string, string, ColumnValues, RegExp]>([
  [
    'missing values',
    'amount',
    every(5, Number.NaN, 10, 1000),
    /^amount: 20 % of values are missing, 5 % allowed \(the baseline has 0 %\) in 1,000 rows/,
  ],
  [
    'a declared range',
    'age',
    every(20, 130, 40, 1000),
    /^age: 5 % of values are outside the range, 1 % allowed \(allowed are 0 to 120\)/,
  ],
  [
    'the range of the baseline',
    'amount',
    every(20, -1e6, 10, 1000),
    /^amount: 5 % of values are outside the range, 1 % allowed \(the baseline has 0\.\d+ to/,
  ],
  [
    'unseen categories',
    'country',
    {
      kind: 'categorical',
      dictionary: ['us', 'Nar\nnia'],
      codes: Int32Array.from({ length: 1000 }, (_, i) => (i % 5 === 0 ? 1 : 0)),
    },
    /^country: 20 % of rows have a category that the baseline never had, 5 % allowed \(such as "Nar nia"\)/,
  ],
  [
    'text that is no number',
    'age',
    {
      kind: 'categorical',
      dictionary: ['40', 'old'],
      codes: Int32Array.from({ length: 1000 }, (_, i) => (i % 10 === 0 ? 1 : 0)),
    },
    /^age: 10 % of values are no number, 1 % allowed/,
  ],
])('%s above the limit are a breach of that column alone', (_, name, values, sentence) => {
  const findings = judge(new Map([...sound(1000), [name, values]]), 1000);
  expect(findings.map(finding => finding.subject)).toEqual(['amount', 'age', 'country', 'score', 'label']);
  const breaches = findings.filter(finding => finding.outcome === 'breached');
  expect(breaches.map(finding => finding.subject)).toEqual([name]);
  expect(breaches[0]!.sentence).toMatch(sentence);
});

test('a column that is not sent at all is missing in every row', () => {
  const columns = sound(500);
  columns.delete('country');
  const breaches = judge(columns, 500).filter(finding => finding.outcome === 'breached');
  expect(breaches).toMatchObject([{ subject: 'country', test: 'missing share', effect: 1 }]);
});

test('a share just above its limit in few rows may be chance', () => {
  const verdict = (rows: number) =>
    judge(new Map([...sound(rows), ['age', every(50, 130, 40, rows)]]), rows).find(one => one.subject === 'age');
  expect(verdict(200)?.outcome).toBe('stable');
  expect(verdict(20_000)?.outcome).toBe('breached');
});

test('few rows are not judged', () => {
  expect(judge(sound(19), 19).every(finding => finding.because === 'too-few-rows')).toBe(true);
});

test('the lower bound is that of Clopper and Pearson', () => {
  // R: binom.test(5, 100, alternative = "greater", conf.level = 0.95)$conf.int[1] = 0.01991; 0 of n has bound 0.
  expect(lowerBound(5, 100, 0.05)).toBeCloseTo(0.01991, 4);
  expect(lowerBound(0, 100, 0.05)).toBe(0);
  // All of n: alpha^(1/n).
  expect(lowerBound(10, 10, 0.05)).toBeCloseTo(0.05 ** 0.1, 9);
});
