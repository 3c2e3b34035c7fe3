import type { Rng } from '../rng.ts';

/** A sketch as plain data, to be stored or sent. */
export interface KllSnapshot {
  readonly k: number;
  readonly count: number;
  readonly min: number;
  readonly max: number;
  /** Level i holds values that stand for 2^i rows each. */
  readonly levels: readonly (readonly number[])[];
}

export interface KllOptions {
  readonly rng: Rng;
  /** Accuracy: rank error about 2.3 / k^0.9 at 99 % confidence. In [8, 65535]. @default 1024, an error of 0.0044 */
  readonly k?: number;
}

/** Distinct values kept, each with the rows it stands for. */
export interface WeightedValues {
  /** Ascending. */
  readonly values: Float64Array;
  readonly weights: Float64Array;
}

/**
 * KLL quantile sketch (Karnin, Lang and Liberty 2016): a few thousand numbers that stand for any stream, mergeable in any
 * order. Ranks are right within {@link rankError} with 99 % probability. NaN is ignored; infinities are values.
 */
export class KllSketch {
  readonly #rng: Rng;
  readonly #k: number;
  #levels: number[][] = [[]];
  #count = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #kept = 0;
  #capacity: number;

  constructor(options: KllOptions) {
    this.#rng = options.rng;
    this.#k = options.k ?? 1024;
    if (!Number.isInteger(this.#k) || this.#k < 8 || this.#k > 65535) {
      throw new RangeError(`k must be a whole number in [8, 65535], not ${this.#k}.`);
    }
    this.#capacity = this.#totalCapacity();
  }

  /** Restores a sketch from its snapshot. @throws RangeError when its weights do not add up to its count. */
  static from(snapshot: KllSnapshot, rng: Rng): KllSketch {
    const sketch = new KllSketch({ rng, k: snapshot.k });
    sketch.#levels = snapshot.levels.length === 0 ? [[]] : snapshot.levels.map(level => [...level]);
    const weight = sketch.#levels.reduce((sum, level, i) => sum + level.length * 2 ** i, 0);
    if (weight !== snapshot.count)
      throw new RangeError(`The sketch's values stand for ${weight} rows, not ${snapshot.count}.`);
    sketch.#count = snapshot.count;
    sketch.#min = snapshot.min;
    sketch.#max = snapshot.max;
    sketch.#recount();
    return sketch;
  }

  /** Rows seen. */
  get count(): number {
    return this.#count;
  }

  /** Smallest and largest value seen; Infinity and -Infinity before the first. */
  get min(): number {
    return this.#min;
  }

  get max(): number {
    return this.#max;
  }

  /** Numbers kept in memory. */
  get size(): number {
    return this.#kept;
  }

  /** Largest error of a rank, as a share of the rows, with 99 % probability (constants as fitted by Apache DataSketches). */
  get rankError(): number {
    return 2.296 / this.#k ** 0.9021;
  }

  /** Adds one value. */
  update(value: number): this {
    if (Number.isNaN(value)) return this;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    this.#count++;
    this.#levels[0]!.push(value);
    this.#kept++;
    if (this.#kept > this.#capacity) this.#compress();
    return this;
  }

  /** Adds all that another sketch has seen; the other one stays as it is. @throws RangeError when k differs. */
  merge(other: KllSketch): this {
    if (other.#k !== this.#k) throw new RangeError(`Sketches of k ${this.#k} and ${other.#k} cannot be merged.`);
    for (const [i, level] of other.#levels.entries()) {
      const mine = this.#levels[i];
      if (mine) this.#levels[i] = mine.concat(level);
      else this.#levels.push([...level]);
    }
    this.#count += other.#count;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
    this.#recount();
    while (this.#kept > this.#capacity) this.#compress();
    return this;
  }

  /** Share of rows <= x; 0 when empty. */
  rank(x: number): number {
    let below = 0;
    for (const [i, level] of this.#levels.entries()) for (const value of level) if (value <= x) below += 2 ** i;
    return this.#count === 0 ? 0 : below / this.#count;
  }

  /** A value whose rank is about q, 0 <= q <= 1; NaN when empty. The ends are exact. */
  quantile(q: number): number {
    if (this.#count === 0) return Number.NaN;
    if (q <= 0) return this.#min;
    if (q >= 1) return this.#max;
    const { values, weights } = this.weighted();
    let below = 0;
    for (let i = 0; i < values.length; i++) {
      below += weights[i]!;
      if (below >= q * this.#count) return values[i]!;
    }
    return this.#max;
  }

  /** The kept values, ascending, with the rows that each stands for. */
  weighted(): WeightedValues {
    const pairs: (readonly [number, number])[] = [];
    for (const [i, level] of this.#levels.entries()) for (const value of level) pairs.push([value, 2 ** i]);
    pairs.sort(([a], [b]) => a - b);
    return {
      values: Float64Array.from(pairs, ([value]) => value),
      weights: Float64Array.from(pairs, ([, weight]) => weight),
    };
  }

  /** The sketch as plain data. */
  snapshot(): KllSnapshot {
    return {
      k: this.#k,
      count: this.#count,
      min: this.#min,
      max: this.#max,
      levels: this.#levels.map(level => [...level]),
    };
  }

  /** Room of a level: the top has k, each level below two thirds of the one above. */
  #room(level: number): number {
    return Math.max(2, Math.ceil(this.#k * (2 / 3) ** (this.#levels.length - 1 - level)));
  }

  #totalCapacity(): number {
    return this.#levels.reduce((sum, _, level) => sum + this.#room(level), 0);
  }

  #recount(): void {
    this.#kept = this.#levels.reduce((sum, level) => sum + level.length, 0);
    this.#capacity = this.#totalCapacity();
  }

  /** Halves the lowest full level: every second value of its order, from a random start, moves up with twice the weight. */
  #compress(): void {
    const full = this.#levels.findIndex((level, i) => level.length >= this.#room(i) && level.length >= 2);
    const level = this.#levels[full];
    if (!level) return;
    if (full + 1 === this.#levels.length) this.#levels.push([]);
    level.sort((a, b) => a - b);
    // An odd value out stays; taking it from a random end keeps the sketch unbiased.
    const stays = level.length % 2 === 1 ? [this.#rng.bernoulli(0.5) ? level.pop()! : level.shift()!] : [];
    const above = this.#levels[full + 1]!;
    for (let i = this.#rng.bernoulli(0.5) ? 1 : 0; i < level.length; i += 2) above.push(level[i]!);
    this.#levels[full] = stays;
    this.#recount();
  }
}

/** Largest gap between the distribution functions of two sketches; within the sum of their rank errors of the exact KS statistic. */
export function ksOfSketches(a: KllSketch, b: KllSketch): number {
  if (a.count === 0 || b.count === 0) return 0;
  const left = a.weighted();
  const right = b.weighted();
  let i = 0;
  let j = 0;
  let p = 0;
  let q = 0;
  let largest = 0;
  while (i < left.values.length && j < right.values.length) {
    const value = Math.min(left.values[i]!, right.values[j]!);
    for (; i < left.values.length && left.values[i] === value; i++) p += left.weights[i]!;
    for (; j < right.values.length && right.values[j] === value; j++) q += right.weights[j]!;
    largest = Math.max(largest, Math.abs(p / a.count - q / b.count));
  }
  return largest;
}
