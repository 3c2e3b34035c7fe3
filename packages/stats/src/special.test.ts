import { expect, test } from 'vitest';
import { kolmogorovFiniteSf, smirnovSf } from './kolmogorov-finite.ts';
import {
  betaI,
  betaQuantile,
  chiSquareSf,
  erf,
  erfc,
  gammaP,
  gammaQ,
  kolmogorovSf,
  logGamma,
  normalCdf,
  normalQuantile,
  normalSf,
  studentTSf,
} from './special.ts';

function near(actual: number, expected: number, relative = 1e-12): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(relative * Math.abs(expected));
}

// Expected values: SciPy 1.17.1 (scipy.special, scipy.stats).
test('special functions agree with SciPy', () => {
  near(erf(0.3), 0.3286267594591274);
  near(erfc(0.7), 0.3221988061625817);
  near(erfc(1.5), 0.03389485352468927);
  near(erfc(3), 2.2090496998585445e-5);
  near(erfc(10), 2.0884875837625446e-45);
  near(logGamma(0.5), 0.5723649429247);
  near(logGamma(123.4), 469.3360974421906);
  near(gammaQ(50, 80), 0.0001307839765914092);
  near(gammaP(1e5, 1.001e5), 0.6244451307044055, 1e-9);
  near(betaI(0.3, 5, 7), 0.2103046172999999);
  near(betaI(0.5, 1e5, 1.001e5), 0.5884468031488597, 1e-9);
  near(betaQuantile(0.025, 3, 8), 0.06673951117773447);
});

test('tail probabilities agree with SciPy', () => {
  near(chiSquareSf(18.181378, 3), 0.00040354093310581687);
  near(chiSquareSf(1000, 900), 0.010994608942135844, 1e-10);
  near(studentTSf(2.1, 5), 0.044876624942299395);
  near(normalQuantile(1e-10), -6.361340902404056);
  near(normalQuantile(0.975), 1.959963984540054);
  near(normalSf(10), 7.619853024160527e-24, 1e-11);
});

test('finite-sample Kolmogorov tails agree with scipy.stats.kstwo by every method', () => {
  const table: readonly (readonly [number, number, number])[] = [
    [4, 0.625, 0.04931640625],
    [8, 0.3, 0.39011434020996105],
    [100, 0.1, 0.2526927570063874],
    [100, 0.15, 0.019839242125643017],
    [140, 0.19, 6.711071724199073e-5],
    [150, 0.1, 0.09292132232164585],
    [150, 0.02, 0.9999999260281685],
    [1000, 0.03, 0.3226902143914636],
    [1000, 0.05, 0.013012074781090332],
    [11328, 0.025820974576271194, 5.402235428619242e-7],
    [50000, 0.004, 0.3994316646755731],
    [500000, 0.002, 0.036582179671620585],
  ];
  for (const [n, d, expected] of table) near(kolmogorovFiniteSf(n, d), expected, 1e-9);
  // Above 20,000 rows the far tail is asymptotic.
  near(kolmogorovFiniteSf(50000, 0.01), 9.018048811843602e-5, 1e-3);
});

test('the tails are monotone, start at 1 and end at 0', () => {
  for (const tail of [
    (x: number) => kolmogorovSf(x * 4),
    (x: number) => kolmogorovFiniteSf(57, x),
    (x: number) => kolmogorovFiniteSf(3000, x),
    (x: number) => smirnovSf(57, x),
  ]) {
    let previous = 1;
    for (let x = 0; x <= 1; x += 0.01) {
      const p = tail(x);
      expect(p).toBeLessThanOrEqual(previous + 1e-9);
      expect(p).toBeGreaterThanOrEqual(0);
      previous = p;
    }
    expect(previous).toBeLessThan(1e-6);
  }
});

test('normal quantile and distribution function undo each other', () => {
  for (const p of [1e-300, 1e-20, 1e-5, 0.1, 0.5, 0.77, 0.999999]) near(normalCdf(normalQuantile(p)), p, 1e-9);
  expect(normalQuantile(0)).toBe(Number.NEGATIVE_INFINITY);
  expect(normalQuantile(1)).toBe(Number.POSITIVE_INFINITY);
  expect(normalQuantile(-0.1)).toBeNaN();
});
