import { fault } from '@holdfast/api';
import { CompiledQuery, type Kysely } from 'kysely';
import type { Fence } from '../storage/index.ts';
import { type ClusterTables, databaseNowMs } from './schema.ts';

/** How long a leader that says nothing is still believed in. */
export const leaseMs = 5000;

/** Who leads now, as the database says. */
export interface Leader {
  readonly ordinal: number;
  readonly token: number;
  readonly address: string;
}

/** The machine that leads; undefined while nobody does. */
export async function currentLeader(db: Kysely<ClusterTables>): Promise<Leader | undefined> {
  const row = await db
    .selectFrom('cluster_leader as l')
    .innerJoin('cluster_member as m', 'm.ordinal', 'l.ordinal')
    .select(['l.ordinal', 'l.token', 'm.address', 'l.until_ms'])
    .select(databaseNowMs.as('now_ms'))
    .executeTakeFirst();
  return row === undefined || row.until_ms < row.now_ms
    ? undefined
    : { ordinal: row.ordinal, token: row.token, address: row.address };
}

/**
 * Takes the lease when it is free, or renews it when it is one's own. Resolves to the token under which this machine
 * leads from now on, undefined when another does.
 */
export async function takeOrRenew(db: Kysely<ClusterTables>, ordinal: number): Promise<number | undefined> {
  return db.transaction().execute(async transaction => {
    const row = await transaction
      .selectFrom('cluster_leader')
      .selectAll()
      .select(databaseNowMs.as('now_ms'))
      .executeTakeFirst();
    const isMine = row?.ordinal === ordinal;
    if (row !== undefined && !isMine && row.until_ms >= row.now_ms) return undefined;
    // Also one's own lease that ran out is a new one: somebody else may have led in between.
    const isRenewal = row !== undefined && isMine && row.until_ms >= row.now_ms;
    const token = isRenewal ? row.token : (row?.token ?? 0) + 1;
    const until_ms = (row?.now_ms ?? (await nowMs(transaction))) + leaseMs;
    await transaction
      .insertInto('cluster_leader')
      .values({ id: 1, ordinal, token, until_ms })
      .onConflict(conflict => conflict.column('id').doUpdateSet({ ordinal, token, until_ms }))
      .execute();
    return token;
  });
}

async function nowMs(db: Kysely<ClusterTables>): Promise<number> {
  const { now_ms } = await db.selectFrom('cluster_change').select(databaseNowMs.as('now_ms')).executeTakeFirstOrThrow();
  return now_ms;
}

/** Gives the lease back, so that another need not wait until it runs out. */
export async function giveUp(db: Kysely<ClusterTables>, ordinal: number, token: number): Promise<void> {
  await db
    .updateTable('cluster_leader')
    .set({ until_ms: 0 })
    .where('ordinal', '=', ordinal)
    .where('token', '=', token)
    .execute();
}

/**
 * Keeps a former leader from writing: a process that was stopped and goes on does not know that time has passed, the
 * database does.
 */
export function fenceOf(ordinal: number, token: number): Fence {
  return async connection => {
    const query = CompiledQuery.raw('select 1 from cluster_leader where ordinal = $1 and token = $2', [ordinal, token]);
    const { rows } = await connection.executeQuery(query);
    if (rows.length === 0) throw fault('not_leader');
  };
}
