import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import { type ClusterTables, databaseNowMs } from './schema.ts';

/** A machine of the cluster. */
export interface Member {
  /** 1 or more; part of the names of its log segments and of its prediction ids. */
  readonly ordinal: number;
  /** Where the others reach it. */
  readonly address: string;
}

/** What a data directory remembers of its membership, so that it can start while the database is away. */
const identitySchema = z.object({ id: z.string(), ordinal: z.int().min(1).optional(), secret: z.string().optional() });
export type Identity = z.output<typeof identitySchema>;

/** A member not heard of for so long takes no part in decisions. */
export const memberTimeoutMs = 5000;

function pathIn(root: string): string {
  return join(root, 'member.json');
}

async function keep(root: string, identity: Identity): Promise<void> {
  const temporary = `${pathIn(root)}.new`;
  await writeFile(temporary, JSON.stringify(identity), { mode: 0o600, flush: true });
  await rename(temporary, pathIn(root));
}

/** The identity of a data directory; a new one gets an id and has no number yet. */
export async function readIdentity(root: string): Promise<Identity> {
  try {
    return identitySchema.parse(JSON.parse(await readFile(pathIn(root), 'utf8')));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    const identity = { id: randomUUID() };
    await keep(root, identity);
    return identity;
  }
}

/** Enters this machine into the list of members, or says where it is now; remembers what it is told. */
export async function joinCluster(
  db: Kysely<ClusterTables>,
  root: string,
  address: string,
): Promise<Identity & { readonly ordinal: number; readonly secret: string }> {
  const { id } = await readIdentity(root);
  const { ordinal } = await db
    .insertInto('cluster_member')
    .values({ ordinal: undefined, id, address, seen_at_ms: databaseNowMs })
    .onConflict(conflict => conflict.column('id').doUpdateSet({ address, seen_at_ms: databaseNowMs }))
    .returning('ordinal')
    .executeTakeFirstOrThrow();
  const { secret } = await db.selectFrom('cluster_secret').select('secret').executeTakeFirstOrThrow();
  const identity = { id, ordinal: z.int().min(1).parse(ordinal), secret };
  await keep(root, identity);
  return identity;
}

/** Says that this machine is here. */
export async function beat(db: Kysely<ClusterTables>, ordinal: number): Promise<void> {
  await db.updateTable('cluster_member').set({ seen_at_ms: databaseNowMs }).where('ordinal', '=', ordinal).execute();
}

/** Every machine that ever joined, with whether it was heard of lately. */
export async function members(
  db: Kysely<ClusterTables>,
): Promise<(Member & { readonly isPresent: boolean; readonly seenAgoMs: number })[]> {
  const rows = await db
    .selectFrom('cluster_member')
    .select(['ordinal', 'address', 'seen_at_ms'])
    .select(databaseNowMs.as('now_ms'))
    .orderBy('ordinal')
    .execute();
  return rows.map(row => {
    const seenAgoMs = row.now_ms - row.seen_at_ms;
    const ordinal = z.int().parse(row.ordinal);
    return { ordinal, address: row.address, seenAgoMs, isPresent: seenAgoMs <= memberTimeoutMs };
  });
}
