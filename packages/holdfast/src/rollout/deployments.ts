import {
  type Deployment,
  type DeploymentInput,
  deploymentSchema,
  type ModelName,
  modelNameSchema,
} from '@holdfast/api';
import type { Kysely } from 'kysely';
import type { Change, Primary } from '../registry/index.ts';
import type { RolloutTables } from './schema.ts';

interface Standing {
  readonly seq: number;
  readonly spec: Deployment | undefined;
}

/** The declared deployments of all models. Kept in memory, because routing asks for them while it is made. */
export class Deployments {
  readonly #db: Kysely<RolloutTables>;
  readonly #now: () => number;
  readonly #primary: Primary<RolloutTables> | undefined;
  #standing = new Map<ModelName, Standing>();

  private constructor(db: Kysely<RolloutTables>, now: () => number, primary: Primary<RolloutTables> | undefined) {
    this.#db = db;
    this.#now = now;
    this.#primary = primary;
  }

  /** @param primary where changes are made, when `db` is this machine's copy of it */
  static async open(
    db: Kysely<RolloutTables>,
    now: () => number,
    primary?: Primary<RolloutTables>,
  ): Promise<Deployments> {
    const deployments = new Deployments(db, now, primary);
    await deployments.reload();
    return deployments;
  }

  /** Takes over what the database says, after somebody else changed it. */
  async reload(): Promise<void> {
    const rows = await this.#db.selectFrom('deployment_change').selectAll().orderBy('model').orderBy('seq').execute();
    const standing = new Map<ModelName, Standing>();
    for (const row of rows) {
      const spec = row.spec_json === null ? undefined : deploymentSchema.parse(JSON.parse(row.spec_json));
      standing.set(modelNameSchema.parse(row.model), { seq: row.seq, spec });
    }
    this.#standing = standing;
  }

  /** What is in force, with the number of the change that made it so. */
  of(model: ModelName): Standing {
    return this.#standing.get(model) ?? { seq: 0, spec: undefined };
  }

  /** Puts a deployment in force; undefined lets the champion answer all. */
  async set(model: ModelName, spec: Deployment | undefined, change: Change): Promise<void> {
    await this.#append(model, spec, 'api', change);
  }

  /**
   * Takes over what the configuration file declares, if that differs from what it declared before: a change that was
   * made by hand since holds over a restart.
   */
  async declare(model: ModelName, declared: DeploymentInput | undefined): Promise<void> {
    const spec = declared && deploymentSchema.parse(declared);
    const before = await this.#db
      .selectFrom('deployment_change')
      .select('spec_json')
      .where('model', '=', model)
      .where('source', '=', 'file')
      .orderBy('seq', 'desc')
      .executeTakeFirst();
    const json = spec === undefined ? null : JSON.stringify(spec);
    if ((before?.spec_json ?? null) === json) return;
    await this.#append(model, spec, 'file', { actor: 'holdfast', reason: 'holdfast.yaml' });
  }

  async #append(
    model: ModelName,
    spec: Deployment | undefined,
    source: 'file' | 'api',
    { actor, reason }: Change,
  ): Promise<void> {
    const seq = await (this.#primary?.db() ?? this.#db).transaction().execute(async transaction => {
      const { last } = await transaction
        .selectFrom('deployment_change')
        .select(select => select.fn.max('seq').as('last'))
        .where('model', '=', model)
        .executeTakeFirstOrThrow();
      const next = Number(last ?? 0) + 1;
      const spec_json = spec === undefined ? null : JSON.stringify(spec);
      await transaction
        .insertInto('deployment_change')
        .values({ model, seq: next, source, spec_json, actor, reason, at_ms: this.#now() })
        .execute();
      return next;
    });
    this.#standing.set(model, { seq, spec });
    await this.#primary?.pull();
  }
}
