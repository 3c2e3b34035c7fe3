import type { Moments } from '../moments.ts';
import type { BinEdges } from '../quantile-bins.ts';
import type { Numbers } from '../sorting.ts';

/** A numeric column; NaN is a missing value. */
export interface NumericColumn {
  readonly kind: 'numeric';
  readonly values: Numbers;
}

/** A categorical column: each row's position in `categories`. A code outside 0 .. categories.length - 1 is a missing value. */
export interface CategoricalColumn {
  readonly kind: 'categorical';
  readonly codes: Numbers;
  readonly categories: readonly string[];
}

export type Column = NumericColumn | CategoricalColumn;

/** Columns by name. Row i of one column belongs to row i of every other. */
export type Table = ReadonlyMap<string, Column>;

/** How often each category was met; the summary of a categorical column that profiles keep. */
export interface CategoryCounts {
  readonly counts: ReadonlyMap<string, number>;
  /** Rows without a value. */
  readonly missing: number;
}

/** Counts per bin with moments; the summary of a numeric column that profiles keep. */
export interface BinnedColumn {
  readonly edges: BinEdges;
  /** One more than edges. */
  readonly counts: Numbers;
  /** Rows without a value. */
  readonly missing: number;
  readonly moments: Readonly<Moments>;
}

/** Encodes strings; null and undefined become missing. Categories are numbered in order of appearance. */
export function categoricalColumn(values: Iterable<string | null | undefined>): CategoricalColumn {
  const positions = new Map<string, number>();
  const codes: number[] = [];
  for (const value of values) {
    if (value === null || value === undefined) {
      codes.push(-1);
      continue;
    }
    let code = positions.get(value);
    if (code === undefined) {
      code = positions.size;
      positions.set(value, code);
    }
    codes.push(code);
  }
  return { kind: 'categorical', codes: Int32Array.from(codes), categories: [...positions.keys()] };
}

/** Counts a categorical column. Categories that never occur are left out; a name listed twice is one category. */
export function countCategories(column: CategoricalColumn): CategoryCounts {
  const { codes, categories } = column;
  const byCode = new Float64Array(categories.length);
  let missing = 0;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    if (code >= 0 && code < categories.length) byCode[code] = byCode[code]! + 1;
    else missing++;
  }
  const counts = new Map<string, number>();
  for (const [code, count] of byCode.entries()) {
    if (count > 0) counts.set(categories[code]!, (counts.get(categories[code]!) ?? 0) + count);
  }
  return { counts, missing };
}

/** Two category summaries over the same cells: the baseline's categories first, then those only the current one has. */
export interface AlignedCounts {
  readonly categories: readonly string[];
  readonly baseline: Float64Array;
  readonly current: Float64Array;
  /** Current rows whose category the baseline never had. */
  readonly unseenRows: number;
}

export function alignCategories(baseline: CategoryCounts, current: CategoryCounts): AlignedCounts {
  const categories = [...new Set([...baseline.counts.keys(), ...current.counts.keys()])];
  const before = Float64Array.from(categories, name => baseline.counts.get(name) ?? 0);
  const after = Float64Array.from(categories, name => current.counts.get(name) ?? 0);
  let unseenRows = 0;
  for (const [i, count] of before.entries()) if (count === 0) unseenRows += after[i]!;
  return { categories, baseline: before, current: after, unseenRows };
}
