import { TuneFault } from '../fault.ts';
import { type Rng, trialRng } from '../rng.ts';
import type { SpaceSpec, Suggestion } from '../space/params.ts';
import { type FlatParams, type Point, Space } from '../space/space.ts';

export interface PopulationSettings<S extends SpaceSpec> {
  readonly space: S;
  /** @default 'minimize' */
  readonly direction?: 'minimize' | 'maximize';
  /** Members that train side by side; at least 4. @default 8 */
  readonly size?: number;
  /** Steps a member trains between two comparisons. */
  readonly intervalSteps: number;
  /** Steps at which a member is done. */
  readonly maxSteps: number;
  /** The lowest share of the members takes over from the highest, above 0 and at most 0.5. @default 0.25 */
  readonly quantile?: number;
  /** Probability that a parameter is drawn anew instead of changed by a fifth. @default 0.25 */
  readonly resampleProbability?: number;
  /** @default 0 */
  readonly seed?: number;
}

/** One piece of training: from a checkpoint, with fixed parameters, over one interval. It leaves a checkpoint. */
export interface Segment {
  readonly number: number;
  readonly member: number;
  readonly params: FlatParams;
  readonly fromStep: number;
  readonly toStep: number;
  /** The segment whose checkpoint holds the weights to start from: the member's own last one, or another member's. */
  readonly startFrom?: number;
  readonly state: 'waiting' | 'running' | 'complete' | 'failed';
  /** The value reached, once complete. */
  readonly value?: number;
}

/** What ask answers. */
export type PopulationAsk<P> =
  | { readonly kind: 'segment'; readonly segment: Segment; readonly params: P }
  /** Every member is training or done; ask again after a tell. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'finished' };

/** Everything besides the space that shapes what a population does, with its defaults filled in. */
export type PopulationRules = Required<Omit<PopulationSettings<never>, 'space'>>;

export interface PopulationSnapshot {
  readonly format: 2;
  readonly rules: PopulationRules;
  readonly segments: readonly Segment[];
}

/**
 * Population-based training: members train side by side with parameters of their own; after every interval a member in
 * the lowest quarter takes over weights and parameters of a random one in the highest quarter and changes the parameters:
 * numbers times 1.2 or 0.8, ordered values by one place, or a new draw. So parameters become schedules.
 *
 * Ask-and-tell without waiting: a segment is a trial that was paused at `fromStep` and goes on. The caller keeps one
 * checkpoint a segment; `neededCheckpoints` says which can still be asked for. The state is the list of segments, and a
 * draw depends on the seed and the segment's number alone, so a restored population goes on exactly as if uninterrupted.
 *
 * Jaderberg et al., Population based training of neural networks, arXiv:1711.09846 (2017); defaults as in Ray Tune.
 */
export class Population<S extends SpaceSpec = SpaceSpec> {
  readonly #space: Space;
  readonly #settings: PopulationRules;
  #segments: Segment[] = [];

  /** Prefer `createPopulation` and `restorePopulation`. */
  constructor(settings: PopulationSettings<S>) {
    const { space, ...rest } = settings;
    const { direction = 'minimize', size = 8, quantile = 0.25, resampleProbability = 0.25, seed = 0 } = rest;
    if (!Number.isInteger(size) || size < 4) throw new TuneFault('bad_option', 'size', 'must be a whole number from 4');
    if (!(rest.intervalSteps > 0)) throw new TuneFault('bad_option', 'intervalSteps', 'must be above 0');
    if (!(rest.maxSteps >= rest.intervalSteps))
      throw new TuneFault('bad_option', 'maxSteps', 'must be at least intervalSteps');
    if (!(quantile > 0 && quantile <= 0.5))
      throw new TuneFault('bad_option', 'quantile', 'must be above 0 and at most 0.5');
    if (!(resampleProbability >= 0 && resampleProbability <= 1))
      throw new TuneFault('bad_option', 'resampleProbability', 'must be from 0 to 1');
    if (!Number.isFinite(seed)) throw new TuneFault('bad_option', 'seed', 'must be a finite number');
    this.#space = new Space(space);
    this.#settings = { ...rest, direction, size, quantile, resampleProbability, seed };
    for (let member = 0; member < size; member++) {
      const params = this.#space.toFlat(this.#space.random(this.#rng(member)));
      this.#plan({ member, params, fromStep: 0 });
    }
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** The next piece of training, in the order in which they were planned. */
  ask(): PopulationAsk<Suggestion<S>> {
    const next = this.#segments.find(s => s.state === 'waiting');
    if (next) {
      const segment = this.#change(next, { state: 'running' });
      return { kind: 'segment', segment, params: this.#space.nest(segment.params) as Suggestion<S> };
    }
    return { kind: this.#segments.some(s => s.state === 'running') ? 'waiting' : 'finished' };
  }

  /** Ends a segment with the value at its last step. A value that is not finite fails it, and the member takes over from another. */
  tell(number: number, value: number): void {
    const segment = this.#running(number);
    if (!Number.isFinite(value)) this.fail(number);
    else this.#goOn(this.#change(segment, { state: 'complete', value }));
  }

  /** Ends a segment that gave nothing: its member takes over from another, or starts afresh while there is none. */
  fail(number: number): void {
    this.#goOn(this.#change(this.#running(number), { state: 'failed' }));
  }

  /** Gives a running segment back, as when its worker is lost; the next ask hands it out again. */
  release(number: number): void {
    this.#change(this.#running(number), { state: 'waiting' });
  }

  /** The completed segment with the best value. */
  best(): Segment | undefined {
    const [first] = this.#byLoss(this.#segments.filter(s => s.state === 'complete'));
    return first;
  }

  /** Segments whose checkpoints can still be asked for: those that one under way starts from, every member's last, the best. */
  neededCheckpoints(): readonly number[] {
    const needed = new Set<number>();
    for (const s of this.#segments)
      if ((s.state === 'waiting' || s.state === 'running') && s.startFrom !== undefined) needed.add(s.startFrom);
    for (const s of this.#standings()) needed.add(s.number);
    const best = this.best();
    if (best) needed.add(best.number);
    return [...needed].sort((a, b) => a - b);
  }

  snapshot(): PopulationSnapshot {
    return { format: 2, rules: { ...this.#settings }, segments: structuredClone(this.#segments) };
  }

  /** @internal */
  adopt(snapshot: PopulationSnapshot): void {
    const differing = ruleNames.find(name => this.#settings[name] !== snapshot.rules[name]);
    if (differing !== undefined) {
      const [saved, given] = [snapshot.rules[differing], this.#settings[differing]];
      throw new TuneFault('bad_snapshot', `it was saved with ${differing} ${saved}, not ${given}`);
    }
    for (const { params, number } of snapshot.segments)
      if (this.#space.toPoint(params) === undefined)
        throw new TuneFault('bad_snapshot', `the parameters of segment ${number} do not fit the space`);
    this.#segments = structuredClone([...snapshot.segments]);
  }

  /** Plans what a member does after a segment. */
  #goOn(ended: Segment): void {
    const { quantile, maxSteps } = this.#settings;
    const standings = this.#standings();
    const count = Math.ceil(quantile * standings.length);
    const top = standings.slice(0, Math.min(count, Math.floor(standings.length / 2)));
    const isLow = standings.findIndex(s => s.number === ended.number) >= standings.length - count;
    const rng = this.#rng(this.#segments.length);
    const sources = (ended.state === 'failed' && top.length === 0 ? standings : top).filter(
      s => s.member !== ended.member,
    );
    const mustLeave = ended.state === 'failed' || (isLow && ended.toStep < maxSteps);
    if (mustLeave && sources.length > 0) {
      const source = rng.pick(sources);
      // A member that has finished has nothing left to train; its last interval is repeated with changed parameters.
      const fromStep = source.toStep < maxSteps ? source.toStep : source.fromStep;
      const startFrom = source.toStep < maxSteps ? source.number : source.startFrom;
      this.#plan({ member: ended.member, params: this.#explored(source.params, rng), fromStep, startFrom });
    } else if (ended.state === 'failed') {
      const params = this.#space.toFlat(this.#space.random(rng));
      this.#plan({ member: ended.member, params, fromStep: 0 });
    } else if (ended.toStep < maxSteps) {
      this.#plan({ member: ended.member, params: ended.params, fromStep: ended.toStep, startFrom: ended.number });
    }
  }

  /** The last completed segment of every member, best first. */
  #standings(): readonly Segment[] {
    const last = new Map<number, Segment>();
    for (const s of this.#segments) if (s.state === 'complete') last.set(s.member, s);
    return this.#byLoss([...last.values()]);
  }

  #byLoss(complete: readonly Segment[]): readonly Segment[] {
    const sign = this.#settings.direction === 'maximize' ? -1 : 1;
    return [...complete].sort((a, b) => sign * ((a.value ?? 0) - (b.value ?? 0)) || a.number - b.number);
  }

  /** Every parameter changed: drawn anew, or moved a little. */
  #explored(params: FlatParams, rng: Rng): FlatParams {
    const space = this.#space;
    const point = space.toPoint(params) ?? space.random(rng);
    const moved: Point = point.map((x, d) => {
      if (Number.isNaN(x)) return x;
      if (rng.next() < this.#settings.resampleProbability) return space.randomCoordinate(d, rng);
      return perturbed(space, d, x, rng);
    });
    return space.toFlat(space.settle(moved, rng));
  }

  #plan(next: Pick<Segment, 'member' | 'params' | 'fromStep'> & { readonly startFrom?: number | undefined }): void {
    const { startFrom, ...rest } = next;
    const toStep = Math.min(this.#settings.maxSteps, next.fromStep + this.#settings.intervalSteps);
    const number = this.#segments.length;
    this.#segments.push({ number, ...rest, toStep, ...(startFrom !== undefined && { startFrom }), state: 'waiting' });
  }

  #change(segment: Segment, change: Partial<Segment>): Segment {
    const changed = { ...segment, ...change };
    this.#segments[segment.number] = changed;
    return changed;
  }

  #running(number: number): Segment {
    const segment = this.#segments[number];
    if (!segment) throw new TuneFault('trial_not_found', number);
    if (segment.state !== 'running') throw new TuneFault('trial_not_running', number, segment.state);
    return segment;
  }

  #rng(number: number): Rng {
    return trialRng(this.#settings.seed, number, 0.25);
  }
}

const ruleNames = [
  'direction',
  'size',
  'intervalSteps',
  'maxSteps',
  'quantile',
  'resampleProbability',
  'seed',
] as const satisfies readonly (keyof PopulationRules)[];

/** A number times 1.2 or 0.8, at least to the next grid point; an ordered value one place up or down; a category stays. */
function perturbed(space: Space, d: number, x: number, rng: Rng): number {
  const { domain } = space.dimensions[d]!;
  if (domain.kind === 'category') return x;
  const isUp = rng.bernoulli(0.5);
  const value = space.valueAt(d, x);
  const factored =
    typeof value === 'number' && domain.has(value) && value !== 0 ? domain.toUnit(value * (isUp ? 1.2 : 0.8)) : x;
  if (!Number.isFinite(domain.count)) return Number.isFinite(factored) ? domain.snap(factored) : x;
  const here = domain.indexOf(x);
  const there = Number.isFinite(factored) ? domain.indexOf(factored) : here;
  if (there !== here) return domain.unitAt(there);
  return domain.unitAt(Math.min(domain.count - 1, Math.max(0, here + (isUp ? 1 : -1))));
}

/**
 * Starts a population.
 *
 * @throws TuneFault when the space or an option is not valid
 */
export function createPopulation<const S extends SpaceSpec>(settings: PopulationSettings<S>): Population<S> {
  return new Population(settings);
}

/**
 * Goes on with a saved population, exactly as if it had not stopped: what the settings leave out is as it was saved.
 * Segments that were running stay so: release those whose workers are gone.
 *
 * @throws TuneFault 'bad_snapshot', also when a setting is another one than was saved
 */
export function restorePopulation<const S extends SpaceSpec>(
  snapshot: PopulationSnapshot,
  settings: Pick<PopulationSettings<S>, 'space'> & Partial<PopulationSettings<S>>,
): Population<S> {
  if (snapshot.format !== 2) throw new TuneFault('bad_snapshot', `its format is ${String(snapshot.format)}, not 2`);
  const population = new Population({ ...snapshot.rules, ...settings });
  population.adopt(snapshot);
  return population;
}
