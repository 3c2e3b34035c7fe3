import { type BaselineProfile, cellsOf, type ReferenceColumn } from './reference.ts';

/** Where a column's cells lie inside a profile's arrays. */
export interface PlannedColumn {
  readonly reference: ReferenceColumn;
  /** First of the column's cells in `counts`; `missing` is the last of them. */
  readonly offset: number;
  readonly cells: number;
  /** Index into `counts` of values that are no number, then below and above the range; -1 unless numeric. */
  readonly violations: number;
  /** Ordinal among the numeric columns; -1 unless numeric. */
  readonly moments: number;
  /** Ordinal among the categorical columns; -1 unless categorical. */
  readonly unseen: number;
  /** Numeric: the cut points. */
  readonly edges: Float64Array;
  /** Numeric: origin and unit of the fixed-point moments. */
  readonly centre: number;
  readonly unit: number;
  /** Categorical: cell of every category that the baseline had. */
  readonly cellOfCategory: ReadonlyMap<string, number>;
  /** Cells of the entries of dictionaries met before, as the same one often comes with every batch. */
  readonly cellsOfDictionary: WeakMap<readonly string[], Uint16Array>;
}

/** Fractions of a standard deviation that moments are counted in: whole numbers add up exactly in any order. */
const fixedPoint = 2 ** 20;

/** Turns a reference into the fixed layout that all profiles compared with it share. */
export class ProfilePlan {
  readonly columns: readonly PlannedColumn[];
  readonly countLength: number;
  readonly numericColumns: number;
  readonly categoricalColumns: number;

  constructor(reference: Pick<BaselineProfile, 'columns'>) {
    let counts = 0;
    let moments = 0;
    let unseen = 0;
    this.columns = reference.columns.map(column => {
      const cells = cellsOf(column);
      const numeric = column.kind === 'numeric';
      const planned: PlannedColumn = {
        reference: column,
        offset: counts,
        cells,
        violations: numeric ? counts + cells : -1,
        moments: numeric ? moments : -1,
        unseen: column.kind === 'categorical' ? unseen : -1,
        edges: numeric ? Float64Array.from(column.edges) : new Float64Array(0),
        centre: numeric ? column.mean : 0,
        unit: numeric ? unitOf(column.standardDeviation, column.mean) : 1,
        cellsOfDictionary: new WeakMap(),
        cellOfCategory: column.kind === 'categorical' ? categoryCells(column) : new Map(),
      };
      counts += numeric ? cells + 3 : cells;
      moments += numeric ? 1 : 0;
      unseen += column.kind === 'categorical' ? 1 : 0;
      return planned;
    });
    this.countLength = counts;
    this.numericColumns = moments;
    this.categoricalColumns = unseen;
  }
}

function unitOf(standardDeviation: number, mean: number): number {
  const scale = standardDeviation > 0 ? standardDeviation : Math.max(Math.abs(mean) * 1e-3, 1e-6);
  return scale / fixedPoint;
}

function categoryCells(column: {
  readonly categories: readonly string[];
  readonly otherCategories: readonly string[];
}): ReadonlyMap<string, number> {
  const cells = new Map<string, number>();
  for (const category of column.otherCategories) cells.set(category, column.categories.length);
  for (const [index, category] of column.categories.entries()) cells.set(category, index);
  return cells;
}
