import { scalarSchema, trialStateSchema } from '@holdfast/api';
import type { TrialRecord } from '@holdfast/tune';
import type { Kysely, Selectable, Transaction } from 'kysely';
import { z } from 'zod';
import type { TuningTables } from './schema.ts';

type TrialRow = Selectable<TuningTables['trial']>;
type Reports = TrialRecord['reports'];

const paramsSchema = z.record(z.string(), scalarSchema);
const numbersSchema = z.array(z.number());

/** A stored trial, and who holds it. */
export interface StoredTrial {
  readonly record: TrialRecord;
  readonly worker: string | null;
  readonly claim: number;
}

function optional<K extends string, V>(key: K, value: V | null): { [P in K]?: V } {
  const found: { [P in K]?: V } = {};
  if (value !== null) found[key] = value;
  return found;
}

function recordOf(row: TrialRow, reports: Reports): TrialRecord {
  return {
    number: row.number,
    state: trialStateSchema.parse(row.state),
    params: paramsSchema.parse(JSON.parse(row.params_json)),
    origin: row.origin,
    ...(row.values_json !== null && { values: numbersSchema.parse(JSON.parse(row.values_json)) }),
    ...(row.constraints_json !== null && { constraints: numbersSchema.parse(JSON.parse(row.constraints_json)) }),
    reports,
    ...optional('cost', row.cost),
    ...optional('reason', row.reason),
    ...optional('retryOf', row.retry_of),
    retries: row.retries,
    createdAtMs: row.created_at_ms,
    ...optional('startedAtMs', row.started_at_ms),
    ...optional('finishedAtMs', row.finished_at_ms),
    ...optional('leaseUntilMs', row.lease_until_ms),
    revision: row.revision,
  };
}

function rowOf(study: string, { record, worker, claim }: StoredTrial): TrialRow {
  return {
    study,
    number: record.number,
    state: record.state,
    params_json: JSON.stringify(record.params),
    origin: record.origin,
    values_json: record.values === undefined ? null : JSON.stringify(record.values),
    constraints_json: record.constraints === undefined ? null : JSON.stringify(record.constraints),
    cost: record.cost ?? null,
    reason: record.reason ?? null,
    retry_of: record.retryOf ?? null,
    retries: record.retries,
    created_at_ms: record.createdAtMs,
    started_at_ms: record.startedAtMs ?? null,
    finished_at_ms: record.finishedAtMs ?? null,
    lease_until_ms: record.leaseUntilMs ?? null,
    revision: record.revision,
    worker,
    claim,
  };
}

/**
 * Trials that changed after a revision, in the order of their numbers, with all their reports.
 *
 * @param knownReports the reports of a trial that the caller has already; only newer ones are read then
 */
export async function changedTrials(
  db: Kysely<TuningTables>,
  study: string,
  since: number,
  knownReports: (number: number) => Reports = () => [],
): Promise<StoredTrial[]> {
  const rows = await db
    .selectFrom('trial')
    .selectAll()
    .where('study', '=', study)
    .where('revision', '>', since)
    .orderBy('number')
    .execute();
  if (rows.length === 0) return [];
  const reportRows = await db
    .selectFrom('trial_report')
    .select(['number', 'step', 'values_json'])
    .where('study', '=', study)
    .where('revision', '>', since)
    .orderBy('number')
    .orderBy('step')
    .execute();
  const fresh = Map.groupBy(reportRows, row => row.number);
  return rows.map(row => {
    const known = knownReports(row.number);
    const lastKnown = known.at(-1)?.step ?? Number.NEGATIVE_INFINITY;
    const added = (fresh.get(row.number) ?? [])
      .filter(report => report.step > lastKnown)
      .map(report => ({ step: report.step, values: numbersSchema.parse(JSON.parse(report.values_json)) }));
    return {
      record: recordOf(row, added.length === 0 ? known : [...known, ...added]),
      worker: row.worker,
      claim: row.claim,
    };
  });
}

/** Writes whole trials without their reports; see `writeReport`. */
export async function writeTrials(
  db: Transaction<TuningTables>,
  study: string,
  trials: readonly StoredTrial[],
): Promise<void> {
  for (const trial of trials) {
    const { study: _, number: __, ...changes } = rowOf(study, trial);
    await db
      .insertInto('trial')
      .values(rowOf(study, trial))
      .onConflict(conflict => conflict.columns(['study', 'number']).doUpdateSet(changes))
      .execute();
  }
}

/** Adds one report of a trial; a step that is stored already stays as it is. */
export async function writeReport(
  db: Transaction<TuningTables>,
  study: string,
  trial: TrialRecord,
  report: Reports[number],
  atMs: number,
): Promise<void> {
  await db
    .insertInto('trial_report')
    .values({
      study,
      number: trial.number,
      step: report.step,
      values_json: JSON.stringify(report.values),
      at_ms: atMs,
      revision: trial.revision,
    })
    .onConflict(conflict => conflict.columns(['study', 'number', 'step']).doNothing())
    .execute();
}
