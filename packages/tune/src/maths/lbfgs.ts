/** Value of a function; writes its gradient. */
export type Differentiable = (x: Float64Array, gradient: Float64Array) => number;

export interface LbfgsOptions {
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** @default 50 */
  readonly maxIterations?: number;
  /** Stop when no projected gradient component is larger. @default 1e-5 */
  readonly gradientTolerance?: number;
}

export interface Minimum {
  readonly x: Float64Array;
  readonly value: number;
}

const memory = 8;

/**
 * Minimises a smooth function inside a box: limited-memory BFGS on the variables that are not held at a bound, with
 * projected backtracking.
 *
 * Nocedal & Wright, Numerical optimization (2006), algorithm 7.4; bounds by projection as in Bertsekas 1982.
 */
export function minimizeInBox(f: Differentiable, start: Float64Array, options: LbfgsOptions): Minimum {
  const { low, high, maxIterations = 50, gradientTolerance = 1e-5 } = options;
  const n = start.length;
  const project = (x: Float64Array): Float64Array => x.map((v, i) => Math.min(high[i]!, Math.max(low[i]!, v)));
  let x = project(start);
  let gradient = new Float64Array(n);
  let value = f(x, gradient);
  const steps: { readonly s: Float64Array; readonly y: Float64Array; readonly rho: number }[] = [];
  for (let iteration = 0; iteration < maxIterations && Number.isFinite(value); iteration++) {
    const free = x.map((v, i) => ((v <= low[i]! && gradient[i]! > 0) || (v >= high[i]! && gradient[i]! < 0) ? 0 : 1));
    const active = gradient.map((g, i) => g * free[i]!);
    if (Math.max(...active.map(Math.abs)) < gradientTolerance) break;
    let direction = descent(active, steps).map((d, i) => d * free[i]!);
    if (dot(direction, gradient) >= 0) {
      steps.length = 0;
      direction = active.map(g => -g);
    }
    // Without curvature yet, the first step is kept to the length of the box's unit.
    let t = steps.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(active, active))) : 1;
    let next: (Minimum & { readonly gradient: Float64Array<ArrayBuffer> }) | undefined;
    for (let tries = 0; tries < 20; tries++, t /= 2.5) {
      const candidate = project(x.map((v, i) => v + t * direction[i]!));
      const g = new Float64Array(n);
      const v = f(candidate, g);
      const moved = candidate.map((c, i) => c - x[i]!);
      if (Number.isFinite(v) && v <= value + 1e-4 * dot(moved, gradient)) {
        next = { x: candidate, value: v, gradient: g };
        break;
      }
    }
    if (!next) break;
    const s = next.x.map((v, i) => v - x[i]!);
    const y = next.gradient.map((g, i) => g - gradient[i]!);
    const curvature = dot(s, y);
    if (curvature > 1e-12 * dot(y, y)) steps.push({ s, y, rho: 1 / curvature });
    if (steps.length > memory) steps.shift();
    const gain = value - next.value;
    x = next.x as Float64Array<ArrayBuffer>;
    gradient = next.gradient;
    value = next.value;
    if (gain < 1e-12 * Math.max(1, Math.abs(value))) break;
  }
  return { x, value };
}

function descent(
  gradient: Float64Array,
  steps: readonly { readonly s: Float64Array; readonly y: Float64Array; readonly rho: number }[],
): Float64Array {
  const q = gradient.slice();
  const alphas = new Float64Array(steps.length);
  for (let k = steps.length - 1; k >= 0; k--) {
    const { s, y, rho } = steps[k]!;
    alphas[k] = rho * dot(s, q);
    for (let i = 0; i < q.length; i++) q[i]! -= alphas[k]! * y[i]!;
  }
  const last = steps.at(-1);
  const scale = last ? dot(last.s, last.y) / dot(last.y, last.y) : 1;
  for (let i = 0; i < q.length; i++) q[i]! *= scale;
  for (const [k, { s, y, rho }] of steps.entries()) {
    const beta = rho * dot(y, q);
    for (let i = 0; i < q.length; i++) q[i]! += s[i]! * (alphas[k]! - beta);
  }
  return q.map(v => -v);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
