import { type StudyEvent, studyEventSchema } from '@holdfast/api';
import type { Kysely, Transaction } from 'kysely';
import type { TuningTables } from './schema.ts';

/** Events shown at most; older ones stay in the database. */
const listLimit = 200;

/** Adds to the history of a study; the transaction must have written the study's row before, which keeps others out. */
export async function addEvent(writer: Transaction<TuningTables>, study: string, event: StudyEvent): Promise<void> {
  const { last } = await writer
    .selectFrom('study_event')
    .select(({ fn }) => fn.max('seq').as('last'))
    .where('study', '=', study)
    .executeTakeFirstOrThrow();
  await writer
    .insertInto('study_event')
    .values({ study, seq: (last ?? 0) + 1, at_ms: event.atMs, kind: event.kind, trial: event.trial, text: event.text })
    .execute();
}

/** The latest events, newest first. */
export async function readEvents(db: Kysely<TuningTables>, study: string): Promise<StudyEvent[]> {
  const rows = await db
    .selectFrom('study_event')
    .select(['at_ms', 'kind', 'trial', 'text'])
    .where('study', '=', study)
    .orderBy('seq', 'desc')
    .limit(listLimit)
    .execute();
  return rows.map(row => studyEventSchema.parse({ atMs: row.at_ms, kind: row.kind, trial: row.trial, text: row.text }));
}
