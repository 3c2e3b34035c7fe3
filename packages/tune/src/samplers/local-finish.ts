import { cholesky, solveLower, solveUpper } from '../maths/cholesky.ts';
import { greatest } from '../maths/extremes.ts';
import { minimizeInBox } from '../maths/lbfgs.ts';
import type { Point, Space } from '../space/space.ts';
import type { Json } from '../study/trial.ts';
import type { Observation, ProposalContext, Sampler } from './sampler.ts';

/** Grids at least so fine take part as if they were continuous. */
const fineGrid = 17;
const startRadius = 0.1;
const smallestRadius = 1e-9;

/** What the last local step tried, to learn from its result whether the region should grow or shrink. */
interface LastStep {
  readonly number: number;
  readonly best: number;
  readonly reached: number;
}

/** Parameters of the incumbent that a local step may move. */
export function movableDimensions(space: Space, incumbent: Point): readonly number[] {
  return [...incumbent.keys()].filter(d => {
    const { domain } = space.dimensions[d]!;
    return domain.kind === 'numeric' && domain.count >= fineGrid && !Number.isNaN(incumbent[d]!);
  });
}

/**
 * Polishes the best trial: fits a quadratic to the finished trials around it, proposes the minimum of the quadratic
 * within a trust region, and widens or narrows the region by the result. Every trial of the study near the incumbent is
 * used, whoever proposed it, so a few steps reach the digits that global samplers leave open. Categories and coarse
 * grids stay as they are in the best trial. One objective.
 *
 * M. J. D. Powell, UOBYQA: unconstrained optimization by quadratic approximation, Math. Program. 92 (2002);
 * Conn, Scheinberg & Vicente, Introduction to derivative-free optimization (2009), chapter 11.
 */
export class LocalFinish implements Sampler {
  readonly name = 'local-finish';
  #radius = startRadius;
  #last: LastStep | undefined;

  /** `undefined` when nothing can be moved, or too few trials are known around the best one. */
  propose(context: ProposalContext): Point | undefined {
    const finished = context.observations.filter(isFeasible);
    const incumbent = incumbentOf(finished);
    if (!incumbent) return undefined;
    const moves = movableDimensions(context.space, incumbent.point);
    const around = sameElsewhere(finished, incumbent.point, moves);
    if (moves.length === 0 || around.length < moves.length + 2) return undefined;
    this.#learn(context, incumbent, around, moves);
    const point = this.#step(context, incumbent, around, moves);
    if (point)
      this.#last = {
        number: context.number,
        best: incumbent.losses[0]!,
        reached: reach(point, incumbent.point, moves) / this.#radius,
      };
    return point;
  }

  /** Whether the trial this sampler proposed last has improved on the best before it. */
  lastImproved(observations: readonly Observation[]): boolean {
    const last = this.#last;
    const result = last && observations.findLast(o => o.number === last.number);
    return result?.kind === 'complete' && result.violation === 0 && result.losses[0]! < last!.best;
  }

  save(): Json {
    return { radius: this.#radius, last: this.#last ? { ...this.#last } : null };
  }

  load(state: Json): void {
    const { radius, last } = state as { readonly radius: number; readonly last: LastStep | null };
    this.#radius = radius;
    this.#last = last ?? undefined;
  }

  #learn(
    { observations }: ProposalContext,
    incumbent: Observation,
    around: readonly Observation[],
    moves: readonly number[],
  ): void {
    const last = this.#last;
    const result = last && observations.findLast(o => o.number === last.number && o.kind !== 'pending');
    if (!last || !result) {
      // The first region reaches as far as the trials that determine a gradient.
      const distances = around.map(o => reach(o.point, incumbent.point, moves)).sort((a, b) => a - b);
      if (!last) this.#radius = Math.min(startRadius, Math.max(1e-6, distances[moves.length + 1] ?? startRadius));
      return;
    }
    this.#last = undefined;
    const improved = result.kind === 'complete' && result.losses[0]! < last.best;
    if (!improved) this.#radius *= 0.35;
    else if (last.reached > 0.9) this.#radius *= 2;
    else this.#radius *= Math.max(0.35, Math.min(1, 1.5 * last.reached));
    if (this.#radius < smallestRadius) this.#radius = startRadius;
    this.#radius = Math.min(0.5, this.#radius);
    this.#last = { ...last, number: -1 };
  }

  #step(
    context: ProposalContext,
    incumbent: Observation,
    around: readonly Observation[],
    moves: readonly number[],
  ): Point | undefined {
    const { space, rng } = context;
    const model = fitQuadratic(incumbent, around, moves, this.#radius);
    const place = (step: Float64Array): Point => {
      const point = incumbent.point.slice();
      for (const [k, d] of moves.entries()) point[d] = Math.min(1, Math.max(0, point[d]! + step[k]! * this.#radius));
      return space.settle(point, rng);
    };
    if (model) {
      const best = minimizeQuadratic(model, incumbent.point, moves, this.#radius);
      if (best && context.accepts(place(best))) return place(best);
    }
    // No model, or its minimum is known: a random direction improves the geometry of the next model.
    for (let i = 0; i < 16; i++) {
      const point = place(Float64Array.from(moves, () => 2 * rng.next() - 1));
      if (context.accepts(point)) return point;
    }
    return undefined;
  }
}

function isFeasible(o: Observation): boolean {
  return o.kind === 'complete' && o.violation === 0;
}

/** The best feasible trial by the first objective. */
export function incumbentOf(observations: readonly Observation[]): Observation | undefined {
  let best: Observation | undefined;
  for (const o of observations) if (isFeasible(o) && (best === undefined || o.losses[0]! < best.losses[0]!)) best = o;
  return best;
}

/** Largest coordinate distance over the moved dimensions. */
function reach(a: Point, b: Point, moves: readonly number[]): number {
  let max = 0;
  for (const d of moves) max = Math.max(max, Math.abs(a[d]! - b[d]!));
  return max;
}

/** Trials that differ from the incumbent only where it can be moved. */
function sameElsewhere(
  finished: readonly Observation[],
  incumbent: Point,
  moves: readonly number[],
): readonly Observation[] {
  const moved = new Set(moves);
  return finished.filter(o =>
    o.point.every((x, d) =>
      moved.has(d) ? !Number.isNaN(x) : x === incumbent[d] || (Number.isNaN(x) && Number.isNaN(incumbent[d]!)),
    ),
  );
}

/** q(s) = g's + s'Hs / 2 around the incumbent, s in radii. */
interface Quadratic {
  readonly gradient: Float64Array;
  readonly hessian: Float64Array;
}

/**
 * Weighted least squares over the nearest trials with a small penalty on the Hessian, which picks the flattest model
 * when there are fewer trials than coefficients.
 */
function fitQuadratic(
  incumbent: Observation,
  around: readonly Observation[],
  moves: readonly number[],
  radius: number,
): Quadratic | undefined {
  const d = moves.length;
  // Above a dozen dimensions only the diagonal of the Hessian is modelled: the rest would need too many trials.
  const cross = d <= 12;
  const size = cross ? d + (d * (d + 1)) / 2 : 2 * d;
  const rows = around
    .filter(o => o !== incumbent)
    .map(o => ({
      s: moves.map(m => (o.point[m]! - incumbent.point[m]!) / radius),
      y: o.losses[0]! - incumbent.losses[0]!,
    }))
    .map(r => ({ ...r, distance: Math.max(...r.s.map(Math.abs)) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, Math.ceil(1.5 * size) + 2);
  const scale = greatest(rows.slice(0, size).map(r => Math.abs(r.y)));
  if (!(scale > 0) || rows.length < d + 1) return undefined;
  const normal = new Float64Array(size * size);
  const right = new Float64Array(size);
  const features = new Float64Array(size);
  for (const { s, y, distance } of rows) {
    for (let i = 0, k = d; i < d; i++) {
      features[i] = s[i]!;
      for (let j = cross ? 0 : i; j <= i; j++, k++) features[k] = i === j ? 0.5 * s[i]! ** 2 : s[i]! * s[j]!;
    }
    // Far trials tell about other hills: their weight falls with the fourth power beyond the region.
    const weight = 1 / (1 + (distance / 2) ** 4) ** 2;
    for (let i = 0; i < size; i++) {
      right[i]! += weight * features[i]! * (y / scale);
      for (let j = 0; j <= i; j++) normal[i * size + j]! += weight * features[i]! * features[j]!;
    }
  }
  for (let i = 0; i < size; i++) normal[i * size + i]! += i < d ? 1e-13 : 1e-9;
  try {
    const l = cholesky(normal, size);
    const b = solveUpper(l, size, solveLower(l, size, right));
    return { gradient: b.slice(0, d), hessian: unpack(b, d, cross) };
  } catch {
    return undefined;
  }
}

function unpack(b: Float64Array, d: number, cross: boolean): Float64Array {
  const hessian = new Float64Array(d * d);
  for (let i = 0, k = d; i < d; i++)
    for (let j = cross ? 0 : i; j <= i; j++, k++) {
      hessian[i * d + j] = b[k]!;
      hessian[j * d + i] = b[k]!;
    }
  return hessian;
}

/** Minimum of the quadratic in the box of one radius around the incumbent, cut by the bounds of the space. */
function minimizeQuadratic(
  q: Quadratic,
  incumbent: Point,
  moves: readonly number[],
  radius: number,
): Float64Array | undefined {
  const d = moves.length;
  const low = Float64Array.from(moves, m => Math.max(-1, -incumbent[m]! / radius));
  const high = Float64Array.from(moves, m => Math.min(1, (1 - incumbent[m]!) / radius));
  const f = (s: Float64Array, gradient: Float64Array): number => {
    let value = 0;
    for (let i = 0; i < d; i++) {
      let hs = 0;
      for (let j = 0; j < d; j++) hs += q.hessian[i * d + j]! * s[j]!;
      gradient[i] = q.gradient[i]! + hs;
      value += s[i]! * (q.gradient[i]! + 0.5 * hs);
    }
    return value;
  };
  const found = minimizeInBox(f, new Float64Array(d), { low, high, maxIterations: 200, gradientTolerance: 1e-12 });
  return found.value < 0 ? found.x : undefined;
}
