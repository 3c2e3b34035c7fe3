import type { PlannedColumn, ProfilePlan } from './profile-plan.ts';
import { ByteReader, ByteWriter } from './varint.ts';

/** Names of unseen categories that a profile keeps per column; their total is always exact. */
const unseenNames = 64;
const longestName = 200;

/**
 * Mergeable summary of rows: everything in it is a whole number that adds up, or an extreme, so merging is exact,
 * associative and commutative (names of unseen categories beyond the kept ones excepted).
 */
export class Profile {
  readonly plan: ProfilePlan;
  rows = 0;
  readonly counts: Float64Array;
  /** Per numeric column: number of finite values, and their sum and sum of squares about the centre in fixed point. */
  readonly sums: Float64Array;
  /** Per numeric column: smallest and largest finite value. */
  readonly extremes: Float64Array;
  readonly unseen: readonly Map<string, number>[];

  constructor(plan: ProfilePlan) {
    this.plan = plan;
    this.counts = new Float64Array(plan.countLength);
    this.sums = new Float64Array(plan.numericColumns * 3);
    this.extremes = new Float64Array(plan.numericColumns * 2);
    for (let i = 0; i < this.extremes.length; i += 2) {
      this.extremes[i] = Number.POSITIVE_INFINITY;
      this.extremes[i + 1] = Number.NEGATIVE_INFINITY;
    }
    this.unseen = Array.from({ length: plan.categoricalColumns }, () => new Map<string, number>());
  }

  /** Adds another profile of the same plan. */
  merge(other: Profile): this {
    this.rows += other.rows;
    for (let i = 0; i < this.counts.length; i++) this.counts[i] = this.counts[i]! + other.counts[i]!;
    for (let i = 0; i < this.sums.length; i++) this.sums[i] = this.sums[i]! + other.sums[i]!;
    for (let i = 0; i < this.extremes.length; i += 2) {
      this.extremes[i] = Math.min(this.extremes[i]!, other.extremes[i]!);
      this.extremes[i + 1] = Math.max(this.extremes[i + 1]!, other.extremes[i + 1]!);
    }
    for (const [index, names] of other.unseen.entries())
      for (const [name, count] of names) countName(this.unseen[index]!, name, count);
    return this;
  }

  /** Cells of a column, missing last; borrowed. */
  cells(column: PlannedColumn): Float64Array {
    return this.counts.subarray(column.offset, column.offset + column.cells);
  }

  encode(): Uint8Array {
    const writer = new ByteWriter(512 + this.sums.length * 16);
    writer.uint(1);
    writer.uint(this.rows);
    writer.counts(this.counts);
    for (const value of this.sums) writer.double(value);
    for (const value of this.extremes) writer.double(value);
    for (const names of this.unseen) {
      writer.uint(names.size);
      for (const [name, count] of names) {
        writer.text(name);
        writer.uint(count);
      }
    }
    return writer.finish();
  }

  /** @throws RangeError when the bytes were not written for this plan */
  static decode(plan: ProfilePlan, bytes: Uint8Array): Profile {
    const reader = new ByteReader(bytes);
    const format = reader.uint();
    if (format !== 1) throw new RangeError(`A profile of format ${format} cannot be read.`);
    const profile = new Profile(plan);
    profile.rows = reader.uint();
    reader.counts(profile.counts);
    for (let i = 0; i < profile.sums.length; i++) profile.sums[i] = reader.double();
    for (let i = 0; i < profile.extremes.length; i++) profile.extremes[i] = reader.double();
    for (const names of profile.unseen) {
      const size = reader.uint();
      for (let i = 0; i < size; i++) {
        const name = reader.text();
        names.set(name, reader.uint());
      }
    }
    return profile;
  }
}

export function countName(names: Map<string, number>, name: string, count: number): void {
  const kept = name.length > longestName ? name.slice(0, longestName) : name;
  const before = names.get(kept);
  if (before !== undefined) names.set(kept, before + count);
  else if (names.size < unseenNames) names.set(kept, count);
}

/** Squares are kept in units of 2^20 of the squared unit, so that they stay whole numbers below 2^53. */
export const squareUnit = 2 ** 20;

export interface ColumnMoments {
  readonly mean: number;
  readonly standardDeviation: number;
  readonly minimum: number;
  readonly maximum: number;
}

/** Moments of a numeric column's finite values, to a millionth of its standard deviation; null when there is none. */
export function momentsOf(profile: Profile, column: PlannedColumn): ColumnMoments | null {
  if (column.moments < 0) return null;
  const count = profile.sums[column.moments * 3]!;
  if (count === 0) return null;
  const minimum = profile.extremes[column.moments * 2]!;
  const maximum = profile.extremes[column.moments * 2 + 1]!;
  const sum = profile.sums[column.moments * 3 + 1]!;
  const squares = profile.sums[column.moments * 3 + 2]!;
  const variance = count > 1 ? Math.max(0, (squares * squareUnit - (sum * sum) / count) / (count - 1)) : 0;
  return {
    mean: Math.min(maximum, Math.max(minimum, column.centre + (sum / count) * column.unit)),
    standardDeviation: Math.sqrt(variance) * column.unit,
    minimum,
    maximum,
  };
}
