import { TuneFault } from '../fault.ts';
import type { PruneDecision, Pruner, ReportedTrial } from '../pruners/pruner.ts';
import { trialRng } from '../rng.ts';
import type { Observation, ProposalContext, Sampler } from '../samplers/sampler.ts';
import type { SpaceSpec, Suggestion } from '../space/params.ts';
import type { FlatParams, NestedParams, Point, Space } from '../space/space.ts';
import { bestOf } from './best-of.ts';
import { type Budget, checkBudget, spentBudget } from './budget.ts';
import type { Clock } from './clock.ts';
import { ObservationCache, toLosses } from './observations.ts';
import { replaceRefused } from './replacement.ts';
import type { StudyChanges, StudySnapshot } from './snapshot.ts';
import type { StopContext, Terminator } from './terminator.ts';
import type { Ask, Objective, Outcome, RunningTrial, TrialRecord } from './trial.ts';
import { type OpenRecord, TrialLedger } from './trial-ledger.ts';

export interface StudyOptions<S extends SpaceSpec> {
  readonly name: string;
  readonly space: S;
  readonly objectives: readonly Objective[];
  readonly sampler: Sampler;
  readonly pruner: Pruner;
  readonly terminator?: Terminator;
  /** Any finite number; the same seed and the same answers give the same suggestions. */
  readonly seed: number;
  readonly clock: Clock;
  readonly budget: Budget;
  /** A running trial without a heartbeat for so long is lost; Infinity turns leases off. */
  readonly leaseMs: number;
  /** How often the configuration of a lost trial is handed out again. */
  readonly retries: number;
  /** Known constraints: a configuration is proposed only when every one returns true. */
  readonly constraints: readonly ((params: Suggestion<S>) => boolean)[];
  /** Whether the same configuration may be proposed twice (useful for noisy evaluations). */
  readonly repeats: 'refuse' | 'allow';
  /** Called after every change of a trial, for a store or a live page. */
  readonly onChange?: (trial: TrialRecord) => void;
}

/**
 * An ask-and-tell search. The study is a state machine without waiting, threads or files: `ask` hands out a trial,
 * `report` takes step values and answers whether to go on, `tell` ends a trial, `snapshot` is all of it as JSON.
 */
export class Study<S extends SpaceSpec = SpaceSpec> {
  readonly options: StudyOptions<S>;
  #space: Space;
  readonly #ledger: TrialLedger;
  #observations: ObservationCache;
  /** Configurations that were proposed, so that none is proposed twice. */
  #taken = new Map<string, number>();
  #spaceCount: number | undefined;
  #startedAtMs: number | undefined;
  #parallelism = 1;

  /** Prefer `createStudy` and `restoreStudy`, which fill in the defaults. */
  constructor(options: StudyOptions<S>, space: Space) {
    if (options.objectives.length === 0)
      throw new TuneFault('bad_option', 'objectives', 'needs at least one objective');
    if (!Number.isFinite(options.seed)) throw new TuneFault('bad_option', 'seed', 'must be a finite number');
    if (!(options.leaseMs > 0)) throw new TuneFault('bad_option', 'leaseMs', 'must be above 0');
    if (!Number.isInteger(options.retries) || options.retries < 0)
      throw new TuneFault('bad_option', 'retries', 'must be a whole number from 0');
    checkBudget(options.budget);
    this.options = options;
    this.#ledger = new TrialLedger(options);
    this.#space = space;
    this.#observations = new ObservationCache(space, options.objectives);
  }

  get space(): Space {
    return this.#space;
  }

  get objectives(): readonly Objective[] {
    return this.options.objectives;
  }

  get trials(): readonly TrialRecord[] {
    return this.#ledger.records;
  }

  /** Grows with every change; see `changedSince`. */
  get revision(): number {
    return this.#ledger.revision;
  }

  /** Time of the first ask; undefined before it. */
  get startedAtMs(): number | undefined {
    return this.#startedAtMs;
  }

  /** Most trials seen running at once. */
  get parallelism(): number {
    return this.#parallelism;
  }

  changedSince(revision: number): readonly TrialRecord[] {
    return this.trials.filter(t => t.revision > revision);
  }

  /** Hands out the next trial: a promoted one, an enqueued one, or a new proposal. */
  ask(): Ask<Suggestion<S>> {
    this.recoverLost();
    const now = this.options.clock.now();
    this.#startedAtMs ??= now;
    const promoted = this.#ladder() ? undefined : this.#promoted();
    if (promoted) return { kind: 'trial', trial: this.#start(promoted) };
    const waiting = this.trials.find(t => t.state === 'waiting');
    if (waiting?.retryOf !== undefined) return { kind: 'trial', trial: this.#start(waiting) };
    const spent = spentBudget(this.options.budget, this.trials, now - this.#startedAtMs);
    if (spent) return this.#lastPromotion(spent === 'trials') ?? { kind: 'finished', because: spent };
    if (waiting) return { kind: 'trial', trial: this.#start(waiting) };
    if (this.options.terminator?.shouldStop(this.#stopContext())) return { kind: 'finished', because: 'terminator' };
    return this.#propose();
  }

  /** The values of a step (every objective, finite or NaN); answers whether the trial should go on. */
  report(number: number, step: number, values: number | readonly number[]): PruneDecision {
    const trial = this.#ledger.running(number);
    const vector = typeof values === 'number' ? [values] : [...values];
    if (vector.length !== this.options.objectives.length)
      throw new TuneFault('bad_step', `${this.options.objectives.length} values are needed, not ${vector.length}`);
    if (!Number.isFinite(step) || step < 0) throw new TuneFault('bad_step', `the step must be 0 or more, not ${step}`);
    const last = trial.reports.at(-1);
    // Whoever asks again may not have heard the answer; the values that count are those of the first time.
    if (last?.step === step) return this.#judge(trial, step);
    if (last && last.step > step) throw new TuneFault('bad_step', `step ${step} comes after step ${last.step}`);
    if (!this.#ledger.report(trial, step, vector)) return { kind: 'prune', because: trial.reason ?? '' };
    return this.#judge(trial, step);
  }

  #judge(trial: TrialRecord, step: number): PruneDecision {
    return this.options.pruner.judge({
      trial: this.#reported(trial),
      trials: this.#reportedTrials(),
      rng: trialRng(this.options.seed, trial.number, 1 + step),
    });
  }

  /** Ends a trial. Telling a finished trial the same outcome again is ignored, so a retried request does no harm. */
  tell(number: number, outcome: number | readonly number[] | Outcome): TrialRecord {
    const told = asOutcome(outcome);
    const known = this.#ledger.find(number);
    if (known.state === told.kind && told.kind === 'complete' && sameValues(known.values, told.values)) return known;
    const trial = this.#ledger.running(number);
    this.#parallelism = Math.max(this.#parallelism, this.#ledger.countRunning());
    this.#ledger.end(trial, told);
    return trial;
  }

  /** Keeps a running trial alive. */
  heartbeat(number: number): void {
    const trial = this.#ledger.running(number);
    this.#ledger.renewLease(trial);
    this.#ledger.changed(trial);
  }

  /**
   * Gives a running trial back unfinished, as when its worker stops in order: it waits with its reports, the next ask
   * hands the same trial out again, and the suggestions that follow are those of a study that was never interrupted.
   */
  release(number: number): TrialRecord {
    const trial = this.#ledger.running(number);
    this.#ledger.release(trial);
    return trial;
  }

  /** Marks trials whose lease has ended as lost and queues their configuration again. `ask` does this by itself. */
  recoverLost(): readonly TrialRecord[] {
    const now = this.options.clock.now();
    const lost = this.trials.filter(t => t.state === 'running' && (t.leaseUntilMs ?? Number.POSITIVE_INFINITY) < now);
    for (const trial of lost) this.#lose(trial);
    return lost;
  }

  /** Queues a configuration, complete or partial; missing parameters take their default or a random value. */
  enqueue(params: Partial<Suggestion<S>>): TrialRecord {
    return this.#enqueueFlat(this.#space.flatten(params as NestedParams), 'enqueued');
  }

  /** Queues a stored configuration by its flat names. */
  enqueueFlat(flat: FlatParams): TrialRecord {
    return this.#enqueueFlat(flat, 'enqueued');
  }

  /** Takes over finished trials of another study whose parameters fit this space; answers how many fitted. */
  warmStart(trials: readonly TrialRecord[]): number {
    let taken = 0;
    for (const t of trials) {
      const point = this.#space.toPoint(t.params);
      if (t.state !== 'complete' || point === undefined || t.values?.length !== this.options.objectives.length)
        continue;
      const { values, constraints, reports } = t;
      const own = this.#add(this.#space.toFlat(point), 'warm-start');
      Object.assign(own, { state: 'complete', values, reports, ...(constraints && { constraints }) });
      this.#ledger.changed(own);
      taken++;
    }
    return taken;
  }

  /** The best finished, feasible trial of a study with one objective (the first of equals). */
  best(): TrialRecord | undefined {
    if (this.options.objectives.length > 1)
      throw new TuneFault(
        'bad_option',
        'objectives',
        'has several entries: ask for the front, there is no single best',
      );
    return bestOf(this.trials, this.options.objectives)[0];
  }

  /** Finished, feasible trials that no other dominates. */
  front(): readonly TrialRecord[] {
    return bestOf(this.trials, this.options.objectives);
  }

  /** The typed suggestion of a stored trial. */
  paramsOf(trial: TrialRecord): Suggestion<S> {
    return this.#space.nest(trial.params) as Suggestion<S>;
  }

  /** Everything needed to go on elsewhere or later with identical suggestions, as plain JSON. */
  snapshot(): StudySnapshot {
    return {
      format: 1,
      name: this.options.name,
      seed: this.options.seed,
      space: this.#space.spec,
      objectives: this.options.objectives,
      trials: structuredClone(this.trials),
      revision: this.revision,
      ...(this.#startedAtMs !== undefined && { startedAtMs: this.#startedAtMs }),
      parallelism: this.#parallelism,
      sampler: { name: this.options.sampler.name, state: this.options.sampler.save() },
      pruner: { name: this.options.pruner.name, state: this.options.pruner.save() },
    };
  }

  /** @internal Fills a new study from a snapshot that `restoreStudy` has checked. */
  adopt(snapshot: StudySnapshot): void {
    this.#ledger.replace(structuredClone(snapshot.trials), snapshot.revision);
    this.#startedAtMs = snapshot.startedAtMs;
    this.#parallelism = snapshot.parallelism;
    for (const trial of this.trials) this.#take(trial);
    this.options.sampler.load(snapshot.sampler.state);
    this.options.pruner.load(snapshot.pruner.state);
  }

  /** Takes over what other workers of a shared store have changed, so that this study stands where the stored one does. */
  merge(changes: StudyChanges): void {
    this.#ledger.replace(changes.trials, changes.revision);
    for (const trial of changes.trials) this.#take(trial);
    this.#parallelism = changes.parallelism;
    this.#startedAtMs = changes.startedAtMs;
    if (changes.sampler !== undefined) this.options.sampler.load(changes.sampler);
    if (changes.pruner !== undefined) this.options.pruner.load(changes.pruner);
  }

  /** @internal Replaces the space; trials that no longer fit are kept but not shown to the sampler. */
  replaceSpace(space: Space): void {
    this.#space = space;
    this.#spaceCount = undefined;
    this.#observations.reset(space);
    this.#taken.clear();
    for (const trial of this.trials) this.#take(trial);
  }

  /** @internal Records what a define-by-run trial has asked for. */
  setParams(number: number, params: FlatParams): void {
    const trial = this.#ledger.running(number);
    trial.params = params;
    this.#ledger.changed(trial);
  }

  #propose(): Ask<Suggestion<S>> {
    if (this.#isExhausted()) return this.#lastPromotion(true) ?? { kind: 'exhausted' };
    const number = this.trials.length;
    const context = this.#context(number);
    const proposed = this.options.sampler.propose(context);
    if (proposed === undefined) return { kind: 'finished', because: 'sampler' };
    if ('resume' in proposed) return { kind: 'trial', trial: this.#start(this.#ledger.find(proposed.resume)) };
    const settled = this.#space.settle(proposed, context.rng);
    const point = context.accepts(settled) ? settled : replaceRefused(settled, context);
    if (point === undefined) return { kind: 'exhausted' };
    return { kind: 'trial', trial: this.#start(this.#add(this.#space.toFlat(point), this.options.sampler.name)) };
  }

  #context(number: number): ProposalContext {
    const { budget, constraints, objectives, repeats, seed } = this.options;
    const ladder = this.#ladder();
    const isFree = (point: Point): boolean =>
      repeats === 'allow' || this.#space.isOpen || !this.#taken.has(this.#space.keyOf(point));
    return {
      space: this.#space,
      number,
      observations: this.#observations.view(this.trials),
      objectives: objectives.length,
      rng: trialRng(seed, number),
      plannedTrials: budget.trials,
      parallelism: this.#parallelism,
      ...(ladder && { ladder }),
      accepts: point => {
        if (!isFree(point)) return false;
        if (constraints.length === 0) return true;
        const params = this.#space.nest(this.#space.toFlat(point)) as Suggestion<S>;
        return constraints.every(holds => holds(params));
      },
    };
  }

  #stopContext(): StopContext {
    const endOf = ({ number }: Observation): number => this.trials[number]?.finishedAtMs ?? 0;
    const isPending = (o: Observation): number => Number(o.kind === 'pending');
    const observations = this.#observations
      .view(this.trials)
      .toSorted((a, b) => isPending(a) - isPending(b) || endOf(a) - endOf(b) || a.number - b.number);
    return {
      space: this.#space,
      observations,
      objectives: this.options.objectives.length,
      plannedTrials: this.options.budget.trials,
      rng: stream => trialRng(this.options.seed, stream, 0.75),
    };
  }

  /** The ladder and who is paused on it, when the sampler decides who goes on. */
  #ladder(): ProposalContext['ladder'] {
    const { pruner, sampler, objectives } = this.options;
    if (!pruner.ladder || !sampler.thaws?.(objectives.length, this.#space)) return undefined;
    const paused = this.trials.filter(t => t.state === 'paused').map(t => t.number);
    return { ...pruner.ladder, paused: new Set(paused) };
  }

  /** Where the sampler decides who goes on, but may start nothing new any more, the pruner has the last word. */
  #lastPromotion(isOpen: boolean): Ask<Suggestion<S>> | undefined {
    const promoted = isOpen && this.#ladder() ? this.#promoted() : undefined;
    return promoted && { kind: 'trial', trial: this.#start(promoted) };
  }

  #isExhausted(): boolean {
    if (this.options.repeats === 'allow' || this.#space.isOpen) return false;
    this.#spaceCount ??= this.#space.count();
    return this.#taken.size >= this.#spaceCount;
  }

  #promoted(): OpenRecord | undefined {
    const { pruner } = this.options;
    if (!pruner.promote || !this.trials.some(t => t.state === 'paused')) return undefined;
    const reported = this.#reportedTrials();
    for (const number of pruner.retire?.(reported) ?? []) {
      const trial = this.#ledger.find(number);
      trial.state = 'pruned';
      this.#ledger.changed(trial);
    }
    const number = pruner.promote(reported);
    return number === undefined ? undefined : this.#ledger.find(number);
  }

  #start(trial: OpenRecord): RunningTrial<Suggestion<S>> {
    const resumeFrom = trial.reports.at(-1)?.step;
    this.#ledger.start(trial);
    this.#parallelism = Math.max(this.#parallelism, this.#ledger.countRunning());
    return {
      number: trial.number,
      params: this.paramsOf(trial),
      flat: trial.params,
      ...(resumeFrom !== undefined && { resumeFrom }),
    };
  }

  #lose(trial: OpenRecord): void {
    this.#ledger.lose(trial);
    if (trial.retries >= this.options.retries) return;
    const repeat = this.#add(trial.params, 'retry');
    repeat.retryOf = trial.number;
    repeat.retries = trial.retries + 1;
    this.#ledger.changed(repeat);
  }

  #enqueueFlat(partial: FlatParams, origin: 'enqueued' | 'default'): TrialRecord {
    const unknown = Object.keys(partial).find(name => this.#space.indexOf(name) < 0);
    if (unknown !== undefined) throw new TuneFault('bad_params', `there is no parameter "${unknown}"`);
    const point = new Float64Array(this.#space.size).fill(Number.NaN);
    this.#space.dimensions.forEach(({ name, domain, fallback }, i) => {
      const value = partial[name] ?? fallback;
      if (value === undefined) return;
      if (!domain.has(value)) throw new TuneFault('bad_params', `"${name}" is never ${String(value)}`);
      point[i] = domain.kind === 'category' ? domain.toIndex(value) : domain.toUnit(value);
    });
    const rng = trialRng(this.options.seed, this.trials.length, 0.5);
    const settled = this.#space.toFlat(this.#space.settle(point, rng));
    // A value that was given is kept as given: the way through the unit interval rounds in the last bits.
    const exact = Object.fromEntries(Object.entries(settled).map(([k, v]) => [k, partial[k] ?? v]));
    return this.#add(exact, origin);
  }

  #add(params: FlatParams, origin: string): OpenRecord {
    const trial = this.#ledger.add(params, origin);
    this.#take(trial);
    return trial;
  }

  #take(trial: TrialRecord): void {
    const point = this.#space.isOpen ? undefined : this.#space.toPoint(trial.params);
    if (point) this.#taken.set(this.#space.keyOf(point), trial.number);
  }

  #reported(trial: TrialRecord): ReportedTrial {
    const state = trial.state === 'waiting' || trial.state === 'lost' ? 'failed' : trial.state;
    const reports = trial.reports.map(r => ({ step: r.step, losses: toLosses(r.values, this.options.objectives) }));
    return { number: trial.number, state, reports };
  }

  #reportedTrials(): readonly ReportedTrial[] {
    return this.trials.filter(t => t.reports.length > 0 && t.state !== 'lost').map(t => this.#reported(t));
  }
}

function asOutcome(outcome: number | readonly number[] | Outcome): Outcome {
  if (typeof outcome === 'number') return { kind: 'complete', values: [outcome] };
  return 'kind' in outcome ? outcome : { kind: 'complete', values: outcome };
}

function sameValues(a: readonly number[] | undefined, b: readonly number[]): boolean {
  return a !== undefined && a.length === b.length && a.every((v, i) => v === b[i]);
}
