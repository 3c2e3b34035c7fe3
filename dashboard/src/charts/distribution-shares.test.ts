import { type ColumnDistribution, type DriftDetail, driftDetailSchema } from '@holdfast/api';
import { expect, test } from 'vitest';
import { binShares, categoryShares, coarsened } from './distribution-shares.ts';

const names = {
  below: (edge: number) => `<${edge}`,
  between: (a: number, b: number) => `${a}..${b}`,
  above: (edge: number) => `>${edge}`,
};

function side(binCounts: number[], categories: ColumnDistribution['categories'] = []): ColumnDistribution {
  const rows = binCounts.reduce((sum, count) => sum + count, 0) + categories.reduce((sum, each) => sum + each.count, 0);
  return {
    rows,
    missing: 0,
    mean: null,
    standardDeviation: null,
    minimum: null,
    maximum: null,
    binCounts,
    categories,
    unseen: 0,
  };
}

function detailOf(parts: Partial<DriftDetail>): DriftDetail {
  const empty = side([]);
  return driftDetailSchema.parse({
    column: 'x',
    kind: 'numeric',
    windowStartMs: 0,
    windowEndMs: 1,
    edges: [],
    baseline: empty,
    current: empty,
    verdicts: [],
    ...parts,
  });
}

test('many bins are drawn as few, and no row is lost', () => {
  const edges = Array.from({ length: 127 }, (_, i) => i + 1);
  const detail = coarsened(
    detailOf({ edges, baseline: side(Array(128).fill(1)), current: side([...Array(127).fill(0), 64]) }),
  );
  expect(detail.baseline.binCounts.length).toBeLessThanOrEqual(24);
  expect(detail.edges).toHaveLength(detail.baseline.binCounts.length - 1);
  expect(detail.baseline.binCounts.reduce((sum, count) => sum + count, 0)).toBe(128);
  expect(detail.current.binCounts.at(-1)).toBe(64);
});

test('the outer bins are open-ended', () => {
  const pairs = binShares(detailOf({ edges: [1, 2], baseline: side([1, 2, 1]), current: side([4, 0, 0]) }), names);
  expect(pairs).toEqual([
    { name: '<1', baseline: 0.25, current: 1 },
    { name: '1..2', baseline: 0.5, current: 0 },
    { name: '>2', baseline: 0.25, current: 0 },
  ]);
});

test('categories are ordered by weight on either side', () => {
  const detail = detailOf({
    kind: 'categorical',
    baseline: side(
      [],
      [
        { category: 'a', count: 9 },
        { category: 'b', count: 1 },
      ],
    ),
    current: side([], [{ category: 'b', count: 20 }]),
  });
  const pairs = categoryShares(detail, { other: 'other', unseen: 'unseen', missing: 'missing' });
  expect(pairs.map(pair => pair.name)).toEqual(['b', 'a']);
});
