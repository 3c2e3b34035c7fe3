import { TuneFault } from '../fault.ts';

/** A square matrix in row-major order. */
export type Matrix = Float64Array;

/**
 * Lower Cholesky factor of a symmetric positive definite matrix (only its lower half is read). Jitter grows from 1e-10
 * of the mean diagonal by factors of 100 until the factorisation works.
 *
 * @throws TuneFault 'not_positive_definite'
 */
export function cholesky(a: Matrix, n: number): Matrix {
  let mean = 0;
  for (let i = 0; i < n; i++) mean += a[i * n + i]! / n;
  for (let jitter = 0; jitter <= 1e-2 * mean; jitter = jitter === 0 ? 1e-10 * mean : jitter * 100) {
    const l = factor(a, n, jitter);
    if (l) return l;
  }
  throw new TuneFault('not_positive_definite');
}

function factor(a: Matrix, n: number, jitter: number): Matrix | undefined {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const ri = i * n;
    for (let j = 0; j <= i; j++) {
      const rj = j * n;
      const sum = a[ri + j]! - dot(l, ri, l, rj, j);
      if (j < i) l[ri + j] = sum / l[rj + j]!;
      else if (sum + jitter > 1e-300) l[ri + i] = Math.sqrt(sum + jitter);
      else return undefined;
    }
  }
  return l;
}

/** Inner product of two stretches. Four sums, since a processor waits for one addition before the next to the same sum. */
function dot(a: Float64Array, atA: number, b: Float64Array, atB: number, length: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 3 < length; k += 4) {
    s0 += a[atA + k]! * b[atB + k]!;
    s1 += a[atA + k + 1]! * b[atB + k + 1]!;
    s2 += a[atA + k + 2]! * b[atB + k + 2]!;
    s3 += a[atA + k + 3]! * b[atB + k + 3]!;
  }
  for (; k < length; k++) s0 += a[atA + k]! * b[atB + k]!;
  return s0 + s1 + (s2 + s3);
}

/** Solves L x = b in place. */
export function solveLower(l: Matrix, n: number, b: Float64Array): Float64Array {
  for (let i = 0; i < n; i++) {
    const row = i * n;
    b[i] = (b[i]! - dot(l, row, b, 0, i)) / l[row + i]!;
  }
  return b;
}

/** Solves L^T x = b in place. */
export function solveUpper(l: Matrix, n: number, b: Float64Array): Float64Array {
  for (let i = n - 1; i >= 0; i--) {
    const x = b[i]! / l[i * n + i]!;
    b[i] = x;
    const row = i * n;
    for (let k = 0; k < i; k++) b[k]! -= l[row + k]! * x;
  }
  return b;
}

/** (L L^T)^-1, both halves filled. */
export function inverseFromFactor(l: Matrix, n: number): Matrix {
  // Rows of inv hold columns of L^-1, so that every inner loop walks memory in order.
  const inv = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const rj = j * n;
    inv[rj + j] = 1 / l[rj + j]!;
    for (let i = j + 1; i < n; i++) {
      const ri = i * n;
      inv[rj + i] = -dot(l, ri + j, inv, rj + j, i - j) / l[ri + i]!;
    }
  }
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      const sum = dot(inv, i * n + i, inv, j * n + i, n - i);
      out[i * n + j] = sum;
      out[j * n + i] = sum;
    }
  return out;
}
