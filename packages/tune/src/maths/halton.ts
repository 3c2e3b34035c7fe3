const primes: number[] = [2];

function primeAt(i: number): number {
  for (let n = primes.at(-1)! + 1; primes.length <= i; n++) if (primes.every(p => n % p !== 0)) primes.push(n);
  return primes[i]!;
}

/** A permutation of the digits 0..base-1: multiply and shift modulo the prime base. */
function digitMap(base: number, position: number, seed: number): (digit: number) => number {
  let h = Math.imul(seed ^ Math.imul(base, 0x9e3779b1) ^ Math.imul(position + 1, 0x85ebca6b), 0xc2b2ae35) >>> 0;
  h = (h ^ (h >>> 15)) >>> 0;
  const factor = 1 + (h % (base - 1 || 1));
  const shift = (h >>> 8) % base;
  return digit => (digit * factor + shift) % base;
}

/**
 * Point `index` (from 0) of the Halton sequence: radical inverses of index + 1 in the first prime bases. With a seed
 * the digits are permuted by a random linear map for every base and position, which breaks the stripes between large
 * bases.
 *
 * J. H. Halton, Numerische Mathematik 2 (1960).
 */
export function haltonPoint(index: number, dimensions: number, scrambleSeed?: number): Float64Array {
  const out = new Float64Array(dimensions);
  for (let d = 0; d < dimensions; d++) {
    const base = primeAt(d);
    let rest = index + 1;
    let weight = 1 / base;
    // With permuted digits the leading zeros matter too; 2^-53 is where they stop mattering.
    for (let position = 0; scrambleSeed === undefined ? rest > 0 : weight > 1e-16; position++) {
      const digit = rest % base;
      out[d]! += weight * (scrambleSeed === undefined ? digit : digitMap(base, position, scrambleSeed)(digit));
      rest = Math.floor(rest / base);
      weight /= base;
    }
    out[d] = Math.min(out[d]!, 1 - 2 ** -53);
  }
  return out;
}
