/** Anything that holds numbers by position: typed arrays and plain arrays. */
export type Numbers = ArrayLike<number>;

/** How values other than finite ones were met while copying. */
export interface SortedValues {
  /** Ascending, without NaN; may begin with -Infinity and end with Infinity. */
  readonly sorted: Float64Array;
  /** How many NaN were left out. */
  readonly missing: number;
}

/** Below this many rows the engine's own sort is faster than counting passes. */
const radixRows = 2048;
const radixSize = 1 << 11;
/** An insertion that would travel farther than this hands the array to the engine's sort. */
const longestInsertion = 64;

/** Copies the values that are not NaN, ascending. */
export function sortValues(values: Numbers): SortedValues {
  const copy = new Float64Array(values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    // Adding 0 turns -0 into 0, so that both compare equal in bit order too.
    if (!Number.isNaN(value)) copy[count++] = value + 0;
  }
  const present = copy.subarray(0, count);
  return { sorted: count < radixRows ? present.sort() : radixSort(present), missing: values.length - count };
}

/**
 * Three counting passes over the upper 32 bits of each double, then the few values that agree in all of them are put
 * in order by insertion. Long runs of equal upper bits (time stamps) go to the engine's sort instead.
 */
function radixSort(values: Float64Array): Float64Array {
  const n = values.length;
  const first = new Uint32Array(radixSize);
  const second = new Uint32Array(radixSize);
  const third = new Uint32Array(radixSize);
  const words = new Int32Array(values.buffer, values.byteOffset, 2 * n);
  for (let i = 0; i < n; i++) {
    const key = orderOf(words[2 * i + 1]!);
    const a = key & 0x7ff;
    const b = (key >>> 11) & 0x7ff;
    const c = key >>> 22;
    first[a] = first[a]! + 1;
    second[b] = second[b]! + 1;
    third[c] = third[c]! + 1;
  }
  let from: Float64Array = values;
  let to: Float64Array = new Float64Array(n);
  const passes: readonly (readonly [Uint32Array, number])[] = [
    [first, 0],
    [second, 11],
    [third, 22],
  ];
  for (const [counts, shift] of passes) {
    if (counts.includes(n)) continue;
    toOffsets(counts);
    distribute(from, to, counts, shift);
    [from, to] = [to, from];
  }
  orderEqualKeys(from);
  return from;
}

/** Unsigned order of the result = order of the doubles: negatives are inverted, positives get the top bit. */
function orderOf(highWord: number): number {
  return highWord ^ ((highWord >> 31) | 0x80000000);
}

function toOffsets(counts: Uint32Array): void {
  let start = 0;
  for (let i = 0; i < counts.length; i++) {
    const size = counts[i]!;
    counts[i] = start;
    start += size;
  }
}

function distribute(from: Float64Array, to: Float64Array, offsets: Uint32Array, shift: number): void {
  const words = new Int32Array(from.buffer, from.byteOffset, 2 * from.length);
  for (let i = 0; i < from.length; i++) {
    const digit = (orderOf(words[2 * i + 1]!) >>> shift) & 0x7ff;
    const at = offsets[digit]!;
    offsets[digit] = at + 1;
    to[at] = from[i]!;
  }
}

function orderEqualKeys(values: Float64Array): void {
  const n = values.length;
  for (let i = 1; i < n; i++) {
    const value = values[i]!;
    if (values[i - 1]! <= value) continue;
    // Invariant: values before i are ascending, so a shift can only stay inside the run of equal upper words.
    let j = i - 1;
    const farthest = Math.max(-1, i - longestInsertion);
    while (j > farthest && values[j]! > value) {
      values[j + 1] = values[j]!;
      j--;
    }
    values[j + 1] = value;
    if (j === farthest && j >= 0 && values[j]! > value) {
      values.sort();
      return;
    }
  }
}
