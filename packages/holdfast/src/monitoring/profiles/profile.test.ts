import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sampleBaseline, sampleRows } from '../sample-log.ts';
import { ProfileBatch } from './batch.ts';
import type { ColumnValues } from './column-values.ts';
import { momentsOf, Profile } from './profile.ts';
import { ProfilePlan } from './profile-plan.ts';

const reference = sampleBaseline(sampleRows(1, 2000, 0, 1000));
const plan = new ProfilePlan(reference);

interface Row {
  readonly amount: number;
  readonly age: number;
  readonly country: string;
}

function profileOf(rows: readonly Row[], into = new Profile(plan)): Profile {
  const dictionary = [...new Set(rows.map(row => row.country))].filter(text => text !== '');
  const columns = new Map<string, ColumnValues>([
    ['amount', { kind: 'numeric', values: Float64Array.from(rows, row => row.amount) }],
    ['age', { kind: 'numeric', values: Float64Array.from(rows, row => row.age) }],
    [
      'country',
      { kind: 'categorical', dictionary, codes: Int32Array.from(rows, row => dictionary.indexOf(row.country)) },
    ],
  ]);
  new ProfileBatch(plan, rows.length, name => columns.get(name)).addTo([into], 0, rows.length);
  return into;
}

const column = (name: string) => plan.columns.find(one => one.reference.name === name)!;

const anyRows = fc.array(
  fc.record({
    amount: fc.oneof(fc.double({ min: -1e6, max: 1e6 }), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 0)),
    age: fc.integer({ min: -50, max: 200 }),
    country: fc.constantFrom('de', 'fr', 'us', 'xx', 'yy', ''),
  }),
  { maxLength: 30 },
);

test('merging is associative, commutative and exact: it equals counting all rows at once', () => {
  fc.assert(
    fc.property(anyRows, anyRows, anyRows, (a, b, c) => {
      const left = profileOf(a).merge(profileOf(b)).merge(profileOf(c));
      const right = profileOf(c).merge(profileOf(b).merge(profileOf(a)));
      const whole = profileOf([...a, ...b, ...c]);
      for (const other of [right, whole]) {
        expect(other.rows).toBe(left.rows);
        expect(other.counts).toEqual(left.counts);
        expect(other.sums).toEqual(left.sums);
        expect(other.extremes).toEqual(left.extremes);
        expect(other.unseen.map(names => new Map([...names].sort()))).toEqual(
          left.unseen.map(names => new Map([...names].sort())),
        );
      }
    }),
    { numRuns: 50 },
  );
});

test('a profile survives being stored', () => {
  fc.assert(
    fc.property(anyRows, rows => {
      const profile = profileOf(rows);
      expect(Profile.decode(plan, profile.encode())).toEqual(profile);
    }),
    { numRuns: 50 },
  );
});

test('moments from fixed-point sums agree with those of the values', () => {
  const values = [1.5, 2.25, -3, 1e4, 7.125];
  const profile = profileOf(values.map(amount => ({ amount, age: 30, country: 'de' })));
  const moments = momentsOf(profile, column('amount'))!;
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1);
  expect(moments.mean).toBeCloseTo(mean, 3);
  expect(moments.standardDeviation / Math.sqrt(variance)).toBeCloseTo(1, 5);
  expect([moments.minimum, moments.maximum]).toEqual([-3, 1e4]);
});

test('every value has one cell: bins are open at both ends, missing and unseen have their own', () => {
  const rows = [
    { amount: -1e9, age: 30, country: 'de' },
    { amount: 1e9, age: 121, country: 'zz' },
    { amount: Number.NaN, age: -1, country: '' },
  ];
  const profile = profileOf(rows);
  const amount = column('amount');
  const cells = profile.cells(amount);
  expect([cells[0], cells[amount.cells - 2], cells[amount.cells - 1]]).toEqual([1, 1, 1]);
  const age = column('age');
  expect([profile.counts[age.violations + 1], profile.counts[age.violations + 2]]).toEqual([1, 1]);
  const country = column('country');
  expect([...profile.cells(country)].reduce((sum, count) => sum + count, 0)).toBe(3);
  expect(profile.cells(country)[country.cells - 1]).toBe(1);
  expect(profile.cells(country)[country.cells - 2]).toBe(1);
  expect([...profile.unseen[country.unseen]!]).toEqual([['zz', 1]]);
});

test('text that is no number counts as invalid, text that is one counts as it', () => {
  const dictionary = ['12', 'twelve', ' 7 '];
  const profile = new Profile(plan);
  const codes = Int32Array.from([0, 1, 2, -1]);
  new ProfileBatch(plan, 4, name => (name === 'age' ? { kind: 'categorical', dictionary, codes } : undefined)).addTo(
    [profile],
    0,
    4,
  );
  const age = column('age');
  expect(profile.counts[age.violations]).toBe(1);
  expect(profile.cells(age)[age.cells - 1]).toBe(2);
  expect(momentsOf(profile, age)?.mean).toBeCloseTo(9.5, 4);
  expect(profile.cells(column('amount')).at(-1)).toBe(4);
});
