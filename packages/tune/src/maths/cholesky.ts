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
      let sum = a[ri + j]!;
      for (let k = 0; k < j; k++) sum -= l[ri + k]! * l[rj + k]!;
      if (j < i) l[ri + j] = sum / l[rj + j]!;
      else if (sum + jitter > 1e-300) l[ri + i] = Math.sqrt(sum + jitter);
      else return undefined;
    }
  }
  return l;
}

/** Solves L x = b in place. */
export function solveLower(l: Matrix, n: number, b: Float64Array): Float64Array {
  for (let i = 0; i < n; i++) {
    let sum = b[i]!;
    const row = i * n;
    for (let k = 0; k < i; k++) sum -= l[row + k]! * b[k]!;
    b[i] = sum / l[row + i]!;
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
      let sum = 0;
      for (let k = j; k < i; k++) sum -= l[ri + k]! * inv[rj + k]!;
      inv[rj + i] = sum / l[ri + i]!;
    }
  }
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = i; k < n; k++) sum += inv[i * n + k]! * inv[j * n + k]!;
      out[i * n + j] = sum;
      out[j * n + i] = sum;
    }
  return out;
}
