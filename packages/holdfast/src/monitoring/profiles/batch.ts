import type { ColumnReader, ColumnValues } from './column-values.ts';
import { countName, type Profile, squareUnit } from './profile.ts';
import type { PlannedColumn, ProfilePlan } from './profile-plan.ts';

/**
 * Rows prepared for counting: the cell of every value is found once per batch, and any run of rows can then be added to
 * any number of profiles.
 */
export class ProfileBatch {
  readonly plan: ProfilePlan;
  readonly rows: number;
  readonly #columns: readonly PreparedColumn[];

  /** `columnOf` gives the values of a column by name; undefined counts as missing in every row. */
  constructor(plan: ProfilePlan, rows: number, columnOf: ColumnReader) {
    this.plan = plan;
    this.rows = rows;
    this.#columns = plan.columns.map(column => prepare(column, columnOf(column.reference.name), rows));
  }

  /** Adds rows `from` (inclusive) to `to` (exclusive) to each target. */
  addTo(targets: readonly Profile[], from: number, to: number): void {
    if (to <= from) return;
    for (const target of targets) {
      target.rows += to - from;
      for (const column of this.#columns) addColumn(target, column, from, to);
    }
  }
}

interface PreparedColumn {
  readonly column: PlannedColumn;
  readonly cells: Uint16Array;
  /** Numeric columns: the numbers. */
  readonly numbers: Float64Array | undefined;
  /** Numeric columns: 1 where the value is no number; undefined when none is. */
  readonly invalid: Uint8Array | undefined;
  /** Categorical columns: the text of a row; undefined when the batch has no unseen category. */
  readonly textOf: ((row: number) => string) | undefined;
}

function prepare(column: PlannedColumn, values: ColumnValues | undefined, rows: number): PreparedColumn {
  const cells = new Uint16Array(rows);
  if (values === undefined) {
    cells.fill(column.cells - 1);
    const numbers = column.moments >= 0 ? new Float64Array(rows).fill(Number.NaN) : undefined;
    return { column, cells, numbers, invalid: undefined, textOf: undefined };
  }
  switch (column.reference.kind) {
    case 'numeric':
      return prepareNumbers(column, values, cells);
    case 'categorical':
      return prepareCategories(column, values, cells);
    case 'opaque':
      return prepareOpaque(column, values, cells);
    default:
      return column.reference satisfies never;
  }
}

function prepareNumbers(column: PlannedColumn, values: ColumnValues, cells: Uint16Array): PreparedColumn {
  if (values.kind === 'numeric') {
    findBins(column.edges, values.values, cells);
    return { column, cells, numbers: values.values, invalid: undefined, textOf: undefined };
  }
  const numberOf = values.dictionary.map(text => (text.trim() === '' ? Number.NaN : Number(text)));
  const wrong = values.dictionary.map((text, i) =>
    Number.isNaN(numberOf[i]!) && text.trim() !== '' && text.trim().toLowerCase() !== 'nan' ? 1 : 0,
  );
  const numbers = new Float64Array(cells.length);
  const invalid = new Uint8Array(cells.length);
  for (let row = 0; row < cells.length; row++) {
    const code = values.codes[row]!;
    numbers[row] = code < 0 ? Number.NaN : numberOf[code]!;
    invalid[row] = code < 0 ? 0 : wrong[code]!;
  }
  findBins(column.edges, numbers, cells);
  return { column, cells, numbers, invalid: wrong.includes(1) ? invalid : undefined, textOf: undefined };
}

/** Bin of each value: the first edge that is not below it; NaN goes to the cell after the last bin, which is missing. */
function findBins(edges: Float64Array, values: Float64Array, cells: Uint16Array): void {
  const size = edges.length;
  for (let row = 0; row < cells.length; row++) {
    const value = values[row]!;
    let low = 0;
    let high = size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (edges[middle]! < value) low = middle + 1;
      else high = middle;
    }
    cells[row] = Number.isNaN(value) ? size + 1 : low;
  }
}

function prepareCategories(column: PlannedColumn, values: ColumnValues, cells: Uint16Array): PreparedColumn {
  const missing = column.cells - 1;
  const unseen = column.cells - 2;
  const cellOf = (text: string): number => (text === '' ? missing : (column.cellOfCategory.get(text) ?? unseen));
  let anyUnseen = false;
  if (values.kind === 'categorical') {
    let cellOfCode = column.cellsOfDictionary.get(values.dictionary);
    if (cellOfCode === undefined) {
      cellOfCode = Uint16Array.from(values.dictionary, cellOf);
      column.cellsOfDictionary.set(values.dictionary, cellOfCode);
    }
    for (let row = 0; row < cells.length; row++) {
      const code = values.codes[row]!;
      const cell = code < 0 ? missing : cellOfCode[code]!;
      cells[row] = cell;
      if (cell === unseen) anyUnseen = true;
    }
    const textOf = (row: number): string => values.dictionary[values.codes[row]!]!;
    return { column, cells, numbers: undefined, invalid: undefined, textOf: anyUnseen ? textOf : undefined };
  }
  for (let row = 0; row < cells.length; row++) {
    const value = values.values[row]!;
    const cell = Number.isNaN(value) ? missing : cellOf(String(value));
    anyUnseen ||= cell === unseen;
    cells[row] = cell;
  }
  const textOf = (row: number): string => String(values.values[row]!);
  return { column, cells, numbers: undefined, invalid: undefined, textOf: anyUnseen ? textOf : undefined };
}

function prepareOpaque(column: PlannedColumn, values: ColumnValues, cells: Uint16Array): PreparedColumn {
  for (let row = 0; row < cells.length; row++) {
    const missing = values.kind === 'numeric' ? Number.isNaN(values.values[row]!) : values.codes[row]! < 0;
    cells[row] = missing ? 1 : 0;
  }
  return { column, cells, numbers: undefined, invalid: undefined, textOf: undefined };
}

function addColumn(target: Profile, prepared: PreparedColumn, from: number, to: number): void {
  const { column, cells, numbers, invalid, textOf } = prepared;
  const counts = target.counts;
  const offset = column.offset;
  for (let row = from; row < to; row++) {
    const cell = offset + cells[row]!;
    counts[cell] = counts[cell]! + 1;
  }
  if (numbers !== undefined) addMoments(target, column, numbers, from, to);
  if (invalid !== undefined) {
    let wrong = 0;
    for (let row = from; row < to; row++) wrong += invalid[row]!;
    counts[column.violations] = counts[column.violations]! + wrong;
  }
  if (textOf !== undefined) {
    const names = target.unseen[column.unseen]!;
    const unseen = column.cells - 2;
    for (let row = from; row < to; row++) if (cells[row] === unseen) countName(names, textOf(row), 1);
  }
}

function addMoments(target: Profile, column: PlannedColumn, values: Float64Array, from: number, to: number): void {
  const { centre, unit, moments, violations } = column;
  const range = column.reference.kind === 'numeric' ? column.reference.range : null;
  const lowest = range?.minimum ?? Number.NEGATIVE_INFINITY;
  const highest = range?.maximum ?? Number.POSITIVE_INFINITY;
  const perUnit = 1 / unit;
  let smallest = target.extremes[moments * 2]!;
  let largest = target.extremes[moments * 2 + 1]!;
  let finite = 0;
  let sum = 0;
  let squares = 0;
  let below = 0;
  let above = 0;
  for (let row = from; row < to; row++) {
    const value = values[row]!;
    if (value < lowest) below++;
    else if (value > highest) above++;
    const steps = Math.round((value - centre) * perUnit);
    // NaN and infinities are the only values whose difference with themselves is not zero.
    if (steps - steps !== 0) continue;
    finite++;
    sum += steps;
    squares += Math.round((steps * steps) / squareUnit);
    if (value < smallest) smallest = value;
    if (value > largest) largest = value;
  }
  // Adding nought turns -0 into 0, whose order the merge would otherwise remember.
  target.extremes[moments * 2] = smallest + 0;
  target.extremes[moments * 2 + 1] = largest + 0;
  target.sums[moments * 3] = target.sums[moments * 3]! + finite;
  target.sums[moments * 3 + 1] = target.sums[moments * 3 + 1]! + sum;
  target.sums[moments * 3 + 2] = target.sums[moments * 3 + 2]! + squares;
  target.counts[violations + 1] = target.counts[violations + 1]! + below;
  target.counts[violations + 2] = target.counts[violations + 2]! + above;
}
