import {
  champion,
  fault,
  isFault,
  type ModelName,
  type Rollout,
  type RolloutAction,
  type RolloutDetail,
  type startRolloutSchema,
} from '@holdfast/api';
import type { Kysely } from 'kysely';
import type { z } from 'zod';
import type { Change, Registry } from '../registry/index.ts';
import type { ArmReport, RoutedDeployment } from '../serving/index.ts';
import { KeyedTurns } from '../storage/index.ts';
import type { Log } from '../telemetry/index.ts';
import { describeRollout, phraseOf } from './describe-rollout.ts';
import type { Fleet } from './fleet.ts';
import type { LabelEvidence } from './judge/evidence.ts';
import { hardGuard } from './judge/judge-step.ts';
import { firstState, isFinal, nextState, type RolloutInput, type RolloutState, sharesOf } from './rollout-state.ts';
import { RolloutStore, type StateChange, type StoredRollout } from './rollout-store.ts';
import { RunningRollout } from './running-rollout.ts';
import type { RolloutTables } from './schema.ts';
import { checkStart, type StartContext } from './start-check.ts';

export interface RolloutsOptions extends StartContext {
  readonly db: Kysely<RolloutTables>;
  readonly registry: Registry;
  readonly clock: () => number;
  readonly log: Log;
}

/** A step whose ground truth is wanted. */
export interface LabelQuestion {
  readonly model: ModelName;
  readonly release: string;
  readonly stage: number;
  readonly champion: number;
  readonly challenger: number;
  readonly sinceMs: number;
}

const pointEveryMs = 5000;
const judged: ReadonlySet<RolloutState['phase']> = new Set(['shadow', 'canary', 'paused']);
const self = 'holdfast';

/**
 * The rollouts of all models: at most one of a model is under way. Each follows `nextState`; every change is stored before
 * it takes effect, so a restart goes on where it was.
 */
export class Rollouts {
  readonly #options: RolloutsOptions;
  readonly #store: RolloutStore;
  readonly #running = new Map<ModelName, RunningRollout>();
  readonly #turns = new KeyedTurns<ModelName>();
  readonly #busy = new Set<ModelName>();
  readonly #lastPointMs = new Map<ModelName, number>();
  readonly #listeners = new Set<(rollout: Rollout) => void>();
  #fleet: Fleet | undefined;

  private constructor(options: RolloutsOptions) {
    this.#options = options;
    this.#store = new RolloutStore(options.db);
  }

  /** Reads what was under way; nothing moves before `attach`. */
  static async open(options: RolloutsOptions): Promise<Rollouts> {
    const rollouts = new Rollouts(options);
    for (const { order, state } of await rollouts.#store.open()) {
      const stored = await rollouts.#store.evidence(order, state.stage);
      // The time in which nobody was there to judge is no time of the step.
      const hasRunSince = stored !== undefined && state.phase !== 'paused' && stored.atMs >= state.resumedMs;
      const elapsedMs = hasRunSince ? stored.elapsedMs : state.elapsedMs;
      const resumed = { ...state, elapsedMs, resumedMs: options.clock() };
      rollouts.#running.set(order.model, new RunningRollout(order, resumed, stored?.evidence));
    }
    return rollouts;
  }

  /** The fleet asks `overlay` while it is made, so it comes afterwards. */
  attach(fleet: Fleet): void {
    this.#fleet = fleet;
  }

  /** Calls `listener` after a rollout changed, its state or what is known, until the returned function is called. */
  listen(listener: (rollout: Rollout) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get #routes(): Fleet {
    if (this.#fleet === undefined) throw new Error('the fleet is not attached');
    return this.#fleet;
  }

  /** The declared deployment with the rollout under way laid over it. */
  overlay(
    model: ModelName,
    declared: RoutedDeployment | undefined,
    aliases: Readonly<Record<string, number>>,
  ): RoutedDeployment | undefined {
    const running = this.#running.get(model);
    if (running === undefined || aliases[champion] !== running.order.champion || isFinal(running.state))
      return declared;
    const { order, state, release } = running;
    const { answered, copied } = sharesOf(state, order.steps);
    if (state.phase === 'rolling-back') return declared;
    const version = order.challenger;
    const { tolerance } = order.spec.judge.agreement;
    const shadow = copied > 0 ? [{ version, weight: Math.round(copied * 100), tolerance }] : [];
    return {
      release,
      stage: state.stage,
      salt: order.spec.salt,
      sticky: order.spec.sticky ?? declared?.sticky,
      challengers: [{ version, weight: Math.round(answered * 100) }],
      shadows: [...shadow, ...(declared?.shadows ?? []).filter(one => one.version !== version)],
      rules: declared?.rules ?? [],
    };
  }

  /**
   * Starts a rollout and waits until its version is loaded.
   * @throws Fault `rollout_running`, `rollout_refused`, `version_not_found`
   */
  async start(model: ModelName, request: z.output<typeof startRolloutSchema>, actor: string): Promise<Rollout> {
    await this.#turns.take(model, () => this.#begin(model, request, actor));
    await this.#load(model);
    return this.#latest(model);
  }

  async #begin(model: ModelName, request: z.output<typeof startRolloutSchema>, actor: string): Promise<void> {
    const { clock } = this.#options;
    const before = this.#running.get(model);
    if (before !== undefined && !request.supersede) throw fault('rollout_running', model, before.order.id);
    const asked = await checkStart(this.#options, model, request);
    const nowMs = clock();
    const change = (state: RolloutState, reason: string): StateChange => ({
      state,
      actor,
      reason,
      checks: [],
      atMs: nowMs,
    });
    const superseded = before && {
      id: before.order.id,
      change: change(
        { ...before.state, phase: 'rolled-back' },
        `Superseded by a rollout of version ${request.version}.`,
      ),
    };
    const order = await this.#store.begin(
      {
        model,
        ...asked,
        actor,
        reason: request.reason,
        startedAtMs: nowMs,
      },
      change(firstState(nowMs), request.reason),
      superseded,
    );
    this.#running.set(model, new RunningRollout(order, firstState(nowMs), undefined));
    if (before !== undefined) await this.#routes.reroute(model);
    this.#announce(model);
  }

  /** Loads the new version outside the turn, so that the rollout can be aborted meanwhile; settles when it is loaded. */
  async #load(model: ModelName): Promise<void> {
    const running = this.#running.get(model);
    if (running === undefined || running.state.phase !== 'pending') return;
    running.loading ??= this.#loadVersion(running).finally(() => {
      running.loading = undefined;
    });
    await running.loading;
  }

  async #loadVersion(running: RunningRollout): Promise<void> {
    const { model, challenger } = running.order;
    await this.#routes.announce(model);
    const { state, reason } = this.#routes.stateOf(model, challenger);
    const input: RolloutInput =
      state === 'ready' ? { kind: 'loaded' } : { kind: 'load-failed', why: reason ?? `it is ${state}` };
    await this.#turns.take(model, async () => {
      if (this.#running.get(model) === running) await this.#move(running, input, self);
    });
  }

  /** @throws Fault `no_rollout`, `rollout_refused` */
  async act(model: ModelName, action: RolloutAction, { actor, reason }: Change): Promise<Rollout> {
    await this.#options.registry.versions(model);
    return this.#turns.take(model, async () => {
      const running = this.#running.get(model);
      if (running === undefined) throw fault('no_rollout', model);
      const isMoved = await this.#move(running, { kind: 'act', action, reason: reason || action }, actor);
      if (!isMoved) throw fault('rollout_refused', `it cannot ${action} while it is ${phraseOf(running)}`);
      return this.#latest(model);
    });
  }

  /** The runtime gave a version up. */
  async quarantined(model: ModelName, version: number, why: string): Promise<void> {
    await this.#interrupt(model, running =>
      running.order.challenger === version ? `Rolled back at once: version ${version}: ${why}.` : undefined,
    );
  }

  async #interrupt(model: ModelName, reasonOf: (running: RunningRollout) => string | undefined): Promise<void> {
    await this.#turns.take(model, async () => {
      const running = this.#running.get(model);
      const why = running && reasonOf(running);
      if (running !== undefined && why !== undefined) await this.#move(running, { kind: 'interrupted', why }, self);
    });
  }

  /** What gateways reported. */
  take(reports: readonly ArmReport[]): void {
    for (const report of reports) {
      for (const running of this.#running.values()) if (running.order.model === report.model) running.take(report);
    }
  }

  /** Ground truth that the watcher counted. */
  takeLabels(
    { model, release, stage }: { readonly model: string; readonly release: string; readonly stage: number },
    labels: LabelEvidence,
  ): void {
    for (const running of this.#running.values()) {
      if (running.order.model === model && running.release === release) running.takeLabels(labels, stage);
    }
  }

  /** The steps whose ground truth is wanted. */
  questions(): readonly LabelQuestion[] {
    return [...this.#running.values()]
      .filter(({ order, state }) => judged.has(state.phase) && order.spec.judge.performance.mode !== 'off')
      .map(({ order, state, release }) => ({
        model: order.model,
        release,
        stage: state.stage,
        champion: order.champion,
        challenger: order.challenger,
        sinceMs: state.stepStartedMs,
      }));
  }

  /** Moves every rollout on; a model whose last turn still goes on is left alone. */
  async tick(): Promise<void> {
    const models = [...this.#running.keys()].filter(model => !this.#busy.has(model));
    await Promise.all(
      models.map(async model => {
        this.#busy.add(model);
        try {
          await this.#step(model);
        } catch (error) {
          this.#options.log.error({ model, error }, 'rollout.step_failed');
        } finally {
          this.#busy.delete(model);
        }
      }),
    );
  }

  async #step(model: ModelName): Promise<void> {
    const { registry, clock } = this.#options;
    if (this.#running.get(model)?.state.phase === 'pending') {
      await this.#load(model);
      return;
    }
    await this.#turns.take(model, async () => {
      const running = this.#running.get(model);
      if (running === undefined) return;
      const { phase } = running.state;
      if (phase === 'promoting') return this.#promote(running);
      if (phase === 'rolling-back') return this.#clear(running);
      if (!judged.has(phase)) return;
      const current = (await registry.aliases(model)).find(target => target.alias === champion)?.version;
      if (current !== running.order.champion) {
        const why = `The champion was moved to version ${current ?? 'none'} by somebody else.`;
        await this.#move(running, { kind: 'interrupted', why }, self);
        return;
      }
      const hasNews = running.digest(clock());
      if (hasNews) await this.#store.saveEvidence(running.order, running.state.stage, running.known(clock()));
      await this.#judge(running);
    });
  }

  async #judge(running: RunningRollout): Promise<void> {
    const { order, state, evidence } = running;
    const nowMs = this.#options.clock();
    const decision = running.judge(nowMs);
    if (decision === undefined) return;
    await this.#draw(running, nowMs);
    if (state.phase === 'paused') {
      // A person has the word; only what hurts callers now is not left to wait.
      const tripped = hardGuard(evidence.challenger, evidence.champion, order.spec.judge);
      if (tripped === undefined) return this.#announce(order.model);
    }
    const isMoved = await this.#move(running, { kind: 'decided', decision }, self);
    if (!isMoved) this.#announce(order.model);
  }

  /** A point of the chart, now and then. */
  async #draw({ order, state, decision }: RunningRollout, nowMs: number): Promise<void> {
    const last = this.#lastPointMs.get(order.model) ?? Number.NEGATIVE_INFINITY;
    const every = Math.max(pointEveryMs / 5, Math.min(pointEveryMs, (order.steps[state.step]?.forMs ?? 0) / 60));
    if (decision === undefined || nowMs - last < every) return;
    this.#lastPointMs.set(order.model, nowMs);
    const checks = decision.checks.map(({ check, effect, low, high, margin, outcome }) => ({
      check,
      effect,
      low,
      high,
      margin,
      outcome,
    }));
    await this.#store.savePoint(order, { atMs: nowMs, step: state.step, checks });
  }

  /** Stores a transition, then lets it take effect; false when the input changes nothing. */
  async #move(running: RunningRollout, input: RolloutInput, actor: string): Promise<boolean> {
    const { order, decision } = running;
    const atMs = this.#options.clock();
    const transition = nextState(running.state, input, order.steps, atMs);
    if (transition === undefined) return false;
    const { state, reason } = transition;
    const before = running.state;
    await this.#store.append(order, { state, actor, reason, checks: decision?.checks ?? [], atMs });
    running.become(state);
    const { model } = order;
    this.#options.log.info(
      { model, rollout: order.id, from: before.phase, to: state.phase, actor, reason },
      'rollout.moved',
    );
    if (isFinal(state)) this.#running.delete(model);
    // The shares change in the gateways before anything else happens.
    if (state.stage !== before.stage || isFinal(state)) await this.#routes.reroute(model);
    this.#announce(model);
    if (state.phase === 'rolling-back') await this.#clear(running);
    else if (state.phase === 'promoting') await this.#promote(running);
    else if (isFinal(state)) await this.#routes.announce(model);
    return true;
  }

  /** No gateway knows the version any more when `reroute` returns; then its runner may go. */
  async #clear(running: RunningRollout): Promise<void> {
    await this.#routes.reroute(running.order.model);
    await this.#move(running, { kind: 'cleared' }, self);
  }

  /** Moves the champion and writes the event in one transaction. */
  async #promote(running: RunningRollout): Promise<void> {
    const { order, decision } = running;
    const { registry, clock } = this.#options;
    const transition = nextState(running.state, { kind: 'promoted' }, order.steps, clock());
    if (transition === undefined || (await this.#hasEnded(running))) return;
    const { state } = transition;
    const target = (await registry.aliases(order.model)).find(one => one.alias === champion);
    if (target?.version !== order.champion) {
      const why = `The champion was moved to version ${target?.version ?? 'none'} by somebody else.`;
      await this.#move(running, { kind: 'interrupted', why }, self);
      return;
    }
    const reason = `rollout ${order.id} of version ${order.challenger}`;
    try {
      await this.#routes.moveAlias(order.model, champion, order.challenger, {
        actor: order.actor,
        reason,
        expectedGeneration: target.generation,
        alongside: transaction =>
          this.#store.append(
            order,
            { state, actor: self, reason: transition.reason, checks: decision?.checks ?? [], atMs: clock() },
            transaction.$extendTables<Pick<RolloutTables, keyof RolloutTables>>().$pickTables<keyof RolloutTables>(),
          ),
      });
    } catch (error) {
      // What comes after the commit, such as telling the gateways, may have failed.
      if (await this.#hasEnded(running)) {
        this.#options.log.warn({ model: order.model, rollout: order.id, error }, 'rollout.promoted_with_failure');
        return;
      }
      if (!isFault(error)) throw error;
      await this.#move(running, { kind: 'promotion-failed', why: error.message }, self);
      return;
    }
    await this.#ended(running, state);
  }

  /** Whether the promotion is stored already; then it takes effect here too. */
  async #hasEnded(running: RunningRollout): Promise<boolean> {
    const { state } = await this.#store.read(running.order.model, running.order.id);
    if (!isFinal(state)) return false;
    await this.#ended(running, state);
    return true;
  }

  async #ended(running: RunningRollout, state: RolloutState): Promise<void> {
    const { model, id, challenger } = running.order;
    running.become(state);
    this.#running.delete(model);
    this.#options.log.info({ model, rollout: id, version: challenger }, 'rollout.promoted');
    await this.#routes.reroute(model);
    this.#announce(model);
  }

  /** All rollouts of a model, newest first. */
  async list(model: ModelName): Promise<Rollout[]> {
    return (await this.#store.list(model)).map(stored => this.#describe(stored));
  }

  async read(model: ModelName, id: number): Promise<RolloutDetail> {
    const stored = await this.#store.read(model, id);
    const [events, points] = await Promise.all([this.#store.events(stored), this.#store.points(stored)]);
    return { rollout: this.#describe(stored), events, points };
  }

  /** A removed model takes its history along. */
  async forget(model: ModelName): Promise<void> {
    await this.#turns.take(model, async () => {
      this.#running.delete(model);
      await this.#store.forget(model);
    });
  }

  async #latest(model: ModelName): Promise<Rollout> {
    const [latest] = await this.#store.list(model, 1);
    if (latest === undefined) throw fault('no_rollout', model);
    return this.#describe(latest);
  }

  #announce(model: ModelName): void {
    if (this.#listeners.size === 0) return;
    this.#latest(model).then(
      rollout => {
        for (const listener of this.#listeners) listener(rollout);
      },
      (error: unknown) => this.#options.log.error({ model, error }, 'rollout.not_announced'),
    );
  }

  #describe({ order, state, endedAtMs }: StoredRollout): Rollout {
    const running = this.#running.get(order.model);
    return describeRollout(order, state, endedAtMs, running?.order.id === order.id ? running : undefined);
  }
}
