import { type Numbers, sortValues } from './sorting.ts';

/**
 * Inner cut points of open-ended bins, strictly ascending. Bin i holds edges[i-1] < x <= edges[i]; the first reaches to
 * -Infinity and the last to Infinity, so there is one bin more than edges and every number has a bin.
 */
export type BinEdges = Float64Array;

/**
 * Edges at the quantiles of a baseline sample. A value that fills a whole quantile step gets a bin of its own, so that a
 * constant column has three bins: below, exactly it, above. A sample without values has no edges (one bin).
 *
 * @param binCount bins aimed at, 2 to 1000; ties can give fewer, values with their own bin a few more.
 */
export function quantileBinEdges(values: Numbers, binCount: number): BinEdges {
  return quantileBinEdgesSorted(sortValues(values).sorted, binCount);
}

/** As {@link quantileBinEdges} for an ascending sample without NaN. */
export function quantileBinEdgesSorted(sorted: Float64Array, binCount: number): BinEdges {
  if (!Number.isInteger(binCount) || binCount < 2 || binCount > 1000) {
    throw new RangeError(`The number of bins must be between 2 and 1000, not ${binCount}.`);
  }
  const n = sorted.length;
  if (n === 0) return new Float64Array(0);
  const edges: number[] = [];
  for (let i = 1; i < binCount; i++) {
    const value = sorted[Math.min(n - 1, Math.ceil((i * n) / binCount) - 1)]!;
    const previous = edges.at(-1);
    if (previous === value) continue;
    if (isAtom(sorted, value, n / binCount)) {
      const below = nextDown(value);
      if (below !== value && (previous === undefined || below > previous)) edges.push(below);
    }
    if (value !== Number.POSITIVE_INFINITY) edges.push(value);
  }
  return Float64Array.from(edges);
}

/** Whether this value alone fills at least one whole quantile step. */
function isAtom(sorted: Float64Array, value: number, rows: number): boolean {
  return countAtMost(sorted, value) - countBelow(sorted, value) >= rows;
}

/** Bin of x: the first edge that is >= x. -1 for NaN. */
export function assignBin(edges: BinEdges, x: number): number {
  if (Number.isNaN(x)) return -1;
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (edges[middle]! < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Adds each value to its bin; NaN to none. @returns how many were NaN. @throws RangeError unless counts has edges + 1 bins. */
export function countIntoBins(
  values: Numbers,
  edges: BinEdges,
  counts: Float64Array | Int32Array | Uint32Array,
): number {
  if (counts.length !== edges.length + 1)
    throw new RangeError(`${edges.length} edges need ${edges.length + 1} counts.`);
  let missing = 0;
  for (let i = 0; i < values.length; i++) {
    const bin = assignBin(edges, values[i]!);
    if (bin < 0) missing++;
    else counts[bin] = counts[bin]! + 1;
  }
  return missing;
}

/** Counts per bin of an ascending sample, by one search per edge. */
export function countSortedIntoBins(sorted: Float64Array, edges: BinEdges): Float64Array {
  const counts = new Float64Array(edges.length + 1);
  let before = 0;
  for (let i = 0; i < edges.length; i++) {
    const upTo = countAtMost(sorted, edges[i]!);
    counts[i] = upTo - before;
    before = upTo;
  }
  counts[edges.length] = sorted.length - before;
  return counts;
}

/** How many of an ascending sample are <= x. */
export function countAtMost(sorted: Float64Array, x: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many of an ascending sample are < x. */
function countBelow(sorted: Float64Array, x: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Quantile of an ascending sample with linear interpolation (Hyndman and Fan type 7); NaN when empty. */
export function quantileSorted(sorted: Numbers, q: number): number {
  const n = sorted.length;
  if (n === 0) return Number.NaN;
  const position = Math.min(1, Math.max(0, q)) * (n - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(n - 1, below + 1)]!;
  return low === high ? low : low + (high - low) * (position - below);
}

/** The next double below x. */
export function nextDown(x: number): number {
  if (!Number.isFinite(x)) return x === Number.POSITIVE_INFINITY ? Number.MAX_VALUE : x;
  if (x === 0) return -Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  view.setBigInt64(0, view.getBigInt64(0) - (x > 0 ? 1n : -1n));
  return view.getFloat64(0);
}
