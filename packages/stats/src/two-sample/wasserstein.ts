import { type Numbers, sortValues } from '../sorting.ts';

/** First Wasserstein distance (earth mover's, in the values' own unit). Only finite values count; 0 when one side is empty. */
export function wassersteinDistance(a: Numbers, b: Numbers): number {
  return wassersteinSorted(sortValues(a).sorted, sortValues(b).sorted);
}

/** As {@link wassersteinDistance} for ascending samples without NaN: the integral of |F - G|. */
export function wassersteinSorted(a: Float64Array, b: Float64Array): number {
  return integrateGap(finitePart(a), finitePart(b), 1);
}

/** Energy distance sqrt(2 * integral (F - G)^2), Szekely and Rizzo; 0 when one side is empty. */
export function energyDistance(a: Numbers, b: Numbers): number {
  const left = finitePart(sortValues(a).sorted);
  const right = finitePart(sortValues(b).sorted);
  return Math.sqrt(2 * integrateGap(left, right, 2));
}

/** The finite middle of an ascending array. */
export function finitePart(sorted: Float64Array): Float64Array {
  let start = 0;
  let end = sorted.length;
  while (start < end && sorted[start] === Number.NEGATIVE_INFINITY) start++;
  while (end > start && sorted[end - 1] === Number.POSITIVE_INFINITY) end--;
  return start === 0 && end === sorted.length ? sorted : sorted.subarray(start, end);
}

function integrateGap(a: Float64Array, b: Float64Array, power: 1 | 2): number {
  const n = a.length;
  const m = b.length;
  if (n === 0 || m === 0) return 0;
  let i = 0;
  let j = 0;
  let previous = Math.min(a[0]!, b[0]!);
  let integral = 0;
  while (i < n || j < m) {
    const takeA = j >= m || (i < n && a[i]! <= b[j]!);
    const value = takeA ? a[i]! : b[j]!;
    const gap = Math.abs(i / n - j / m);
    if (gap > 0 && value !== previous) integral += (power === 1 ? gap : gap * gap) * (value - previous);
    previous = value;
    if (takeA) i++;
    else j++;
  }
  return integral;
}

/** What the open-ended outer bins reach to. */
export interface ValueRange {
  readonly min: number;
  readonly max: number;
}

/**
 * Wasserstein distance from counts over the same bins, values spread evenly inside each bin. `edges` are the inner cut
 * points (one fewer than bins); the outer bins end at the range. Error at most the widest bin that holds mass.
 * @throws RangeError when lengths do not fit.
 */
export function wassersteinFromBins(countsA: Numbers, countsB: Numbers, edges: Numbers, range: ValueRange): number {
  if (countsA.length !== countsB.length || edges.length !== countsA.length - 1) {
    throw new RangeError('Both samples must be counted over the same bins, with one inner edge fewer than bins.');
  }
  let n = 0;
  let m = 0;
  for (let i = 0; i < countsA.length; i++) {
    n += countsA[i]!;
    m += countsB[i]!;
  }
  if (n === 0 || m === 0) return 0;
  let integral = 0;
  let gapBefore = 0;
  let i = 0;
  let j = 0;
  for (let bin = 0; bin < countsA.length; bin++) {
    i += countsA[bin]!;
    j += countsB[bin]!;
    const gapAfter = i / n - j / m;
    const left = bin === 0 ? Math.min(range.min, edges.length > 0 ? edges[0]! : range.min) : edges[bin - 1]!;
    const right = bin === edges.length ? Math.max(range.max, left) : edges[bin]!;
    if (Number.isFinite(right - left)) integral += (right - left) * meanAbsolute(gapBefore, gapAfter);
    gapBefore = gapAfter;
  }
  return integral;
}

/** Mean of |x| while x goes in a straight line from p to q. */
function meanAbsolute(p: number, q: number): number {
  if (p * q >= 0) return Math.abs(p + q) / 2;
  return (p * p + q * q) / (2 * (Math.abs(p) + Math.abs(q)));
}
