import { fault } from '@holdfast/api';
import type { BaselineTable } from './baseline-table.ts';

/** Which block a row belongs to: neighbours in time, or in the file, that are drawn together. */
export interface BlockPlan {
  /** Length of a block; null when blocks are so many rows. */
  readonly blockMs: number | null;
  blockOf(row: number, timeMs: number | undefined): number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** Round lengths, so that a day is a whole number of blocks. */
const stepsMs = [1, 5, 15, 30, 60, 3 * 60, 6 * 60, 12 * 60, 24 * 60, 7 * 24 * 60].map(minutes => minutes * minuteMs);
/** Blocks made of rows, when there is no time; none has fewer rows than this. */
const rowBlocks = 200;
const fewestRowsPerBlock = 25;
/** The profile keeps counts for each block, so there are at most so many: a month of hours. */
const mostBlocks = 750;

/** The finest round step that does not make too many blocks. */
function stepFor(spanMs: number): number {
  return stepsMs.find(step => spanMs / step <= mostBlocks) ?? Math.ceil(spanMs / mostBlocks / dayMs) * dayMs;
}

/** @throws Fault `baseline_rejected` when the time column holds no time */
export async function planBlocks(table: BaselineTable, timeMs: string | undefined): Promise<BlockPlan> {
  if (timeMs === undefined) {
    const rowsPerBlock = Math.max(fewestRowsPerBlock, Math.ceil(table.rows / rowBlocks));
    return { blockMs: null, blockOf: row => Math.floor(row / rowsPerBlock) };
  }
  const span = await table.query(`select min(${timeMs}) as first, max(${timeMs}) as last from baseline`);
  const first = span.get('first')?.[0];
  const last = span.get('last')?.[0];
  if (typeof first !== 'number' || typeof last !== 'number') {
    throw fault(
      'baseline_rejected',
      'its time column holds no times; use timestamps, ISO text, or milliseconds since 1970.',
    );
  }
  const blockMs = stepFor(last - first + 1);
  const origin = Math.floor(first / blockMs);
  return {
    blockMs,
    blockOf: (_, ms) => (ms === undefined || Number.isNaN(ms) ? 0 : Math.floor(ms / blockMs) - origin),
  };
}
