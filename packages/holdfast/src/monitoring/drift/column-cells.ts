import { quantileFromBins } from '../profiles/binned-quantile.ts';
import type { PlannedColumn } from '../profiles/profile-plan.ts';
import type { CategoricalReference, NumericReference, ReferenceColumn } from '../profiles/reference.ts';

/** About so many cells of equal baseline weight for PSI and chi-square, as is the custom. */
const coarseCells = 10;

/** A comparable column of a reference with what its tests need, worked out once. */
export interface ComparedColumn {
  readonly planned: PlannedColumn;
  readonly reference: NumericReference | CategoricalReference;
  /** Fine cells of the baseline, missing last; as in a profile. */
  readonly cells: Float64Array;
  /** Coarse cell of each fine cell; missing has one of its own. */
  readonly coarseOf: Uint16Array;
  readonly coarse: Float64Array;
}

/** The column as its tests see it; undefined for a column whose distribution is not profiled. */
export function comparedColumn(planned: PlannedColumn): ComparedColumn | undefined {
  const { reference } = planned;
  if (reference.kind === 'opaque') return undefined;
  const cells = Float64Array.from(referenceCells(reference));
  const coarseOf = reference.kind === 'numeric' ? coarseBins(cells) : categoryCells(reference, cells.length);
  return { planned, reference, cells, coarseOf, coarse: coarsen(cells, coarseOf) };
}

export function referenceCells(reference: Exclude<ReferenceColumn, { kind: 'opaque' }>): readonly number[] {
  return reference.kind === 'numeric'
    ? [...reference.counts, reference.missing]
    : [...reference.counts, reference.other, 0, reference.missing];
}

/** Adds fine cells up into coarse ones. */
export function coarsen(cells: ArrayLike<number>, coarseOf: Uint16Array): Float64Array {
  const coarse = new Float64Array((coarseOf.at(-1) ?? 0) + 1);
  for (let i = 0; i < cells.length; i++) coarse[coarseOf[i]!] = coarse[coarseOf[i]!]! + cells[i]!;
  return coarse;
}

/** Neighbouring bins together, until a tenth of the baseline is in each. */
function coarseBins(cells: Float64Array): Uint16Array {
  const bins = cells.length - 1;
  let total = 0;
  for (let i = 0; i < bins; i++) total += cells[i]!;
  const coarseOf = new Uint16Array(cells.length);
  let group = 0;
  let seen = 0;
  for (let i = 0; i < bins; i++) {
    coarseOf[i] = group;
    seen += cells[i]!;
    const isFull = seen >= ((group + 1) * total) / coarseCells - 1e-9;
    if (isFull && i < bins - 1) {
      group = Math.max(group + 1, Math.min(coarseCells - 1, Math.floor((seen * coarseCells) / total)));
    }
  }
  return compact(coarseOf, bins);
}

/** Numbers the groups without gaps and gives missing the last number. */
function compact(coarseOf: Uint16Array, bins: number): Uint16Array {
  let next = -1;
  let previous = -1;
  for (let i = 0; i < bins; i++) {
    if (coarseOf[i] !== previous) next++;
    previous = coarseOf[i]!;
    coarseOf[i] = next;
  }
  coarseOf[bins] = next + 1;
  return coarseOf;
}

/** Every category is a cell; unseen ones join `other` when the baseline had too many to tell them apart. */
function categoryCells(reference: CategoricalReference, length: number): Uint16Array {
  const named = reference.categories.length;
  return Uint16Array.from({ length }, (_, cell) => {
    if (!reference.truncated) return cell;
    return cell <= named ? cell : cell - 1;
  });
}

export interface Quartiles {
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

/** Quartiles of the values of a numeric column, interpolated inside their bins. */
export function quartilesOf(
  cells: ArrayLike<number>,
  reference: NumericReference,
  range: { readonly minimum: number; readonly maximum: number },
): Quartiles {
  const at = (q: number): number => quantileFromBins(cells, reference.edges, range, q);
  return { low: at(0.25), median: at(0.5), high: at(0.75) };
}
