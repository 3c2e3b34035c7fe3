import fc from 'fast-check';
import { expect, test } from 'vitest';
import { adjustPValues, benjaminiHochberg, benjaminiYekutieli, bonferroni, holm } from './corrections.ts';
import reference from './fixtures/reference-values.json' with { type: 'json' };

const { p, ...expected } = reference.multipleTests;

test('adjusted p-values agree with statsmodels', () => {
  const table = [
    [bonferroni, expected.bonferroni],
    [holm, expected.holm],
    [benjaminiHochberg, expected.fdr_bh],
    [benjaminiYekutieli, expected.fdr_by],
  ] as const;
  for (const [adjust, values] of table) {
    for (const [i, value] of adjust(p).entries()) expect(value).toBeCloseTo(values[i]!, 12);
  }
});

test('corrections only raise p-values, keep their order, and do not mind the order given', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 }), values => {
      for (const correction of ['bonferroni', 'holm', 'benjamini-hochberg', 'benjamini-yekutieli'] as const) {
        const adjusted = adjustPValues(values, correction);
        const reversed = adjustPValues(values.toReversed(), correction).reverse();
        for (const [i, value] of adjusted.entries()) {
          expect(value).toBeGreaterThanOrEqual(values[i]! - 1e-15);
          expect(value).toBeLessThanOrEqual(1);
          expect(reversed[i]).toBeCloseTo(value, 12);
          for (const [j, other] of adjusted.entries())
            if (values[i]! < values[j]!) expect(value).toBeLessThanOrEqual(other);
        }
      }
    }),
    { numRuns: 60, seed: 1 },
  );
});

test('a p-value outside [0, 1] is refused', () => {
  expect(() => holm([0.5, Number.NaN])).toThrow(RangeError);
});
