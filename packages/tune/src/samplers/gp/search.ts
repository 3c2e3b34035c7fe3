import { minimizeInBox } from '../../maths/lbfgs.ts';
import { sobolPoint } from '../../maths/sobol.ts';
import type { Point, Space } from '../../space/space.ts';
import { fromCube } from '../quasi-random.ts';
import type { ProposalContext } from '../sampler.ts';
import { type Region, sidesOf } from './trust-region.ts';

/** A function of model inputs to be maximised; the gradient (numeric inputs only) is written when a buffer is given. */
export interface Acquisition {
  /** A cheap first ranking. */
  promise(input: Float64Array): number;
  value(input: Float64Array): number;
  valueWithGradient(input: Float64Array, gradient: Float64Array): number;
}

/** Inputs of the model: absent numbers sit in the middle, absent categories are a category of their own. */
export function toInput(space: Space, point: Point): Float64Array {
  return point.map((x, i) => (Number.isNaN(x) ? (space.dimensions[i]!.domain.kind === 'category' ? -1 : 0.5) : x));
}

/** Grids finer than this are searched as if they were continuous, then rounded and corrected by single steps. */
const coarse = 16;

/** Finite spaces up to this size are scored completely. */
const exhaustiveLimit = 3000;

export interface SearchOptions {
  /** Points scored before the local searches. */
  readonly candidates: number;
  /** Local searches. */
  readonly starts: number;
  /** Good points to search around, best first. */
  readonly around: readonly Point[];
  /** Numbers are searched within this region only. */
  readonly region?: Region | undefined;
}

interface Scored {
  readonly point: Point;
  readonly value: number;
}

/** The acceptable configuration with the highest acquisition found. */
export function maximizeAcquisition(
  acquisition: Acquisition,
  context: ProposalContext,
  options: SearchOptions,
): Point | undefined {
  const { space } = context;
  if (space.isFinite && !space.isOpen && space.count() <= exhaustiveLimit) return bestOfAll(acquisition, context);
  const scored = candidatesOf(context, options)
    .map((point): Scored => ({ point, value: acquisition.value(toInput(space, point)) }))
    .sort((a, b) => b.value - a.value);
  const refined = pickStarts(scored, options.starts, context).map(start =>
    refine(start, acquisition, context, options.region),
  );
  return [...refined, ...scored].sort((a, b) => b.value - a.value).find(s => context.accepts(s.point))?.point;
}

/** Configurations whose acquisition is computed in full when the space is scored completely. */
const shortlist = 300;

/** Scores a whole finite space; beyond a few hundred points only those with the best mean and as many random ones. */
function bestOfAll(acquisition: Acquisition, context: ProposalContext): Point | undefined {
  const { space, rng } = context;
  let left = [...space.enumerate()].filter(p => context.accepts(p));
  if (left.length > 2 * shortlist) {
    const ranked = left
      .map(point => ({ point, promise: acquisition.promise(toInput(space, point)) }))
      .sort((a, b) => b.promise - a.promise);
    const others = rng.sample(left.length - shortlist, shortlist);
    left = [...ranked.slice(0, shortlist), ...Array.from(others, i => ranked[shortlist + i]!)].map(r => r.point);
  }
  let best: Scored | undefined;
  for (const point of left) {
    const value = acquisition.value(toInput(space, point));
    if (best === undefined || value > best.value) best = { point, value };
  }
  return best?.point;
}

/** Half spread over the whole space, half near the best points at several scales (few coordinates at a time). */
function candidatesOf(context: ProposalContext, { candidates, around, region }: SearchOptions): Point[] {
  const { space, rng } = context;
  const seed = rng.int(2 ** 31);
  const out: Point[] = [];
  const spread = around.length === 0 ? candidates : Math.ceil(candidates / 2);
  const within = (point: Point): Point => (region ? clampInto(space, point, region) : point);
  for (let i = 0; i < spread; i++) {
    const cube = sobolPoint(i, space.size, seed);
    if (region) stretchInto(space, cube, region);
    out.push(space.settle(fromCube(space, cube), rng));
  }
  for (let i = spread; i < candidates; i++) {
    const centre = around[i % around.length]!;
    const scale = 10 ** -(0.7 + 2 * rng.next());
    const share = Math.max(0.3, Math.min(1, 4 / space.size));
    const point = centre.map((x, d) => (rng.next() < share ? perturb(space, d, x, scale, context) : x));
    out.push(space.settle(within(point), rng));
  }
  return out;
}

/** Numbers of a cube point moved into the region. */
function stretchInto(space: Space, cube: Float64Array, region: Region): void {
  for (const [d, { domain }] of space.dimensions.entries()) {
    if (domain.kind === 'category') continue;
    const [low, high] = sidesOf(region, d);
    cube[d] = low + cube[d]! * (high - low);
  }
}

function clampInto(space: Space, point: Point, region: Region): Point {
  return point.map((x, d) => {
    if (Number.isNaN(x) || space.dimensions[d]!.domain.kind === 'category') return x;
    const [low, high] = sidesOf(region, d);
    return Math.min(high, Math.max(low, x));
  });
}

function perturb(space: Space, d: number, x: number, scale: number, { rng }: ProposalContext): number {
  const { domain } = space.dimensions[d]!;
  if (Number.isNaN(x)) return x;
  if (domain.kind === 'category') return rng.next() < 0.3 ? rng.int(domain.count) : x;
  const step = Number.isFinite(domain.count) ? Math.max(scale, 1 / domain.count) : scale;
  return Math.min(1, Math.max(0, x + step * rng.normal()));
}

/** The best candidate, then others with a chance that falls with the distance to it in acquisition. */
function pickStarts(scored: readonly Scored[], count: number, { rng }: ProposalContext): Scored[] {
  const starts = [scored[0]!];
  const rest = scored.slice(1, 1 + Math.max(30, count * 8));
  while (starts.length < count && rest.length > 0) {
    const weights = rest.map(s => Math.exp(Math.max(-30, s.value - scored[0]!.value)));
    let u = rng.next() * weights.reduce((a, b) => a + b, 0);
    let k = 0;
    while (k < rest.length - 1 && u >= weights[k]!) u -= weights[k++]!;
    starts.push(...rest.splice(k, 1));
  }
  return starts;
}

/** Alternates a bounded quasi-Newton search over the numbers with coordinate steps over grids and categories. */
function refine(start: Scored, acquisition: Acquisition, context: ProposalContext, region: Region | undefined): Scored {
  let current = climb(start, acquisition, context.space, region);
  for (let round = 0; round < 3; round++) {
    const stepped = stepDiscrete(current, acquisition, context);
    if (stepped.value <= current.value + 1e-9) return current.value >= stepped.value ? current : stepped;
    current = climb(stepped, acquisition, context.space, region);
  }
  return current;
}

function isSmooth(space: Space, d: number): boolean {
  const { domain } = space.dimensions[d]!;
  return domain.kind === 'numeric' && domain.count > coarse;
}

function climb(start: Scored, acquisition: Acquisition, space: Space, region: Region | undefined): Scored {
  const free = [...start.point.keys()].filter(d => !Number.isNaN(start.point[d]!) && isSmooth(space, d));
  if (free.length === 0) return start;
  const input = toInput(space, start.point);
  const full = new Float64Array(space.size);
  const negative = (x: Float64Array, gradient: Float64Array): number => {
    for (const [k, d] of free.entries()) input[d] = x[k]!;
    const value = acquisition.valueWithGradient(input, full);
    for (const [k, d] of free.entries()) gradient[k] = -full[d]!;
    return -value;
  };
  const found = minimizeInBox(
    negative,
    Float64Array.from(free, d => input[d]!),
    {
      low: Float64Array.from(free, d => (region ? sidesOf(region, d)[0] : 0)),
      high: Float64Array.from(free, d => (region ? sidesOf(region, d)[1] : 1)),
      maxIterations: 25,
      gradientTolerance: 1e-3,
    },
  );
  const point = start.point.slice();
  for (const [k, d] of free.entries()) {
    const { domain } = space.dimensions[d]!;
    point[d] = domain.kind === 'numeric' ? domain.snap(found.x[k]!) : found.x[k]!;
  }
  const value = acquisition.value(toInput(space, point));
  return value > start.value ? { point, value } : start;
}

/** One pass over grids and categories, keeping every improvement. */
function stepDiscrete(start: Scored, acquisition: Acquisition, context: ProposalContext): Scored {
  const { space, rng } = context;
  let best = start;
  for (let d = 0; d < space.size; d++) {
    for (const x of alternatives(space, d, best.point[d]!)) {
      const changed = best.point.slice();
      changed[d] = x;
      const point = space.settle(changed, rng);
      const value = acquisition.value(toInput(space, point));
      if (value > best.value) best = { point, value };
    }
  }
  return best;
}

function alternatives(space: Space, d: number, x: number): number[] {
  const { domain } = space.dimensions[d]!;
  if (Number.isNaN(x) || !Number.isFinite(domain.count)) return [];
  if (domain.kind === 'category') return Array.from({ length: domain.count }, (_, i) => i).filter(i => i !== x);
  const now = domain.indexOf(x);
  const wanted = domain.count <= coarse ? Array.from({ length: domain.count }, (_, i) => i) : [now - 1, now + 1];
  return wanted.filter(i => i !== now && i >= 0 && i < domain.count).map(i => domain.unitAt(i));
}
