import type { BaselineBlocks, BaselineProfile } from '../profiles/reference.ts';
import { type VersionReference, versionReference } from '../profiles/version-reference.ts';
import type { WatchDatabase } from './watch-store.ts';

/**
 * A reference that is kept in the database, with what tells it from others of its version. The counts of its blocks,
 * nearly all of its size, stay there until thresholds are learned from them.
 */
export interface StoredReference extends VersionReference {
  readonly version: number;
  readonly digest: string;
}

/** All references of a model by id. */
export async function loadReferences(db: WatchDatabase, model: string): Promise<Map<number, StoredReference>> {
  const rows = await db
    .selectFrom('watch_reference')
    .select(['id', 'version', 'digest', 'profile'])
    .where('model', '=', model)
    .orderBy('id')
    .execute();
  return new Map(rows.map(row => [row.id, referenceOf(row)]));
}

function referenceOf(row: {
  readonly id: number;
  readonly version: number;
  readonly digest: string;
  readonly profile: string;
}): StoredReference {
  const baseline: BaselineProfile = JSON.parse(row.profile);
  return { ...versionReference(row.id, baseline), version: row.version, digest: row.digest };
}

export async function loadReference(db: WatchDatabase, id: number): Promise<StoredReference | undefined> {
  const row = await db
    .selectFrom('watch_reference')
    .select(['id', 'version', 'digest', 'profile'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row && referenceOf(row);
}

/** The reference that a version has now; undefined before its first rows. */
export async function latestReferenceId(
  db: WatchDatabase,
  model: string,
  version: number | undefined,
): Promise<number | undefined> {
  let query = db.selectFrom('watch_reference').select('id').where('model', '=', model);
  if (version !== undefined) query = query.where('version', '=', version);
  const row = await query.orderBy('version', 'desc').orderBy('id', 'desc').limit(1).executeTakeFirst();
  return row?.id;
}

/** The reference with the counts of its blocks. */
export async function loadWithBlocks(db: WatchDatabase, reference: VersionReference): Promise<BaselineProfile> {
  const row = await db
    .selectFrom('watch_reference')
    .select('block_counts')
    .where('id', '=', reference.id)
    .executeTakeFirst();
  const counts: BaselineBlocks['counts'] = row === undefined ? [] : JSON.parse(row.block_counts);
  return { ...reference.baseline, blocks: { ...reference.baseline.blocks, counts } };
}

export async function nextReferenceId(db: WatchDatabase): Promise<number> {
  const { last } = await db
    .selectFrom('watch_reference')
    .select(({ fn }) => fn.max('id').as('last'))
    .executeTakeFirstOrThrow();
  return Number(last ?? 0) + 1;
}

export async function saveReference(db: WatchDatabase, model: string, reference: StoredReference): Promise<void> {
  const { id, version, digest, baseline } = reference;
  const { source, rows, blocks } = baseline;
  const profile = JSON.stringify({ ...baseline, blocks: { ...blocks, counts: [] } });
  const block_counts = JSON.stringify(blocks.counts);
  await db
    .insertInto('watch_reference')
    .values({ id, model, version, digest, source, rows, profile, block_counts })
    .execute();
}
