/**
 * Special functions and the tail probabilities built on them. All are accurate to about 1e-13 relative unless said
 * otherwise; all tails are computed as tails, so a p-value of 1e-200 keeps its digits.
 */

const epsilon = 1e-16;
const tiny = 1e-300;

/** ln Gamma(x) for x > 0, by Stirling's series after lifting x above 10. */
export function logGamma(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return x;
  let lifted = x;
  let product = 1;
  while (lifted < 10) {
    product *= lifted;
    lifted += 1;
  }
  const inverse = 1 / lifted;
  const square = inverse * inverse;
  const series =
    inverse *
    (1 / 12 -
      square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square * (1 / 1188 - square * (691 / 360360))))));
  return (lifted - 0.5) * Math.log(lifted) - lifted + 0.9189385332046727 + series - Math.log(product);
}

/** ln of the binomial coefficient "n over k". */
export function logChoose(n: number, k: number): number {
  if (k < 0 || k > n) return Number.NEGATIVE_INFINITY;
  if (k === 0 || k === n) return 0;
  return logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
}

/** ln of the complete beta function B(a, b). */
export function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Regularised lower incomplete gamma P(a, x), a > 0, x >= 0. */
export function gammaP(a: number, x: number): number {
  if (x <= 0) return 0;
  if (x === Number.POSITIVE_INFINITY) return 1;
  return x < a + 1 ? gammaSeries(a, x) : 1 - gammaFraction(a, x);
}

/** Regularised upper incomplete gamma Q(a, x) = 1 - P(a, x). */
export function gammaQ(a: number, x: number): number {
  if (x <= 0) return 1;
  if (x === Number.POSITIVE_INFINITY) return 0;
  return x < a + 1 ? 1 - gammaSeries(a, x) : gammaFraction(a, x);
}

function gammaSeries(a: number, x: number): number {
  let term = 1 / a;
  let sum = term;
  for (let n = a + 1; Math.abs(term) > Math.abs(sum) * epsilon; n++) {
    term *= x / n;
    sum += term;
  }
  return sum * Math.exp(a * Math.log(x) - x - logGamma(a));
}

/** Lentz's continued fraction; converges in about sqrt(a) steps for x near a and faster beyond. */
function gammaFraction(a: number, x: number): number {
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < 1_000_000; i++) {
    const an = -i * (i - a);
    b += 2;
    d = an * d + b;
    if (Math.abs(d) < tiny) d = tiny;
    c = b + an / c;
    if (Math.abs(c) < tiny) c = tiny;
    d = 1 / d;
    const delta = d * c;
    h *= delta;
    if (Math.abs(delta - 1) < epsilon * 4) break;
  }
  return h * Math.exp(a * Math.log(x) - x - logGamma(a));
}

/** Regularised incomplete beta I_x(a, b), a, b > 0, 0 <= x <= 1. */
export function betaI(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b));
  if (x < (a + 1) / (a + b + 2)) return (front * betaFraction(x, a, b)) / a;
  return 1 - (front * betaFraction(1 - x, b, a)) / b;
}

function betaFraction(x: number, a: number, b: number): number {
  let c = 1;
  let d = 1 - ((a + b) * x) / (a + 1);
  if (Math.abs(d) < tiny) d = tiny;
  d = 1 / d;
  let h = d;
  for (let m = 1; m < 1_000_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 + even * d;
    if (Math.abs(d) < tiny) d = tiny;
    c = 1 + even / c;
    if (Math.abs(c) < tiny) c = tiny;
    d = 1 / d;
    h *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 + odd * d;
    if (Math.abs(d) < tiny) d = tiny;
    c = 1 + odd / c;
    if (Math.abs(c) < tiny) c = tiny;
    d = 1 / d;
    const delta = d * c;
    h *= delta;
    if (Math.abs(delta - 1) < epsilon * 4) break;
  }
  return h;
}

/** The x with I_x(a, b) = p, by bisection refined with Newton steps. */
export function betaQuantile(p: number, a: number, b: number): number {
  if (!(p > 0)) return 0;
  if (p >= 1) return 1;
  let low = 0;
  let high = 1;
  let x = a / (a + b);
  const norm = logBeta(a, b);
  for (let i = 0; i < 200; i++) {
    const error = betaI(x, a, b) - p;
    if (error > 0) high = x;
    else low = x;
    const slope = Math.exp((a - 1) * Math.log(x) + (b - 1) * Math.log1p(-x) - norm);
    let next = x - error / slope;
    if (!(next > low && next < high)) next = (low + high) / 2;
    if (Math.abs(next - x) <= 1e-15 * x) return next;
    x = next;
  }
  return x;
}

/** The error function. */
export function erf(x: number): number {
  if (Math.abs(x) > 2) return x > 0 ? 1 - erfc(x) : erfc(-x) - 1;
  const square = x * x;
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * epsilon; n++) {
    term *= (2 * square) / (2 * n + 1);
    sum += term;
  }
  return 1.1283791670955126 * Math.exp(-square) * sum;
}

/** The complementary error function 1 - erf(x); keeps its digits in the tail. */
export function erfc(x: number): number {
  if (x <= 1) return 1 - erf(x);
  if (x > 27.3) return 0;
  return gammaFraction(0.5, x * x);
}

/** Standard normal P(Z <= x). */
export function normalCdf(x: number): number {
  return 0.5 * erfc(-x * Math.SQRT1_2);
}

/** Standard normal P(Z > x). */
export function normalSf(x: number): number {
  return 0.5 * erfc(x * Math.SQRT1_2);
}

/** The x with P(Z <= x) = p; -Infinity at 0, Infinity at 1, NaN outside [0, 1]. */
export function normalQuantile(p: number): number {
  if (!(p >= 0 && p <= 1)) return Number.NaN;
  if (p === 0) return Number.NEGATIVE_INFINITY;
  if (p === 1) return Number.POSITIVE_INFINITY;
  if (p > 0.5) return -normalQuantile(1 - p);
  // Abramowitz and Stegun 26.2.23 (error 4.5e-4), then Halley steps on the tail until full precision.
  const t = Math.sqrt(-2 * Math.log(p));
  let x = (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
  for (let i = 0; i < 4; i++) {
    const density = 0.3989422804014327 * Math.exp(-0.5 * x * x);
    if (density === 0) break;
    const step = (normalCdf(x) - p) / density;
    x -= step / (1 + 0.5 * x * step);
  }
  return x;
}

/** P(chi-square with `degrees` degrees of freedom > x). Zero degrees: 1 (nothing can vary). */
export function chiSquareSf(x: number, degrees: number): number {
  if (degrees <= 0) return 1;
  return gammaQ(degrees / 2, x / 2);
}

/** P(T > t) for Student's t with `degrees` degrees of freedom (fractions allowed). */
export function studentTSf(t: number, degrees: number): number {
  if (Number.isNaN(t)) return Number.NaN;
  const tail = 0.5 * betaI(degrees / (degrees + t * t), degrees / 2, 0.5);
  return t >= 0 ? tail : 1 - tail;
}

/** Two-sided tail P(|Z| > |z|). */
export function normalTwoSided(z: number): number {
  return erfc(Math.abs(z) * Math.SQRT1_2);
}

/** The limiting Kolmogorov distribution's tail P(K > x), x = sqrt(n) D. */
export function kolmogorovSf(x: number): number {
  if (x <= 0) return 1;
  if (x < 1) {
    const base = -(Math.PI * Math.PI) / (8 * x * x);
    let sum = 0;
    for (let k = 1; k <= 9; k += 2) sum += Math.exp(base * k * k);
    return 1 - (Math.sqrt(2 * Math.PI) / x) * sum;
  }
  let sum = 0;
  for (let k = 1; k <= 8; k++) sum += (k % 2 === 1 ? 1 : -1) * Math.exp(-2 * k * k * x * x);
  return Math.min(1, 2 * sum);
}
