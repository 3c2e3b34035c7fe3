import { cholesky, type Matrix, solveLower, solveUpper } from '../../maths/cholesky.ts';
import { type Hyper, type KernelShape, linearFeature, matern52, matern52Slope, quadraticFeature } from './kernel.ts';

export interface Posterior {
  readonly mean: number;
  readonly variance: number;
}

const minVariance = 1e-12;

/** A component whose share of the variance is below this is left out of predictions. */
const negligible = 1e-4;

/** What one coordinate contributes to the covariances with all observations, apart from the joint part, and to the mean. */
interface Effect {
  readonly column: Float64Array;
  readonly mean: number;
}

/** Values of one coordinate whose effects are kept. */
const mostEffects = 64;

/** A Gaussian process conditioned on observations; immutable. Observations lie in one array, input after input. */
export class GaussianProcess {
  readonly size: number;
  readonly #n: number;
  readonly #x: Float64Array;
  readonly #isCategory: readonly boolean[];
  readonly #w: Float64Array;
  readonly #scale: number;
  /** Weight of one input in the additive part; 0 when the part is negligible. */
  readonly #additive: number;
  readonly #additiveW: number;
  readonly #linear: number;
  readonly #quadratic: number;
  readonly #noise: number;
  readonly #l: Matrix;
  readonly #alpha: Float64Array;
  readonly #y: Float64Array;
  readonly #k: Float64Array;
  readonly #solved: Float64Array;
  readonly #column: Float64Array;
  /** Known effects of every coordinate by its value; only where values come back, as on grids. */
  readonly #effects: readonly (Map<number, Effect> | undefined)[];

  constructor(inputs: readonly Float64Array[], y: Float64Array, shape: KernelShape, hyper: Hyper) {
    const n = inputs.length;
    this.#n = n;
    this.size = shape.isCategory.length;
    this.#isCategory = shape.isCategory;
    this.#x = new Float64Array(n * this.size);
    for (const [i, x] of inputs.entries()) this.#x.set(x, i * this.size);
    this.#y = y;
    this.#w = hyper.logW.map(Math.exp);
    this.#scale = Math.exp(hyper.logScale);
    const kept = (log: number): number => (Math.exp(log) < negligible ? 0 : Math.exp(log));
    this.#additive = kept(hyper.logAdditive) / this.size;
    this.#additiveW = Math.exp(hyper.logAdditiveW);
    this.#linear = kept(hyper.logLinear);
    this.#quadratic = kept(hyper.logQuadratic);
    this.#noise = Math.exp(hyper.logNoise);
    this.#k = new Float64Array(n);
    this.#solved = new Float64Array(n);
    this.#column = new Float64Array(n);
    this.#effects = Array.from({ length: this.size }, (_, i) =>
      new Set(inputs.map(x => x[i]!)).size <= n / 2 ? new Map() : undefined,
    );
    const a = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      this.#joint(inputs[i]!, i + 1);
      for (let c = 0; c < this.size; c++) {
        this.#fillEffect(c, inputs[i]![c]!, this.#column, i + 1);
        for (let j = 0; j <= i; j++) this.#k[j]! += this.#column[j]!;
      }
      a.set(this.#k.subarray(0, i + 1), i * n);
      a[i * n + i]! += this.#noise;
    }
    this.#l = cholesky(a, n);
    this.#alpha = solveUpper(this.#l, n, solveLower(this.#l, n, y.slice()));
  }

  predict(x: Float64Array): Posterior {
    const n = this.#n;
    const k = this.#k;
    this.#joint(x);
    for (let i = 0; i < this.size; i++) {
      const { column } = this.#effect(i, x[i]!);
      for (let j = 0; j < n; j++) k[j]! += column[j]!;
    }
    let mean = 0;
    for (let j = 0; j < n; j++) mean += k[j]! * this.#alpha[j]!;
    this.#solved.set(k);
    solveLower(this.#l, n, this.#solved);
    let variance = this.#priorVariance(x);
    for (let j = 0; j < n; j++) variance -= this.#solved[j]! * this.#solved[j]!;
    return { mean, variance: Math.max(minVariance, variance) };
  }

  /** Only the mean: an order of magnitude cheaper than the variance. */
  predictMean(x: Float64Array): number {
    this.#joint(x);
    let mean = 0;
    for (let j = 0; j < this.#n; j++) mean += this.#k[j]! * this.#alpha[j]!;
    for (let i = 0; i < this.size; i++) mean += this.#effect(i, x[i]!).mean;
    return mean;
  }

  /** Posterior, and its gradients with respect to the numeric inputs (0 for categories) into the buffers. */
  predictWithGradient(x: Float64Array, meanGradient: Float64Array, varianceGradient: Float64Array): Posterior {
    const posterior = this.predict(x);
    const n = this.#n;
    const weights = solveUpper(this.#l, n, this.#solved);
    meanGradient.fill(0);
    varianceGradient.fill(0);
    for (let j = 0; j < n; j++) {
      const slope = this.#scale * matern52Slope(this.#distance(x, j));
      const forMean = this.#alpha[j]!;
      const forVariance = -2 * weights[j]!;
      for (let i = 0; i < this.size; i++) {
        if (this.#isCategory[i]!) continue;
        const dk = this.#slope(x[i]!, this.#x[j * this.size + i]!, slope * this.#w[i]!);
        meanGradient[i]! += dk * forMean;
        varianceGradient[i]! += dk * forVariance;
      }
    }
    for (let i = 0; i < this.size; i++) {
      if (this.#isCategory[i]!) continue;
      if (posterior.variance <= minVariance) varianceGradient[i] = 0;
      else
        varianceGradient[i]! +=
          4 * this.#linear * linearFeature(x[i]!) +
          8 * this.#quadratic * linearFeature(x[i]!) * quadraticFeature(x[i]!);
    }
    return posterior;
  }

  /** Variance of what the inputs do not explain. */
  get noise(): number {
    return this.#noise;
  }

  /** Posterior means at the observed inputs: the observations with the noise taken out. */
  fittedMeans(): Float64Array {
    return this.#y.map((y, i) => y - this.#noise * this.#alpha[i]!);
  }

  /** Derivative of the covariance with respect to one numeric coordinate a, the other point having b there. */
  #slope(a: number, b: number, joint: number): number {
    const diff = a - b;
    let dk = joint * 2 * diff;
    if (this.#additive > 0)
      dk += this.#additive * matern52Slope(this.#additiveW * diff * diff) * 2 * this.#additiveW * diff;
    return dk + 2 * this.#linear * linearFeature(b) + 4 * this.#quadratic * linearFeature(a) * quadraticFeature(b);
  }

  #distance(x: Float64Array, j: number): number {
    let d2 = 0;
    for (let i = 0, at = j * this.size; i < this.size; i++, at++) {
      const diff = x[i]! - this.#x[at]!;
      if (diff !== 0) d2 += this.#w[i]! * (this.#isCategory[i]! ? 1 : diff * diff);
    }
    return d2;
  }

  /** Writes the joint part and the constant of the covariances with the first observations. */
  #joint(x: Float64Array, count = this.#n): void {
    for (let j = 0; j < count; j++) this.#k[j] = this.#scale * matern52(this.#distance(x, j)) + 1;
  }

  /** What one coordinate adds. */
  #effect(i: number, value: number): Effect {
    const effects = this.#effects[i];
    const known = effects?.get(value);
    if (known) return known;
    const isKept = effects !== undefined && effects.size < mostEffects;
    const column = isKept ? new Float64Array(this.#n) : this.#column;
    this.#fillEffect(i, value, column, this.#n);
    let mean = 0;
    for (let j = 0; j < this.#n; j++) mean += column[j]! * this.#alpha[j]!;
    const effect = { column, mean };
    if (isKept) effects.set(value, effect);
    return effect;
  }

  /** Writes the additive part and the trends of one coordinate with the first observations. */
  #fillEffect(i: number, a: number, column: Float64Array, count: number): void {
    if (this.#isCategory[i]!) {
      const same = this.#additive + (a >= 0 ? this.#linear : 0);
      for (let j = 0, at = i; j < count; j++, at += this.size) column[j] = a === this.#x[at]! ? same : 0;
      return;
    }
    const linear = this.#linear * linearFeature(a);
    const quadratic = this.#quadratic * quadraticFeature(a);
    for (let j = 0, at = i; j < count; j++, at += this.size) {
      const b = this.#x[at]!;
      let sum = linear * linearFeature(b) + quadratic * quadraticFeature(b);
      if (this.#additive > 0) sum += this.#additive * matern52(this.#additiveW * (a - b) ** 2);
      column[j] = sum;
    }
  }

  #priorVariance(x: Float64Array): number {
    let linear = 0;
    let quadratic = 0;
    for (let i = 0; i < this.size; i++) {
      if (this.#isCategory[i]!) linear += x[i]! >= 0 ? 1 : 0;
      else {
        linear += linearFeature(x[i]!) ** 2;
        quadratic += quadraticFeature(x[i]!) ** 2;
      }
    }
    return this.#scale + this.#additive * this.size + this.#linear * linear + this.#quadratic * quadratic + 1;
  }
}
