/** Yeo-Johnson transform: a power law for both signs; lambda = 1 is the identity. Biometrika 87 (2000). */
export function yeoJohnson(x: number, lambda: number): number {
  if (x >= 0) return Math.abs(lambda) < 1e-9 ? Math.log1p(x) : ((x + 1) ** lambda - 1) / lambda;
  const mu = 2 - lambda;
  return Math.abs(mu) < 1e-9 ? -Math.log1p(-x) : -((1 - x) ** mu - 1) / mu;
}

/** Log likelihood of a normal after the transform (Jacobian included), up to a constant. */
export function yeoJohnsonLikelihood(values: ArrayLike<number>, lambda: number): number {
  const n = values.length;
  let sum = 0;
  let squares = 0;
  let jacobian = 0;
  for (let i = 0; i < n; i++) {
    const t = yeoJohnson(values[i]!, lambda);
    sum += t;
    squares += t * t;
    jacobian += Math.sign(values[i]!) * Math.log1p(Math.abs(values[i]!));
  }
  const variance = Math.max(1e-300, squares / n - (sum / n) ** 2);
  return -0.5 * n * Math.log(variance) + (lambda - 1) * jacobian;
}

/** The lambda in [low, high] with the highest likelihood, by golden-section search. */
export function fitYeoJohnson(values: ArrayLike<number>, low = -2, high = 2): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [low, high];
  let c = b - ratio * (b - a);
  let d = a + ratio * (b - a);
  let [fc, fd] = [yeoJohnsonLikelihood(values, c), yeoJohnsonLikelihood(values, d)];
  for (let i = 0; i < 24; i++) {
    if (fc > fd) {
      [b, d, fd] = [d, c, fc];
      c = b - ratio * (b - a);
      fc = yeoJohnsonLikelihood(values, c);
    } else {
      [a, c, fc] = [c, d, fd];
      d = a + ratio * (b - a);
      fd = yeoJohnsonLikelihood(values, d);
    }
  }
  return (a + b) / 2;
}

/** Mean 0 and standard deviation 1; all 0 when the values are constant. */
export function standardize(values: ArrayLike<number>): Float64Array {
  const out = Float64Array.from(values);
  const mean = out.reduce((a, b) => a + b, 0) / out.length;
  const sd = Math.sqrt(out.reduce((a, b) => a + (b - mean) ** 2, 0) / out.length);
  return out.map(v => (sd > 0 ? (v - mean) / sd : 0));
}
