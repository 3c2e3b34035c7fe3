/** A seeded stream of pseudo-random numbers. The same seed gives the same stream on every machine. */
export interface Rng {
  /** Uniform in [0, 1) with 53 random bits. */
  next(): number;
  /** Uniform integer in [0, n). @throws RangeError unless n is an integer in [1, 2^32]. */
  int(n: number): number;
  /** Uniform in [low, high). */
  uniform(low: number, high: number): number;
  /** Standard normal. */
  normal(): number;
  /** Exponential with mean 1. */
  exponential(): number;
  /** Gamma with the given shape and scale 1. @throws RangeError unless shape > 0. */
  gamma(shape: number): number;
  /** Poisson with the given mean. @throws RangeError unless mean is finite and >= 0. */
  poisson(mean: number): number;
  /** True with probability p. */
  bernoulli(p: number): boolean;
  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<A extends { readonly length: number; [index: number]: unknown }>(items: A): A;
  /** One element, uniformly. @throws RangeError when empty. */
  pick<T>(items: ArrayLike<T>): T;
  /** `count` different integers of [0, n), in random order. @throws RangeError when count > n. */
  sample(n: number, count: number): Int32Array;
  /** An independent stream whose seed is drawn from this one. */
  fork(): Rng;
}

/**
 * Creates a generator: sfc32 (C. Doty-Humphrey, PractRand; period at least 2^32, about 2^127 on average)
 * whose state is filled from the seed by splitmix32.
 *
 * @param seed any finite number; its integer part modulo 2^53 counts.
 */
export function createRng(seed: number): Rng {
  if (!Number.isFinite(seed)) throw new RangeError(`The seed must be a finite number, not ${seed}.`);
  return new Sfc32(seed);
}

class Sfc32 implements Rng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  #spareNormal = Number.NaN;

  constructor(seed: number) {
    const whole = Math.trunc(seed);
    const low = whole | 0;
    const high = Math.floor(whole / 4294967296) | 0;
    const mix = splitmix32(low ^ Math.imul(high, 0x9e3779b1));
    this.#a = mix();
    this.#b = mix() ^ high;
    this.#c = mix();
    // The first outputs of neighbouring seeds are correlated; twelve rounds are the author's advice.
    for (let i = 0; i < 12; i++) this.#bits();
  }

  #bits(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  next(): number {
    const high = this.#bits() >>> 5;
    const low = this.#bits() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 4294967296) throw new RangeError(`int(n) needs 1 <= n <= 2^32, not ${n}.`);
    // Values above the largest multiple of n would make small results likelier; they are drawn again.
    const limit = 4294967296 - (4294967296 % n);
    let bits = this.#bits();
    while (bits >= limit) bits = this.#bits();
    return bits % n;
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  normal(): number {
    if (!Number.isNaN(this.#spareNormal)) {
      const spare = this.#spareNormal;
      this.#spareNormal = Number.NaN;
      return spare;
    }
    for (;;) {
      const u = 2 * this.next() - 1;
      const v = 2 * this.next() - 1;
      const s = u * u + v * v;
      if (s >= 1 || s === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(s)) / s);
      this.#spareNormal = v * factor;
      return u * factor;
    }
  }

  exponential(): number {
    return -Math.log(1 - this.next());
  }

  gamma(shape: number): number {
    if (!(shape > 0) || !Number.isFinite(shape)) throw new RangeError(`gamma(shape) needs shape > 0, not ${shape}.`);
    // Marsaglia and Tsang 2000; shapes below 1 are lifted by one and scaled back.
    if (shape < 1) return this.gamma(shape + 1) * (1 - this.next()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v <= 0) continue;
      const u = 1 - this.next();
      if (Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  poisson(mean: number): number {
    if (!(mean >= 0) || !Number.isFinite(mean)) throw new RangeError(`poisson(mean) needs mean >= 0, not ${mean}.`);
    let rest = mean;
    let count = 0;
    // Ahrens and Dieter 1974: the k-th arrival time is gamma(k); halving by arrivals keeps large means fast and exact.
    while (rest > 40) {
      const k = Math.floor(rest * 0.875);
      const arrival = this.gamma(k);
      if (arrival > rest) return count + this.#binomial(k - 1, rest / arrival);
      count += k;
      rest -= arrival;
    }
    const limit = Math.exp(-rest);
    for (let product = this.next(); product > limit; product *= this.next()) count++;
    return count;
  }

  #binomial(trials: number, p: number): number {
    let successes = 0;
    for (let i = 0; i < trials; i++) if (this.next() < p) successes++;
    return successes;
  }

  bernoulli(p: number): boolean {
    return this.next() < p;
  }

  shuffle<A extends { readonly length: number; [index: number]: unknown }>(items: A): A {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const swap = items[i];
      items[i] = items[j];
      items[j] = swap;
    }
    return items;
  }

  pick<T>(items: ArrayLike<T>): T {
    if (items.length === 0) throw new RangeError('pick() needs at least one item.');
    return items[this.int(items.length)]!;
  }

  sample(n: number, count: number): Int32Array {
    if (count > n || count < 0) throw new RangeError(`sample() cannot take ${count} of ${n}.`);
    const chosen = new Int32Array(count);
    if (count * 4 > n) {
      const all = Int32Array.from({ length: n }, (_, i) => i);
      for (let i = 0; i < count; i++) {
        const j = i + this.int(n - i);
        chosen[i] = all[j]!;
        all[j] = all[i]!;
      }
      return chosen;
    }
    const seen = new Set<number>();
    while (seen.size < count) {
      const candidate = this.int(n);
      if (seen.has(candidate)) continue;
      chosen[seen.size] = candidate;
      seen.add(candidate);
    }
    return chosen;
  }

  fork(): Rng {
    return new Sfc32(this.#bits() * 2097152 + (this.#bits() >>> 11));
  }
}

function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
}
