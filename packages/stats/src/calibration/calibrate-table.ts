import type { Table } from '../drift/columns.ts';
import { assignBin, quantileBinEdges } from '../quantile-bins.ts';
import type { Rng } from '../rng.ts';
import { type BlockCounts, type Calibration, type CalibrationOptions, calibrateFromCounts } from './calibrate.ts';

export interface TableCalibrationOptions extends CalibrationOptions {
  /** Block of each row, e.g. the day it was recorded, in time order. Rows are taken as independent when absent. */
  readonly blocks?: ArrayLike<number>;
  /** Quantile bins per numeric column. @default 64 */
  readonly bins?: number;
}

/** Independent rows are put into groups so that a window is made of this many of them. */
const groupsPerWindow = 20;
/** Never more groups than this, to bound memory at groups x cells. */
const mostGroups = 4000;

/**
 * Learns effect thresholds from a baseline table; see {@link calibrateFromCounts}. Blocks longer than a live window are
 * split at random, so that pseudo-windows have the live size while the reference still leaves out the whole block.
 * @throws RangeError for a table without columns or with fewer than four blocks
 */
export function calibrateTable(table: Table, options: TableCalibrationOptions): Calibration {
  const rows = rowsOf(table);
  const parts = options.blocks
    ? splitBlocks(options.blocks, rows, options.windowRows, options.rng)
    : randomGroups(rows, options.windowRows, options.rng);
  const columns = [...table].map(([name, column]): BlockCounts => {
    const counted =
      column.kind === 'numeric'
        ? countNumeric(column.values, parts, options.bins ?? 64)
        : countCodes(column.codes, column.categories.length, parts);
    return { name, kind: column.kind, ...counted };
  });
  return calibrateFromCounts(columns, options, parts.groups);
}

function rowsOf(table: Table): number {
  const first = table.values().next().value;
  if (!first) throw new RangeError('Calibration needs at least one column.');
  const rows = first.kind === 'numeric' ? first.values.length : first.codes.length;
  for (const [name, column] of table) {
    const length = column.kind === 'numeric' ? column.values.length : column.codes.length;
    if (length !== rows) throw new RangeError(`Column "${name}" has ${length} rows, the first column ${rows}.`);
  }
  return rows;
}

interface RowParts {
  /** Part of each row. */
  readonly partOfRow: Int32Array;
  readonly parts: number;
  /** Block of each part; undefined when rows are independent. */
  readonly groups?: Int32Array;
}

function randomGroups(rows: number, windowRows: number, rng: Rng): RowParts {
  const inWindow = Math.min(windowRows, rows / 2);
  const parts = Math.max(4, Math.min(rows, mostGroups, Math.ceil((rows * groupsPerWindow) / Math.max(1, inWindow))));
  const partOfRow = rng.shuffle(Int32Array.from({ length: rows }, (_, row) => row % parts));
  return { partOfRow, parts: Math.min(parts, rows) };
}

function splitBlocks(blocks: ArrayLike<number>, rows: number, windowRows: number, rng: Rng): RowParts {
  if (blocks.length !== rows) throw new RangeError(`${rows} rows need ${rows} block ids, not ${blocks.length}.`);
  const rowsOfBlock = new Map<number, number>();
  for (let row = 0; row < rows; row++) rowsOfBlock.set(blocks[row]!, (rowsOfBlock.get(blocks[row]!) ?? 0) + 1);
  const firstPart = new Map<number, number>();
  const groups: number[] = [];
  for (const id of [...rowsOfBlock.keys()].sort((a, b) => a - b)) {
    firstPart.set(id, groups.length);
    const pieces = Math.max(1, Math.round(rowsOfBlock.get(id)! / windowRows));
    for (let piece = 0; piece < pieces; piece++) groups.push(id);
  }
  const partOfRow = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const id = blocks[row]!;
    const pieces = Math.max(1, Math.round(rowsOfBlock.get(id)! / windowRows));
    partOfRow[row] = firstPart.get(id)! + (pieces > 1 ? rng.int(pieces) : 0);
  }
  return { partOfRow, parts: groups.length, groups: Int32Array.from(groups) };
}

interface CellCounts {
  readonly counts: Float64Array;
  readonly cells: number;
  readonly hiddenShare: number;
}

function countNumeric(values: ArrayLike<number>, { partOfRow, parts }: RowParts, bins: number): CellCounts {
  const edges = quantileBinEdges(values, bins);
  const cells = edges.length + 2;
  const counts = new Float64Array(parts * cells);
  const inside = new Float64Array(edges.length + 1);
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    const bin = assignBin(edges, value);
    if (bin >= 0 && value !== edges[bin]) inside[bin] = inside[bin]! + 1;
    const at = partOfRow[row]! * cells + (bin < 0 ? cells - 1 : bin);
    counts[at] = counts[at]! + 1;
  }
  const hiddenShare = inside.reduce((largest, count) => Math.max(largest, count), 0) / Math.max(1, values.length);
  return { counts, cells, hiddenShare };
}

function countCodes(codes: ArrayLike<number>, categories: number, { partOfRow, parts }: RowParts): CellCounts {
  const cells = Math.max(1, categories) + 1;
  const counts = new Float64Array(parts * cells);
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row]!;
    const at = partOfRow[row]! * cells + (code >= 0 && code < categories ? code : cells - 1);
    counts[at] = counts[at]! + 1;
  }
  return { counts, cells, hiddenShare: 0 };
}
