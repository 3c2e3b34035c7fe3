/** Pooled order of two ascending samples: one entry per distinct value. */
export interface TieGroup {
  /** How many of the first and of the second sample have this value. */
  readonly inA: number;
  readonly inB: number;
  /** How many pooled values are smaller. */
  readonly before: number;
}

/** Walks two ascending samples together, one tie group at a time. */
export function forEachTieGroup(a: Float64Array, b: Float64Array, visit: (group: TieGroup) => void): void {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const value = j >= b.length || (i < a.length && a[i]! <= b[j]!) ? a[i]! : b[j]!;
    const iStart = i;
    const jStart = j;
    while (i < a.length && a[i] === value) i++;
    while (j < b.length && b[j] === value) j++;
    visit({ inA: i - iStart, inB: j - jStart, before: iStart + jStart });
  }
}
