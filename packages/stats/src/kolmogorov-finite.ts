import { kolmogorovSf, logChoose } from './special.ts';

/** Above this many observations the one-sided tail uses its asymptotic form; the sum below costs one term per row. */
const exactTailRows = 20_000;

/**
 * Tail P(D >= d) of the one-sample Kolmogorov statistic of n observations. Follows the choice of method of Simard and
 * L'Ecuyer 2011: exact matrix power for few rows, the Pelz-Good expansion for many, twice the one-sided tail far out.
 */
export function kolmogorovFiniteSf(n: number, d: number): number {
  if (d >= 1) return 0;
  const nd = n * d;
  if (nd <= 0.5) return 1;
  if (nd >= n - 1) return clip(2 * (1 - d) ** n);
  const nd2 = nd * d;
  if (nd2 >= 370) return 0;
  if (d >= 0.5 || nd2 >= (n <= 140 ? 4 : 2.2)) return clip(2 * smirnovSf(n, d));
  if (n <= 140 || (n <= 100_000 && n * d ** 1.5 <= 1.4)) return clip(1 - matrixCdf(n, d));
  return clip(1 - pelzGoodCdf(n, d));
}

/** One-sided tail P(D+ >= d) of n observations (Smirnov's sum; its asymptotic form for more than 20,000 rows). */
export function smirnovSf(n: number, d: number): number {
  if (d <= 0) return 1;
  if (d >= 1) return 0;
  if (n > exactTailRows) {
    const z = 6 * n * d + 1;
    return Math.exp(-(z * z) / (18 * n));
  }
  let sum = 0;
  for (let v = Math.floor(n * (1 - d)); v >= 0; v--) {
    const rest = 1 - d - v / n;
    if (rest <= 0) continue;
    sum += Math.exp(logChoose(n, v) + (v - 1) * Math.log(d + v / n) + (n - v) * Math.log(rest));
  }
  return clip(d * sum);
}

/** Marsaglia, Tsang and Wang 2003: exact P(D < d) as an entry of a matrix power. */
function matrixCdf(n: number, d: number): number {
  const k = Math.floor(n * d) + 1;
  const size = 2 * k - 1;
  const h = k - n * d;
  const base = new Float64Array(size * size);
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) base[i * size + j] = i - j + 1 < 0 ? 0 : 1;
  for (let i = 0; i < size; i++) {
    base[i * size] = base[i * size]! - h ** (i + 1);
    base[(size - 1) * size + i] = base[(size - 1) * size + i]! - h ** (size - i);
  }
  const corner = (size - 1) * size;
  base[corner] = base[corner]! + (2 * h - 1 > 0 ? (2 * h - 1) ** size : 0);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      for (let g = 1; g <= i - j + 1; g++) base[i * size + j] = base[i * size + j]! / g;
    }
  }
  const { matrix, exponent } = matrixPower(base, size, n);
  let result = matrix[(k - 1) * size + k - 1]!;
  let scale = exponent;
  for (let i = 1; i <= n; i++) {
    result *= i / n;
    if (result < 1e-140) {
      result *= 1e140;
      scale -= 140;
    }
  }
  return result * 10 ** scale;
}

interface ScaledMatrix {
  readonly matrix: Float64Array;
  /** The true matrix is `matrix` times ten to this power. */
  readonly exponent: number;
}

function matrixPower(base: Float64Array, size: number, power: number): ScaledMatrix {
  if (power === 1) return { matrix: base, exponent: 0 };
  const half = matrixPower(base, size, power >> 1);
  let matrix = multiply(half.matrix, half.matrix, size);
  let exponent = 2 * half.exponent;
  if (power % 2 === 1) matrix = multiply(base, matrix, size);
  const middle = size >> 1;
  if (matrix[middle * size + middle]! > 1e140) {
    for (let i = 0; i < matrix.length; i++) matrix[i] = matrix[i]! * 1e-140;
    exponent += 140;
  }
  return { matrix, exponent };
}

function multiply(a: Float64Array, b: Float64Array, size: number): Float64Array {
  const product = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < size; k++) {
      const factor = a[i * size + k]!;
      if (factor === 0) continue;
      for (let j = 0; j < size; j++) {
        product[i * size + j] = product[i * size + j]! + factor * b[k * size + j]!;
      }
    }
  }
  return product;
}

/** Pelz and Good 1976: the limit law with its terms in n^-1/2, n^-1 and n^-3/2. */
function pelzGoodCdf(n: number, d: number): number {
  const z = Math.sqrt(n) * d;
  const z2 = z * z;
  const z4 = z2 * z2;
  const z6 = z4 * z2;
  const pi2 = Math.PI * Math.PI;
  let k1 = 0;
  let k2 = 0;
  let k3 = 0;
  for (let k = 0; k <= 20; k++) {
    const a = pi2 * (k + 0.5) ** 2;
    const weight = 2 * Math.exp(-a / (2 * z2));
    if (weight === 0) break;
    k1 += weight * (a - z2);
    k2 += weight * (6 * z6 + 2 * z4 + a * (2 * z4 - 5 * z2) + a * a * (1 - 2 * z2));
    k3 +=
      weight *
      (a * a * a * (5 - 30 * z2) + a * a * (-60 * z2 + 212 * z4) + a * (135 * z4 - 96 * z6) - 30 * z6 - 90 * z4 * z4);
  }
  let k2Whole = 0;
  let k3Whole = 0;
  for (let k = 1; k <= 20; k++) {
    const a = pi2 * k * k;
    const weight = 2 * Math.exp(-a / (2 * z2));
    if (weight === 0) break;
    k2Whole += weight * a;
    k3Whole += weight * (-a * a + 3 * a * z2);
  }
  const root = Math.sqrt(Math.PI / 2);
  const term1 = (root * k1) / (6 * z4);
  const term2 = root * (k2 / (72 * z6 * z) - k2Whole / (36 * z2 * z));
  const term3 = root * (k3 / (6480 * z6 * z4) + k3Whole / (216 * z6));
  return 1 - kolmogorovSf(z) + term1 / Math.sqrt(n) + term2 / n + term3 / (n * Math.sqrt(n));
}

function clip(p: number): number {
  return p < 0 ? 0 : p > 1 ? 1 : p;
}
