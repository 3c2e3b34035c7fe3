import { wassersteinFromBins } from '@holdfast/stats';
import { momentsOf, type Profile } from '../profiles/profile.ts';
import type { ComparedColumn } from './column-cells.ts';

/** First Wasserstein distance of a numeric column in its own unit, from bins; NaN when one side has no values. */
export function wassersteinOf(column: ComparedColumn, profile: Profile): number {
  const { reference } = column;
  const moments = momentsOf(profile, column.planned);
  if (reference.kind !== 'numeric' || reference.minimum === null || reference.maximum === null || moments === null) {
    return Number.NaN;
  }
  const bins = column.planned.cells - 1;
  return wassersteinFromBins(
    column.cells.subarray(0, bins),
    profile.cells(column.planned).subarray(0, bins),
    reference.edges,
    { min: Math.min(reference.minimum, moments.minimum), max: Math.max(reference.maximum, moments.maximum) },
  );
}
