import { fault } from '@holdfast/api';
import type { BaselineTable } from './baseline-table.ts';

/** Which block a row belongs to: neighbours in time, or in the file, that are drawn together. */
export interface BlockPlan {
  /** Length of a block; null when blocks are so many rows. */
  readonly blockMs: number | null;
  blockOf(row: number, timeMs: number | undefined): number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Fewer blocks than this say little about how they differ, so a finer step is taken. */
const enoughBlocks = 8;
/** Blocks made of rows, when there is no time. */
const rowBlocks = 50;
/** More blocks than this are merged, since the profile keeps counts for each. */
const mostBlocks = 1000;

function stepFor(spanMs: number): number {
  const finest =
    [dayMs, hourMs, hourMs / 60].find(step => spanMs / step >= enoughBlocks) ?? Math.max(1, spanMs / enoughBlocks);
  return Math.max(finest, Math.ceil(spanMs / mostBlocks / finest) * finest);
}

/** @throws Fault `baseline_rejected` when the time column holds no time */
export async function planBlocks(table: BaselineTable, timeMs: string | undefined): Promise<BlockPlan> {
  if (timeMs === undefined) {
    const rowsPerBlock = Math.ceil(table.rows / rowBlocks);
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
