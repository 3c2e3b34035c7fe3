import { join } from 'node:path';
import type { Kysely } from 'kysely';
import { type ClusterTables, discardWatch, restoreWatch } from '../cluster/index.ts';
import { type PredlogTables, sealedNames } from '../predlog/index.ts';
import { type ObjectStore, openReader } from '../storage/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { DataDirectory } from './data-directory.ts';

/**
 * Makes this machine's watch database the valid one. When another led meanwhile, its newest copy replaces the local one:
 * what it derived after the copy is derived again, from segments that the machines still have.
 */
export async function claimWatch(options: {
  readonly db: Kysely<ClusterTables>;
  readonly ordinal: number;
  readonly store: ObjectStore;
  readonly directory: DataDirectory;
  readonly log: Log;
}): Promise<void> {
  const { db, ordinal, store, directory, log } = options;
  const owner = await db.selectFrom('cluster_watch').selectAll().executeTakeFirst();
  if (owner?.ordinal !== ordinal) {
    if (owner === undefined || owner.copy === null) await discardWatch(directory.watchDatabase);
    else {
      log.info({ from: owner.ordinal, copy: owner.copy }, 'cluster.watch_restoring');
      await restoreWatch({
        store,
        key: owner.copy,
        databasePath: directory.watchDatabase,
        sealedDirectory: join(directory.log, 'sealed'),
        filesOf: async path => {
          await using reader = openReader<PredlogTables>(path);
          return await sealedNames(reader);
        },
      });
    }
  }
  await db.transaction().execute(transaction =>
    transaction
      .insertInto('cluster_watch')
      .values({ id: 1, ordinal, copy: owner?.copy ?? null })
      .onConflict(conflict => conflict.column('id').doUpdateSet({ ordinal }))
      .execute(),
  );
}

/** Makes a copy the one that the next leader goes on from. @throws Fault `not_leader` */
export async function publishCopy(db: Kysely<ClusterTables>, ordinal: number, key: string): Promise<void> {
  await db
    .transaction()
    .execute(transaction =>
      transaction.updateTable('cluster_watch').set({ copy: key }).where('ordinal', '=', ordinal).execute(),
    );
}
