/**
 * Standard normal P(Z <= x) in about 15 ns, to 1e-15: the samplers need it a million times a suggestion, where the
 * full-precision series would dominate their cost.
 *
 * J. F. Hart, Computer Approximations (1968), as arranged by G. West, Better approximations to cumulative normal
 * functions, Wilmott (2005).
 */
export function fastNormalCdf(x: number): number {
  const a = Math.abs(x);
  if (a > 38) return x > 0 ? 1 : 0;
  const e = Math.exp(-0.5 * a * a);
  const tail = a < 7.07106781186547 ? e * rational(a) : e / (fraction(a) * 2.506628274631);
  return x > 0 ? 1 - tail : tail;
}

function rational(a: number): number {
  const numerator =
    (((((3.52624965998911e-2 * a + 0.700383064443688) * a + 6.37396220353165) * a + 33.912866078383) * a +
      112.079291497871) *
      a +
      221.213596169931) *
      a +
    220.206867912376;
  const denominator =
    ((((((8.83883476483184e-2 * a + 1.75566716318264) * a + 16.064177579207) * a + 86.7807322029461) * a +
      296.564248779674) *
      a +
      637.333633378831) *
      a +
      793.826512519948) *
      a +
    440.413735824752;
  return numerator / denominator;
}

function fraction(a: number): number {
  return a + 1 / (a + 2 / (a + 3 / (a + 4 / (a + 0.65))));
}

/** Standard normal density. */
export function normalDensity(x: number): number {
  return 0.3989422804014327 * Math.exp(-0.5 * x * x);
}

/** exp(x^2) erfc(x) for x >= 5, by its continued fraction. */
export function scaledErfc(x: number): number {
  let t = x;
  for (let k = 60; k >= 1; k--) t = x + k / 2 / t;
  return 1 / (t * 1.7724538509055159);
}
