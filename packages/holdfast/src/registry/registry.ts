import {
  type Alias,
  type AliasMove,
  aliasSchema,
  type Digest,
  digestSchema,
  fault,
  type ModelName,
  modelNameSchema,
  type Signature,
  signatureSchema,
} from '@holdfast/api';
import type { Kysely, Selectable, Transaction } from 'kysely';
import { z } from 'zod';
import type { RegistrySchema } from './schema.ts';

/** What a version is made of; immutable once registered. */
export interface VersionContents {
  /** The prepared ONNX graph that is served. */
  readonly digest: Digest;
  /** The file as it was uploaded. */
  readonly sourceDigest: Digest;
  readonly bytes: number;
  readonly signature: Signature;
  readonly provenance: Readonly<Record<string, string>>;
  readonly baseline: { readonly digest: Digest; readonly profileDigest: Digest; readonly rows: number } | undefined;
}

export interface RegisteredVersion extends VersionContents {
  readonly model: ModelName;
  readonly version: number;
  readonly createdAtMs: number;
  /** Why its runners were stopped for good, when they were. */
  readonly quarantine: string | undefined;
}

export interface AliasTarget {
  readonly alias: Alias;
  readonly version: number;
  readonly generation: number;
}

export interface Change {
  readonly actor: string;
  readonly reason: string;
}

export interface AliasChange extends Change {
  /** Refuse with `alias_moved` unless the alias is at this generation. */
  readonly expectedGeneration?: number | undefined;
  /** What must be stored with the move or not at all. */
  readonly alongside?: (transaction: Transaction<RegistrySchema>) => Promise<void>;
}

const provenanceSchema = z.record(z.string(), z.string());

function versionOf(
  row: Selectable<RegistrySchema['model_version']>,
  quarantine: string | undefined,
): RegisteredVersion {
  return {
    model: modelNameSchema.parse(row.model),
    version: row.version,
    digest: digestSchema.parse(row.digest),
    sourceDigest: digestSchema.parse(row.source_digest),
    bytes: row.bytes,
    signature: signatureSchema.parse(JSON.parse(row.signature_json)),
    provenance: provenanceSchema.parse(JSON.parse(row.provenance_json)),
    baseline:
      row.baseline_digest !== null && row.baseline_profile_digest !== null
        ? {
            digest: digestSchema.parse(row.baseline_digest),
            profileDigest: digestSchema.parse(row.baseline_profile_digest),
            rows: row.baseline_rows ?? 0,
          }
        : undefined,
    createdAtMs: row.created_at_ms,
    quarantine,
  };
}

function moveOf(row: Omit<RegistrySchema['alias_move'], 'id'>): AliasMove {
  return {
    alias: aliasSchema.parse(row.alias),
    fromVersion: row.from_version,
    toVersion: row.to_version,
    generation: row.generation,
    atMs: row.at_ms,
    actor: row.actor,
    reason: row.reason,
  };
}

function sameContents(row: Selectable<RegistrySchema['model_version']>, contents: VersionContents): boolean {
  return row.source_digest === contents.sourceDigest && row.baseline_digest === (contents.baseline?.digest ?? null);
}

/** Where changes are made when what is read is a copy. */
export interface Primary<Schema> {
  /** @throws Fault `database_unavailable` while it cannot be reached */
  db(): Kysely<Schema>;
  /** Brings the copy up to date, after a change. */
  pull(): Promise<void>;
}

/**
 * Models, versions and aliases. Every change is one transaction and is durable when its promise resolves. On a machine
 * of a cluster, what is read is the machine's own copy, and changes are made in the shared database.
 */
export class Registry {
  readonly #db: Kysely<RegistrySchema>;
  readonly #now: () => number;
  readonly #primary: Primary<RegistrySchema> | undefined;

  constructor(db: Kysely<RegistrySchema>, now: () => number, primary?: Primary<RegistrySchema>) {
    this.#db = db;
    this.#now = now;
    this.#primary = primary;
  }

  async #change<T>(work: (transaction: Transaction<RegistrySchema>) => Promise<T>): Promise<T> {
    const result = await (this.#primary?.db() ?? this.#db).transaction().execute(work);
    await this.#primary?.pull();
    return result;
  }

  async modelNames(): Promise<ModelName[]> {
    const rows = await this.#db.selectFrom('model').select('name').orderBy('name').execute();
    return rows.map(row => modelNameSchema.parse(row.name));
  }

  /** Versions of a model, oldest first. @throws Fault `model_not_found` */
  async versions(model: ModelName): Promise<RegisteredVersion[]> {
    const rows = await this.#db
      .selectFrom('model_version as v')
      .leftJoin('model_quarantine as q', join =>
        join.onRef('q.model', '=', 'v.model').onRef('q.version', '=', 'v.version'),
      )
      .selectAll('v')
      .select('q.reason as quarantine')
      .where('v.model', '=', model)
      .orderBy('v.version')
      .execute();
    if (rows.length === 0) throw fault('model_not_found', model);
    return rows.map(row => versionOf(row, row.quarantine ?? undefined));
  }

  /** @throws Fault `model_not_found` or `version_not_found` */
  async version(model: ModelName, version: number): Promise<RegisteredVersion> {
    const found = (await this.versions(model)).find(candidate => candidate.version === version);
    if (found === undefined) throw fault('version_not_found', model, version);
    return found;
  }

  async aliases(model: ModelName): Promise<AliasTarget[]> {
    const rows = await this.#db
      .selectFrom('model_alias')
      .selectAll()
      .where('model', '=', model)
      .orderBy('alias')
      .execute();
    return rows.map(row => ({ alias: aliasSchema.parse(row.alias), version: row.version, generation: row.generation }));
  }

  /** Moves of all aliases of a model, newest first. */
  async history(model: ModelName, limit = 200): Promise<AliasMove[]> {
    const rows = await this.#db
      .selectFrom('alias_move')
      .selectAll()
      .where('model', '=', model)
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(moveOf);
  }

  /** The version with this source and baseline, so that deploying the same file twice changes nothing. */
  async findSame(
    model: ModelName,
    sourceDigest: Digest,
    baselineDigest: Digest | undefined,
  ): Promise<number | undefined> {
    const row = await this.#db
      .selectFrom('model_version')
      .select('version')
      .where('model', '=', model)
      .where('source_digest', '=', sourceDigest)
      .where('baseline_digest', baselineDigest === undefined ? 'is' : '=', baselineDigest ?? null)
      .orderBy('version', 'desc')
      .executeTakeFirst();
    return row?.version;
  }

  /**
   * Adds a version; the next free number when none is asked for.
   *
   * @throws Fault `version_exists` when that number is taken by other contents
   */
  async createVersion(model: ModelName, contents: VersionContents, wanted?: number): Promise<RegisteredVersion> {
    const createdAtMs = this.#now();
    const version = await this.#change(async transaction => {
      await transaction
        .insertInto('model')
        .values({ name: model, created_at_ms: createdAtMs })
        .onConflict(conflict => conflict.doNothing())
        .execute();
      const number = wanted ?? (await this.#nextVersion(transaction, model));
      const existing = await transaction
        .selectFrom('model_version')
        .selectAll()
        .where('model', '=', model)
        .where('version', '=', number)
        .executeTakeFirst();
      if (existing !== undefined) {
        if (sameContents(existing, contents)) return number;
        throw fault('version_exists', model, number);
      }
      await transaction
        .insertInto('model_version')
        .values({
          model,
          version: number,
          digest: contents.digest,
          source_digest: contents.sourceDigest,
          bytes: contents.bytes,
          signature_json: JSON.stringify(contents.signature),
          provenance_json: JSON.stringify(contents.provenance),
          baseline_digest: contents.baseline?.digest ?? null,
          baseline_profile_digest: contents.baseline?.profileDigest ?? null,
          baseline_rows: contents.baseline?.rows ?? null,
          created_at_ms: createdAtMs,
        })
        .execute();
      return number;
    });
    return this.version(model, version);
  }

  /** Numbers are never used twice, not even after a version was removed: the history of moves remembers them. */
  async #nextVersion(transaction: Transaction<RegistrySchema>, model: ModelName): Promise<number> {
    const { highest } = await transaction
      .selectFrom('model_version')
      .select(select => select.fn.max('version').as('highest'))
      .where('model', '=', model)
      .executeTakeFirstOrThrow();
    const { moved } = await transaction
      .selectFrom('alias_move')
      .select(select => select.fn.max('to_version').as('moved'))
      .where('model', '=', model)
      .executeTakeFirstOrThrow();
    return Math.max(Number(highest ?? 0), Number(moved ?? 0)) + 1;
  }

  /**
   * Points an alias at a version and writes the move into the history, in one transaction.
   *
   * @throws Fault `version_not_found`, or `alias_moved` when the alias is not at the expected generation
   */
  async moveAlias(model: ModelName, alias: Alias, version: number, change: AliasChange): Promise<AliasMove> {
    await this.version(model, version);
    return this.#change(async transaction => {
      const move = await this.#move(transaction, model, alias, version, change);
      await change.alongside?.(transaction);
      return move;
    });
  }

  /** @throws Fault `alias_not_found` */
  async removeAlias(model: ModelName, alias: Alias, change: Change): Promise<AliasMove> {
    return this.#change(transaction => this.#move(transaction, model, alias, undefined, change));
  }

  async #move(
    transaction: Transaction<RegistrySchema>,
    model: ModelName,
    alias: Alias,
    version: number | undefined,
    change: AliasChange,
  ): Promise<AliasMove> {
    const current = await transaction
      .selectFrom('model_alias')
      .selectAll()
      .where('model', '=', model)
      .where('alias', '=', alias)
      .executeTakeFirst();
    if (version === undefined && current === undefined) throw fault('alias_not_found', model, alias);
    const { last } = await transaction
      .selectFrom('alias_move')
      .select(select => select.fn.max('generation').as('last'))
      .where('model', '=', model)
      .where('alias', '=', alias)
      .executeTakeFirstOrThrow();
    const generation = Number(last ?? 0);
    if (change.expectedGeneration !== undefined && change.expectedGeneration !== generation)
      throw fault('alias_moved', alias);
    const move = {
      model,
      alias,
      from_version: current?.version ?? null,
      to_version: version ?? null,
      generation: generation + 1,
      at_ms: this.#now(),
      actor: change.actor,
      reason: change.reason,
    };
    if (version === undefined) {
      await transaction.deleteFrom('model_alias').where('model', '=', model).where('alias', '=', alias).execute();
    } else {
      await transaction
        .insertInto('model_alias')
        .values({ model, alias, version, generation: generation + 1 })
        .onConflict(conflict =>
          conflict.columns(['model', 'alias']).doUpdateSet({ version, generation: generation + 1 }),
        )
        .execute();
    }
    await transaction
      .insertInto('alias_move')
      .values({ id: undefined, ...move })
      .execute();
    return moveOf(move);
  }

  /** The version that an alias pointed at before its present one and that still exists and is not in quarantine. */
  async previousVersion(model: ModelName, alias: Alias): Promise<number | undefined> {
    const current = (await this.aliases(model)).find(target => target.alias === alias)?.version;
    const usable = new Set((await this.versions(model)).filter(v => v.quarantine === undefined).map(v => v.version));
    // Walk back like an undo: a rollback from 3 to 2 makes 1, not 3, the next one to go back to.
    const undone = new Set<number>();
    for (const move of await this.history(model)) {
      if (move.alias !== alias) continue;
      const { fromVersion, toVersion } = move;
      if (fromVersion !== null && toVersion !== null && fromVersion > toVersion) undone.add(fromVersion);
      if (fromVersion === null || fromVersion === current || undone.has(fromVersion)) continue;
      if (usable.has(fromVersion)) return fromVersion;
    }
    return undefined;
  }

  /**
   * Whether a model is kept from serving until somebody loads it.
   * @throws Fault `model_not_found`
   */
  async setHeld(model: ModelName, isHeld: boolean): Promise<void> {
    await this.versions(model);
    if (isHeld === (await this.isHeld(model))) return;
    await this.#change(async transaction => {
      if (!isHeld) await transaction.deleteFrom('model_held').where('model', '=', model).execute();
      else await transaction.insertInto('model_held').values({ model, at_ms: this.#now() }).execute();
    });
  }

  async isHeld(model: ModelName): Promise<boolean> {
    const row = await this.#db.selectFrom('model_held').select('model').where('model', '=', model).executeTakeFirst();
    return row !== undefined;
  }

  async quarantine(model: ModelName, version: number, reason: string): Promise<void> {
    await this.#change(transaction =>
      transaction
        .insertInto('model_quarantine')
        .values({ model, version, reason, at_ms: this.#now() })
        .onConflict(conflict => conflict.columns(['model', 'version']).doUpdateSet({ reason }))
        .execute(),
    );
  }

  /** Lets a version be served again, after an operator asked for it. */
  async release(model: ModelName, version: number): Promise<void> {
    await this.#change(transaction =>
      transaction.deleteFrom('model_quarantine').where('model', '=', model).where('version', '=', version).execute(),
    );
  }

  /** @throws Fault `version_in_use` while an alias points at it */
  async removeVersion(model: ModelName, version: number): Promise<void> {
    await this.version(model, version);
    await this.#change(async transaction => {
      const holder = await transaction
        .selectFrom('model_alias')
        .select('alias')
        .where('model', '=', model)
        .where('version', '=', version)
        .executeTakeFirst();
      if (holder !== undefined) throw fault('version_in_use', model, version, holder.alias);
      await transaction.deleteFrom('model_version').where('model', '=', model).where('version', '=', version).execute();
      const rest = await transaction
        .selectFrom('model_version')
        .select('version')
        .where('model', '=', model)
        .executeTakeFirst();
      if (rest === undefined) await transaction.deleteFrom('model').where('name', '=', model).execute();
    });
  }

  /** Removes a model with its versions and aliases; its history of moves stays. @throws Fault `model_not_found` */
  async removeModel(model: ModelName): Promise<void> {
    await this.versions(model);
    await this.#change(async transaction => {
      await transaction.deleteFrom('model_alias').where('model', '=', model).execute();
      await transaction.deleteFrom('model_version').where('model', '=', model).execute();
      await transaction.deleteFrom('model').where('name', '=', model).execute();
    });
  }
}
