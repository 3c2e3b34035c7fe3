import type { ColumnDistribution, DriftDetail } from '@holdfast/api';

/** One bar pair: the share of all rows, missing ones included, on the baseline and in the window. */
export interface SharePair {
  readonly name: string;
  readonly baseline: number;
  readonly current: number;
}

const categoriesShown = 12;

function share(count: number, side: ColumnDistribution): number {
  return side.rows > 0 ? count / side.rows : 0;
}

/** Bars that can still be told apart side by side. */
const binsShown = 24;

function merged(counts: readonly number[], step: number): number[] {
  const sums: number[] = [];
  for (const [bin, count] of counts.entries()) {
    const at = Math.floor(bin / step);
    sums[at] = (sums[at] ?? 0) + count;
  }
  return sums;
}

/** Neighbouring bins put together until they can be drawn; the tests use all of them, a person needs the shape. */
export function coarsened(detail: DriftDetail): DriftDetail {
  const step = Math.ceil((detail.edges.length + 1) / binsShown);
  if (step === 1) return detail;
  const { baseline, current } = detail;
  return {
    ...detail,
    edges: detail.edges.filter((_, index) => (index + 1) % step === 0),
    baseline: { ...baseline, binCounts: merged(baseline.binCounts, step) },
    current: { ...current, binCounts: merged(current.binCounts, step) },
  };
}

export interface BinNames {
  readonly below: (edge: number) => string;
  readonly between: (low: number, high: number) => string;
  readonly above: (edge: number) => string;
}

/** The bins of a numeric column, the outer two open-ended. */
export function binShares(detail: DriftDetail, names: BinNames): readonly SharePair[] {
  const { edges, baseline, current } = detail;
  const bins = Math.max(baseline.binCounts.length, current.binCounts.length);
  return Array.from({ length: bins }, (_, bin) => {
    const low = edges[bin - 1];
    const high = edges[bin];
    const name =
      low === undefined
        ? high === undefined
          ? ''
          : names.below(high)
        : high === undefined
          ? names.above(low)
          : names.between(low, high);
    return {
      name,
      baseline: share(baseline.binCounts[bin] ?? 0, baseline),
      current: share(current.binCounts[bin] ?? 0, current),
    };
  });
}

/** The most frequent categories of either side, then the rest, the unseen and the missing where there are any. */
export function categoryShares(
  detail: DriftDetail,
  names: { readonly other: string; readonly unseen: string; readonly missing: string },
): readonly SharePair[] {
  const { baseline, current } = detail;
  const counts = (side: ColumnDistribution) => new Map(side.categories.map(each => [each.category, each.count]));
  const before = counts(baseline);
  const now = counts(current);
  const all = [...new Set([...before.keys(), ...now.keys()])].filter(name => name !== 'other');
  const weight = (name: string): number =>
    Math.max(share(before.get(name) ?? 0, baseline), share(now.get(name) ?? 0, current));
  all.sort((a, b) => weight(b) - weight(a));
  const shown = all.slice(0, categoriesShown);
  const rest = [...all.slice(categoriesShown), 'other'];
  const sum = (side: ReadonlyMap<string, number>): number =>
    rest.reduce((total, name) => total + (side.get(name) ?? 0), 0);
  const extra: SharePair[] = [
    { name: names.other, baseline: share(sum(before), baseline), current: share(sum(now), current) },
    { name: names.unseen, baseline: share(baseline.unseen, baseline), current: share(current.unseen, current) },
    { name: names.missing, baseline: share(baseline.missing, baseline), current: share(current.missing, current) },
  ];
  return [
    ...shown.map(name => ({
      name,
      baseline: share(before.get(name) ?? 0, baseline),
      current: share(now.get(name) ?? 0, current),
    })),
    ...extra.filter(pair => pair.baseline > 0 || pair.current > 0),
  ];
}

/** Which edges to write under the bars: at most `most`, evenly spread, always the first and the last. */
export function edgesWritten(edges: number, most: number): readonly number[] {
  if (edges <= most) return Array.from({ length: edges }, (_, index) => index);
  return Array.from({ length: most }, (_, index) => Math.round((index * (edges - 1)) / (most - 1)));
}
