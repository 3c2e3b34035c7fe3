import { type Kysely, sql } from 'kysely';
import { routedTables } from './schema.ts';

/**
 * Makes the routed tables of the local database equal to the shared ones: read in one snapshot, written in one
 * transaction, so that a machine always knows one whole state, also when it starts while the database is away.
 */
export async function copyRouted<Shared, Local>(shared: Kysely<Shared>, local: Kysely<Local>): Promise<void> {
  const tables = await shared
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async transaction => {
      const copies: { readonly name: string; readonly rows: readonly Record<string, unknown>[] }[] = [];
      for (const name of routedTables) {
        const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(transaction);
        copies.push({ name, rows });
      }
      return copies;
    });
  await local.transaction().execute(async transaction => {
    for (const { name } of tables.toReversed()) await sql`delete from ${sql.table(name)}`.execute(transaction);
    for (const { name, rows } of tables) {
      for (const row of rows) {
        const columns = Object.keys(row);
        await sql`insert into ${sql.table(name)} (${sql.join(columns.map(column => sql.ref(column)))})
          values (${sql.join(Object.values(row))})`.execute(transaction);
      }
    }
  });
}
