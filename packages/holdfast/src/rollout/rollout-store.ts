import {
  type CheckResult,
  checkResultSchema,
  fault,
  judgeSchema,
  type ModelName,
  modelNameSchema,
  parsePlan,
  type RolloutEvent,
  type RolloutPoint,
  type RolloutStep,
  rolloutPhaseSchema,
  rolloutPointSchema,
  stickySchema,
} from '@holdfast/api';
import type { Kysely, Selectable } from 'kysely';
import { z } from 'zod';
import type { StepEvidence } from './judge/evidence.ts';
import { answeredShare, isFinal, type RolloutState } from './rollout-state.ts';
import type { RolloutTables } from './schema.ts';

const specSchema = z.object({
  sticky: stickySchema.optional(),
  salt: z.string(),
  judge: judgeSchema,
});
export type RolloutSpec = z.output<typeof specSchema>;

/** A rollout as it was asked for; it never changes. */
export interface RolloutOrder {
  readonly model: ModelName;
  readonly id: number;
  readonly champion: number;
  readonly challenger: number;
  readonly plan: string;
  readonly steps: readonly RolloutStep[];
  readonly spec: RolloutSpec;
  readonly actor: string;
  readonly reason: string;
  readonly startedAtMs: number;
}

export interface StoredRollout {
  readonly order: RolloutOrder;
  readonly state: RolloutState;
  readonly endedAtMs: number | null;
}

export interface StoredEvidence {
  readonly evidence: StepEvidence;
  /** Time of the step until then, without pauses and without the time in which nobody judged. */
  readonly elapsedMs: number;
  /** When it was last stored. */
  readonly atMs: number;
}

/** Who changed the state and why, and what was known. */
export interface StateChange {
  readonly state: RolloutState;
  readonly actor: string;
  readonly reason: string;
  readonly checks: readonly CheckResult[];
  readonly atMs: number;
}

const pointsPerRollout = 600;
const checksSchema = z.array(checkResultSchema);
const stateSchema: z.ZodType<RolloutState> = z.object({
  phase: rolloutPhaseSchema,
  pausedFor: z.enum(['manual', 'inconclusive']).nullable(),
  step: z.number(),
  resumeStep: z.number(),
  stage: z.number(),
  stepStartedMs: z.number(),
  resumedMs: z.number(),
  elapsedMs: z.number(),
});

function stepsOf(plan: string): readonly RolloutStep[] {
  const steps = parsePlan(plan);
  if (typeof steps === 'string') throw new Error(`a stored plan is not valid: ${steps}`);
  return steps;
}

function orderOf(row: Selectable<RolloutTables['rollout']>): RolloutOrder {
  return {
    model: modelNameSchema.parse(row.model),
    id: row.id,
    champion: row.champion,
    challenger: row.challenger,
    plan: row.plan,
    steps: stepsOf(row.plan),
    spec: specSchema.parse(JSON.parse(row.spec_json)),
    actor: row.actor,
    reason: row.reason,
    startedAtMs: Number(row.started_at_ms),
  };
}

/** Rollouts in `meta.db`. Every transition is one transaction: the event, the end of the old step's evidence, the close. */
export class RolloutStore {
  readonly #db: Kysely<RolloutTables>;

  constructor(db: Kysely<RolloutTables>) {
    this.#db = db;
  }

  /** The rollouts that are not over. */
  async open(): Promise<StoredRollout[]> {
    const rows = await this.#db.selectFrom('rollout').selectAll().where('is_open', '=', 1).execute();
    return Promise.all(rows.map(row => this.#stored(row)));
  }

  /** All rollouts of a model, newest first. */
  async list(model: ModelName, limit = 50): Promise<StoredRollout[]> {
    const rows = await this.#db
      .selectFrom('rollout')
      .selectAll()
      .where('model', '=', model)
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return Promise.all(rows.map(row => this.#stored(row)));
  }

  /** @throws Fault `not_found` */
  async read(model: ModelName, id: number): Promise<StoredRollout> {
    const row = await this.#db
      .selectFrom('rollout')
      .selectAll()
      .where('model', '=', model)
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) throw fault('not_found', `Rollout ${id} of "${model}"`);
    return this.#stored(row);
  }

  async #stored(row: Selectable<RolloutTables['rollout']>): Promise<StoredRollout> {
    const last = await this.#db
      .selectFrom('rollout_event')
      .selectAll()
      .where('model', '=', row.model)
      .where('rollout', '=', row.id)
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirstOrThrow();
    const state = stateSchema.parse(JSON.parse(last.state_json));
    return { order: orderOf(row), state, endedAtMs: isFinal(state) ? Number(last.at_ms) : null };
  }

  /**
   * Opens a rollout, and ends the one under way in the same transaction when it is to be superseded.
   * @throws Fault `rollout_running`
   */
  async begin(
    order: Omit<RolloutOrder, 'id' | 'steps'>,
    first: StateChange,
    supersede: { readonly id: number; readonly change: StateChange } | undefined,
  ): Promise<RolloutOrder> {
    const { model, spec, startedAtMs, ...rest } = order;
    const id = await this.#db.transaction().execute(async transaction => {
      if (supersede !== undefined) await append(transaction, model, supersede.id, supersede.change);
      const running = await transaction
        .selectFrom('rollout')
        .select('id')
        .where('model', '=', model)
        .where('is_open', '=', 1)
        .executeTakeFirst();
      if (running !== undefined) throw fault('rollout_running', model, running.id);
      const { last } = await transaction
        .selectFrom('rollout')
        .select(select => select.fn.max('id').as('last'))
        .where('model', '=', model)
        .executeTakeFirstOrThrow();
      const next = Number(last ?? 0) + 1;
      await transaction
        .insertInto('rollout')
        .values({ ...rest, model, id: next, spec_json: JSON.stringify(spec), started_at_ms: startedAtMs, is_open: 1 })
        .execute();
      await append(transaction, model, next, first);
      return next;
    });
    return { ...order, id, steps: stepsOf(order.plan) };
  }

  /** Writes a transition. Inside a transaction of somebody else when one is given. */
  async append(order: RolloutOrder, change: StateChange, within?: Kysely<RolloutTables>): Promise<void> {
    if (within !== undefined) await append(within, order.model, order.id, change);
    else await this.#db.transaction().execute(transaction => append(transaction, order.model, order.id, change));
  }

  async events({ order: { model, id, steps } }: StoredRollout): Promise<RolloutEvent[]> {
    const rows = await this.#db
      .selectFrom('rollout_event')
      .selectAll()
      .where('model', '=', model)
      .where('rollout', '=', id)
      .orderBy('seq')
      .execute();
    return rows.map(row => {
      const state = stateSchema.parse(JSON.parse(row.state_json));
      return {
        seq: row.seq,
        atMs: Number(row.at_ms),
        phase: state.phase,
        step: state.step,
        percent: answeredShare(state, steps),
        actor: row.actor,
        reason: row.reason,
        checks: checksSchema.parse(JSON.parse(row.checks_json)),
      };
    });
  }

  /** Evidence of a step; undefined when that step has none yet. */
  async evidence({ model, id }: RolloutOrder, stage: number): Promise<StoredEvidence | undefined> {
    const row = await this.#db
      .selectFrom('rollout_evidence')
      .select(['evidence_json', 'at_ms'])
      .where('model', '=', model)
      .where('rollout', '=', id)
      .where('stage', '=', stage)
      .executeTakeFirst();
    // Written by this class, from the same type.
    return row && { ...JSON.parse(row.evidence_json), atMs: Number(row.at_ms) };
  }

  async saveEvidence({ model, id }: RolloutOrder, stage: number, { atMs, ...known }: StoredEvidence): Promise<void> {
    const evidence_json = JSON.stringify(known);
    await this.#db
      .insertInto('rollout_evidence')
      .values({ model, rollout: id, stage, evidence_json, at_ms: atMs })
      .onConflict(conflict => conflict.columns(['model', 'rollout']).doUpdateSet({ stage, evidence_json, at_ms: atMs }))
      .execute();
  }

  async points({ order: { model, id } }: StoredRollout): Promise<RolloutPoint[]> {
    const rows = await this.#db
      .selectFrom('rollout_point')
      .selectAll()
      .where('model', '=', model)
      .where('rollout', '=', id)
      .orderBy('at_ms', 'desc')
      .limit(pointsPerRollout)
      .execute();
    return rows
      .map(row =>
        rolloutPointSchema.parse({ atMs: Number(row.at_ms), step: row.step, checks: JSON.parse(row.checks_json) }),
      )
      .reverse();
  }

  async savePoint({ model, id }: RolloutOrder, { atMs, step, checks }: RolloutPoint): Promise<void> {
    await this.#db
      .insertInto('rollout_point')
      .values({ model, rollout: id, at_ms: atMs, step, checks_json: JSON.stringify(checks) })
      .onConflict(conflict => conflict.doNothing())
      .execute();
  }

  /** A removed model takes its rollouts along. */
  async forget(model: ModelName): Promise<void> {
    await this.#db.transaction().execute(async transaction => {
      for (const table of ['rollout_point', 'rollout_evidence', 'rollout_event', 'rollout'] as const) {
        await transaction.deleteFrom(table).where('model', '=', model).execute();
      }
    });
  }
}

async function append(
  transaction: Kysely<RolloutTables>,
  model: ModelName,
  rollout: number,
  { state, actor, reason, checks, atMs }: StateChange,
): Promise<void> {
  const { last } = await transaction
    .selectFrom('rollout_event')
    .select(select => select.fn.max('seq').as('last'))
    .where('model', '=', model)
    .where('rollout', '=', rollout)
    .executeTakeFirstOrThrow();
  await transaction
    .insertInto('rollout_event')
    .values({
      model,
      rollout,
      seq: Number(last ?? 0) + 1,
      at_ms: atMs,
      actor,
      reason,
      state_json: JSON.stringify(state),
      checks_json: JSON.stringify(checks),
    })
    .execute();
  if (!isFinal(state)) return;
  await transaction
    .updateTable('rollout')
    .set({ is_open: 0 })
    .where('model', '=', model)
    .where('id', '=', rollout)
    .execute();
  await transaction.deleteFrom('rollout_evidence').where('model', '=', model).where('rollout', '=', rollout).execute();
}
