import { type Alert, alertSchema } from '@holdfast/api';
import type { Kysely, Selectable, Transaction } from 'kysely';
import { z } from 'zod';
import type { AlertState } from './alert-state.ts';
import type { AlertingTables } from './schema.ts';

type Row = Selectable<AlertingTables['alert']>;

/** Alerts shown at most in one list; older resolved ones stay in the database. */
const listLimit = 500;
const textsSchema = z.array(z.string());

export function alertOf(row: Row): Alert {
  return alertSchema.parse({
    id: row.id,
    model: row.model,
    version: row.version,
    monitor: row.monitor,
    state: row.state,
    severity: row.severity,
    title: row.title,
    subjects: textsSchema.parse(JSON.parse(row.subjects_json)),
    sentences: textsSchema.parse(JSON.parse(row.sentences_json)),
    sinceMs: row.since_ms,
    lastWindowMs: row.last_window_ms,
    openedAtMs: row.opened_at_ms,
    firedAtMs: row.fired_at_ms,
    resolvedAtMs: row.resolved_at_ms,
  });
}

/** The state of an alert that is not over yet. */
export function stateOf(row: Row): AlertState {
  if (row.state === 'pending') return { phase: 'pending', breaches: row.windows };
  if (row.state === 'firing') return { phase: 'firing', quiet: row.windows };
  return { phase: 'resolved' };
}

export interface AlertFilter {
  readonly model?: string | undefined;
  readonly state?: Alert['state'] | undefined;
}

/** Alerts that matter most first: firing, then pending, then the latest resolved ones. */
export async function listAlerts(db: Kysely<AlertingTables>, filter: AlertFilter): Promise<Alert[]> {
  let query = db.selectFrom('alert').selectAll();
  if (filter.model !== undefined) query = query.where('model', '=', filter.model);
  if (filter.state !== undefined) query = query.where('state', '=', filter.state);
  const rows = await query
    .orderBy(expression =>
      expression.case().when('state', '=', 'firing').then(0).when('state', '=', 'pending').then(1).else(2).end(),
    )
    .orderBy('opened_at_ms', 'desc')
    .limit(listLimit)
    .execute();
  return rows.map(alertOf);
}

/** The alert of one monitor of one version that is pending or firing. */
export async function openAlert(
  db: Transaction<AlertingTables>,
  subject: { readonly model: string; readonly version: number; readonly monitor: string },
): Promise<Row | undefined> {
  return db
    .selectFrom('alert')
    .selectAll()
    .where('model', '=', subject.model)
    .where('version', '=', subject.version)
    .where('monitor', '=', subject.monitor)
    .where('state', '!=', 'resolved')
    .executeTakeFirst();
}

/** True when an alert of this monitor was resolved after this window: late labels must not bring it up again. */
export async function isOver(
  db: Transaction<AlertingTables>,
  window: { readonly model: string; readonly version: number; readonly monitor: string; readonly endMs: number },
): Promise<boolean> {
  const later = await db
    .selectFrom('alert')
    .select('id')
    .where('model', '=', window.model)
    .where('version', '=', window.version)
    .where('monitor', '=', window.monitor)
    .where('state', '=', 'resolved')
    .where('last_window_ms', '>=', window.endMs)
    .limit(1)
    .executeTakeFirst();
  return later !== undefined;
}

export async function lastVerdict(db: Kysely<AlertingTables>): Promise<number> {
  const row = await db.selectFrom('alert_progress').select('verdict_id').executeTakeFirst();
  return row?.verdict_id ?? 0;
}
