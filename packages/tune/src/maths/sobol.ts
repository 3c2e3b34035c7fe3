import { sobolDirections } from './sobol-directions.ts';

function directionsOf(dimension: number): Uint32Array {
  const v = new Uint32Array(32);
  if (dimension === 0) return v.map((_, k) => (1 << (31 - k)) >>> 0);
  const [polynomial = 1, ...initial] = sobolDirections[(dimension - 1) % sobolDirections.length]!;
  const degree = initial.length;
  for (let k = 0; k < 32; k++) {
    if (k < degree) {
      v[k] = (initial[k]! << (31 - k)) >>> 0;
      continue;
    }
    let value = v[k - degree]! ^ (v[k - degree]! >>> degree);
    for (let j = 1; j < degree; j++) if ((polynomial >>> (degree - j)) & 1) value ^= v[k - j]!;
    v[k] = value >>> 0;
  }
  return v;
}

function reverseBits(x: number): number {
  let r = x;
  r = ((r >>> 1) & 0x55555555) | ((r & 0x55555555) << 1);
  r = ((r >>> 2) & 0x33333333) | ((r & 0x33333333) << 2);
  r = ((r >>> 4) & 0x0f0f0f0f) | ((r & 0x0f0f0f0f) << 4);
  r = ((r >>> 8) & 0x00ff00ff) | ((r & 0x00ff00ff) << 8);
  return ((r >>> 16) | (r << 16)) >>> 0;
}

/** Nested uniform (Owen) scrambling by a hash. B. Burley, Practical hash-based Owen scrambling, JCGT 9 (2020). */
function scramble(x: number, seed: number): number {
  let r = (reverseBits(x) + seed) | 0;
  r ^= Math.imul(r, 0x6c50b47c);
  r ^= Math.imul(r, 0xb82f1e52);
  r ^= Math.imul(r, 0xc7afe638);
  r ^= Math.imul(r, 0x8d22f6e6);
  return reverseBits(r);
}

function mixSeed(seed: number, dimension: number): number {
  let h = Math.imul(seed ^ Math.imul(dimension + 1, 0x9e3779b1), 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

const tables = new Map<number, Uint32Array>();

/**
 * Point `index` (from 0, Gray-code order) of the Sobol sequence in [0, 1)^dimensions. With a scramble seed the points
 * are Owen-scrambled: still evenly spread, but different for every seed and never exactly on the corner. Direction
 * numbers exist for 100 dimensions; beyond, they repeat under another scrambling.
 *
 * I. M. Sobol 1967; direction numbers of Joe & Kuo 2008.
 */
export function sobolPoint(index: number, dimensions: number, scrambleSeed?: number): Float64Array {
  const gray = (index ^ (index >>> 1)) >>> 0;
  const out = new Float64Array(dimensions);
  for (let d = 0; d < dimensions; d++) {
    let v = tables.get(d);
    if (!v) {
      v = directionsOf(d);
      tables.set(d, v);
    }
    let x = 0;
    for (let k = 0, g = gray; g > 0; g >>>= 1, k++) if (g & 1) x ^= v[k]!;
    x >>>= 0;
    // The half unit keeps scrambled points inside the open interval.
    out[d] = scrambleSeed === undefined ? x / 2 ** 32 : (scramble(x, mixSeed(scrambleSeed, d)) + 0.5) / 2 ** 32;
  }
  return out;
}
