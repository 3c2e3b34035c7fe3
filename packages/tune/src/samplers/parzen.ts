import { normalQuantile } from '@holdfast/stats';
import { fastNormalCdf as normalCdf } from '../maths/fast-normal.ts';
import type { Rng } from '../rng.ts';
import type { Point, Space } from '../space/space.ts';

interface NumericKernels {
  readonly kind: 'numeric';
  readonly mu: Float64Array;
  readonly sigma: Float64Array;
  /** log of sigma sqrt(2 pi) times the kernel's mass inside [0, 1]. */
  readonly logScale: Float64Array;
  readonly isDiscrete: boolean;
}

interface CategoryKernels {
  readonly kind: 'category';
  readonly index: Int32Array;
  readonly count: number;
  readonly logHit: number;
  readonly logMiss: number;
}

const halfLog2Pi = 0.5 * Math.log(2 * Math.PI);

/**
 * A Parzen mixture over some dimensions of a space: one component an observation, product kernels across dimensions,
 * and a wide prior component at the end.
 *
 * Numeric kernels are normals truncated to [0, 1], integrated over the cell where the parameter is a grid. Their width
 * is the larger gap to a neighbour, clipped between 1 / min(100, 1 + n) and 1 ("magic clip"). Categorical kernels put
 * 1 on the observed category and prior / n on every one.
 *
 * Bergstra et al., Algorithms for hyper-parameter optimization, NIPS 2011; rules as in Optuna 5's default.
 */
export class ParzenMixture {
  readonly #space: Space;
  readonly #dimensions: readonly number[];
  readonly #kernels: readonly (NumericKernels | CategoryKernels)[];
  readonly #logWeight: Float64Array;
  readonly #cumulative: Float64Array;
  readonly #scratch: Float64Array;

  /** @param weights one an observation, oldest first; the prior component gets `priorWeight`. */
  constructor(
    space: Space,
    dimensions: readonly number[],
    points: readonly Point[],
    weights: ArrayLike<number>,
    priorWeight = 1,
  ) {
    this.#space = space;
    this.#dimensions = dimensions;
    const n = points.length + 1;
    const all = new Float64Array(n).fill(priorWeight);
    for (let i = 0; i < points.length; i++) all[i] = weights[i]!;
    const total = all.reduce((a, b) => a + b, 0);
    this.#logWeight = all.map(w => Math.log(w / total));
    this.#cumulative = all.map(w => w / total);
    for (let i = 1; i < n; i++) this.#cumulative[i]! += this.#cumulative[i - 1]!;
    this.#kernels = dimensions.map(d => kernelsOf(space, d, points, priorWeight));
    this.#scratch = new Float64Array(n);
  }

  /** Draws one component for all dimensions, then one value a dimension, into `out`. */
  sampleInto(out: Point, rng: Rng): void {
    const u = rng.next();
    let component = this.#cumulative.findIndex(c => u < c);
    if (component < 0) component = this.#cumulative.length - 1;
    this.#kernels.forEach((kernel, k) => {
      const d = this.#dimensions[k]!;
      out[d] =
        kernel.kind === 'numeric' ? this.#drawNumber(kernel, d, component, rng) : drawCategory(kernel, component, rng);
    });
  }

  /** Log density (probability of the cell on grids) of a point. */
  logDensity(point: Point): number {
    const acc = this.#scratch;
    acc.set(this.#logWeight);
    this.#kernels.forEach((kernel, k) => {
      const d = this.#dimensions[k]!;
      if (kernel.kind === 'category') addCategory(acc, kernel, point[d]!);
      else if (kernel.isDiscrete) this.#addCell(acc, kernel, d, point[d]!);
      else addDensity(acc, kernel, point[d]!);
    });
    let max = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < acc.length; i++) if (acc[i]! > max) max = acc[i]!;
    let sum = 0;
    for (let i = 0; i < acc.length; i++) if (acc[i]! > max - 40) sum += Math.exp(acc[i]! - max);
    return max + Math.log(sum);
  }

  #drawNumber(kernel: NumericKernels, d: number, i: number, rng: Rng): number {
    const mu = kernel.mu[i]!;
    const sigma = kernel.sigma[i]!;
    const low = normalCdf(-mu / sigma);
    const high = normalCdf((1 - mu) / sigma);
    const x = mu + sigma * normalQuantile(Math.min(1 - 1e-16, Math.max(1e-300, low + (high - low) * rng.next())));
    const { domain } = this.#space.dimensions[d]!;
    return domain.kind === 'numeric' ? domain.snap(Math.min(1, Math.max(0, x))) : x;
  }

  #addCell(acc: Float64Array, kernel: NumericKernels, d: number, x: number): void {
    const { domain } = this.#space.dimensions[d]!;
    if (domain.kind !== 'numeric') return;
    const [from, to] = domain.cellAt(domain.indexOf(x));
    const { mu, sigma, logScale } = kernel;
    for (let i = 0; i < acc.length; i++) {
      const s = sigma[i]!;
      const mass = normalCdf((to - mu[i]!) / s) - normalCdf((from - mu[i]!) / s);
      acc[i]! += Math.log(mass + 1e-300) + Math.log(s) + halfLog2Pi - logScale[i]!;
    }
  }
}

function addDensity(acc: Float64Array, { mu, sigma, logScale }: NumericKernels, x: number): void {
  for (let i = 0; i < acc.length; i++) {
    const z = (x - mu[i]!) / sigma[i]!;
    acc[i]! -= 0.5 * z * z + logScale[i]!;
  }
}

function addCategory(acc: Float64Array, kernel: CategoryKernels, x: number): void {
  const last = acc.length - 1;
  for (let i = 0; i < last; i++) acc[i]! += kernel.index[i] === x ? kernel.logHit : kernel.logMiss;
  acc[last]! -= Math.log(kernel.count);
}

function drawCategory(kernel: CategoryKernels, i: number, rng: Rng): number {
  if (i >= kernel.index.length) return rng.int(kernel.count);
  const extra = Math.exp(kernel.logHit) - Math.exp(kernel.logMiss);
  return rng.next() < extra ? kernel.index[i]! : rng.int(kernel.count);
}

function kernelsOf(space: Space, d: number, points: readonly Point[], prior: number): NumericKernels | CategoryKernels {
  const { domain } = space.dimensions[d]!;
  const n = points.length + 1;
  if (domain.kind === 'category') {
    const total = 1 + (domain.count * prior) / n;
    return {
      kind: 'category',
      index: Int32Array.from(points, p => p[d]!),
      count: domain.count,
      logHit: Math.log((1 + prior / n) / total),
      logMiss: Math.log(prior / n / total),
    };
  }
  const mu = new Float64Array(n).fill(0.5);
  for (let i = 0; i < points.length; i++) mu[i] = points[i]![d]!;
  const sigma = widths(mu.subarray(0, n - 1));
  const logScale = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const mass = normalCdf((1 - mu[i]!) / sigma[i]!) - normalCdf(-mu[i]! / sigma[i]!);
    logScale[i] = Math.log(mass) + Math.log(sigma[i]!) + halfLog2Pi;
  }
  return { kind: 'numeric', mu, sigma, logScale, isDiscrete: Number.isFinite(domain.count) };
}

/** Kernel widths of observations, and the prior's 1 at the end. */
function widths(mu: Float64Array): Float64Array {
  const n = mu.length;
  const sigma = new Float64Array(n + 1).fill(1);
  const order = Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => mu[a]! - mu[b]!);
  const narrowest = 1 / Math.min(100, 2 + n);
  for (let k = 0; k < n; k++) {
    const x = mu[order[k]!]!;
    const isFirst = k === 0;
    const isLast = k === n - 1;
    const left = x - (isFirst ? 0 : mu[order[k - 1]!]!);
    const right = (isLast ? 1 : mu[order[k + 1]!]!) - x;
    // With a neighbour inside, the ends of the domain do not widen the outermost kernels.
    const gap = n >= 2 && isFirst ? right : n >= 2 && isLast ? left : Math.max(left, right);
    sigma[order[k]!] = Math.min(1, Math.max(narrowest, gap));
  }
  return sigma;
}
