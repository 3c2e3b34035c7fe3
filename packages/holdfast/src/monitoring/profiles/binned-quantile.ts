/**
 * Quantile of binned values, interpolated evenly inside the bin it falls into; NaN when there is none. `counts` has one
 * bin more than `edges`, further cells are ignored; the open outer bins end at the range.
 */
export function quantileFromBins(
  counts: ArrayLike<number>,
  edges: ArrayLike<number>,
  range: { readonly minimum: number; readonly maximum: number },
  q: number,
): number {
  const bins = edges.length + 1;
  let total = 0;
  for (let i = 0; i < bins; i++) total += counts[i]!;
  if (total === 0) return Number.NaN;
  const rank = q * total;
  let seen = 0;
  for (let i = 0; i < bins; i++) {
    const here = counts[i]!;
    if (here > 0 && seen + here >= rank) {
      const low = Math.max(range.minimum, i === 0 ? range.minimum : edges[i - 1]!);
      const high = Math.min(range.maximum, i === edges.length ? range.maximum : edges[i]!);
      return isPoint(low, high) ? high : low + ((high - low) * (rank - seen)) / here;
    }
    seen += here;
  }
  return range.maximum;
}

/** A bin that holds a single value has its edges at neighbouring doubles. */
function isPoint(low: number, high: number): boolean {
  return high - low <= Math.abs(high) * 1e-12;
}
