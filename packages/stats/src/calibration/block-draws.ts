import type { Rng } from '../rng.ts';

/** How the blocks of a pseudo-window lie: 'consecutive' keeps correlation longer than a block; 'scattered' ignores it. */
export type Arrangement = 'consecutive' | 'scattered';

/** Blocks, the groups they belong to, and what one draw needs of them. */
export interface BlockPlan {
  /** Blocks of each group, groups in time order. */
  readonly groups: readonly Int32Array[];
  /** Rows of each block. */
  readonly blockRows: Float64Array;
  readonly groupRows: Float64Array;
  readonly totalRows: number;
}

/** One pseudo-window: its blocks, and the groups that the pseudo-reference must therefore leave out. */
export interface BlockDraw {
  readonly blocks: readonly number[];
  readonly groups: readonly number[];
  readonly rows: number;
}

/** Groups blocks by their group id, in order of first appearance. Without ids every block is its own group. */
export function planBlocks(blockRows: Float64Array, groupIds?: ArrayLike<number>): BlockPlan {
  const members = new Map<number, number[]>();
  for (let block = 0; block < blockRows.length; block++) {
    const id = groupIds ? groupIds[block]! : block;
    const group = members.get(id);
    if (group) group.push(block);
    else members.set(id, [block]);
  }
  const groups = [...members.values()].map(blocks => Int32Array.from(blocks));
  const groupRows = Float64Array.from(groups, blocks => blocks.reduce((sum, block) => sum + blockRows[block]!, 0));
  return { groups, blockRows, groupRows, totalRows: groupRows.reduce((sum, rows) => sum + rows, 0) };
}

/**
 * Draws a pseudo-window of about `rows` rows from whole blocks, at most half of the groups' rows, so that a reference
 * without its groups remains.
 */
export function drawWindow(plan: BlockPlan, rows: number, arrangement: Arrangement, rng: Rng): BlockDraw {
  const groupCount = plan.groups.length;
  const wanted = Math.min(rows, plan.totalRows / 2);
  const mostGroups = Math.max(1, Math.floor(groupCount / 2));
  const order =
    arrangement === 'scattered'
      ? rng.sample(groupCount, mostGroups)
      : consecutive(rng.int(groupCount), mostGroups, groupCount);
  const blocks: number[] = [];
  const groups: number[] = [];
  let taken = 0;
  for (const group of order) {
    const members = plan.groups[group]!;
    const shuffled = members.length > 1 ? rng.shuffle(members.slice()) : members;
    let used = false;
    for (const block of shuffled) {
      const size = plan.blockRows[block]!;
      // Stop where the window is nearer to the wanted size without this block than with it.
      if (taken > 0 && taken + size - wanted > wanted - taken) break;
      blocks.push(block);
      taken += size;
      used = true;
    }
    if (used) groups.push(group);
    if (!used || taken >= wanted) break;
  }
  return { blocks, groups, rows: taken };
}

function consecutive(start: number, count: number, total: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (start + i) % total);
}
