import type { Migration } from '../storage/index.ts';

/** Studies and their trials, in `tune.db`. Every table has the study's name first, so studies never wait for each other's rows. */
export interface TuningTables {
  study: {
    name: string;
    /** `StudySettings` as JSON. */
    settings_json: string;
    /** Grows when the settings change, so that other processes read them again. */
    settings_version: number;
    note: string;
    sampler_state_json: string;
    pruner_state_json: string;
    /** Grows with every change of a trial. */
    revision: number;
    parallelism: number;
    started_at_ms: number | null;
    finished_because: string | null;
    created_at_ms: number;
    changed_at_ms: number;
    /** Who is working out the next suggestion, and until when nobody else may. */
    proposer: string | null;
    proposer_until_ms: number;
    /** Grows with every turn, so that a proposer that was too slow cannot write. */
    proposer_fence: number;
  };
  trial: {
    study: string;
    number: number;
    state: string;
    params_json: string;
    origin: string;
    values_json: string | null;
    constraints_json: string | null;
    cost: number | null;
    reason: string | null;
    retry_of: number | null;
    retries: number;
    created_at_ms: number;
    started_at_ms: number | null;
    finished_at_ms: number | null;
    lease_until_ms: number | null;
    revision: number;
    worker: string | null;
    /** Grows each time the trial is handed out. */
    claim: number;
  };
  trial_report: { study: string; number: number; step: number; values_json: string; at_ms: number; revision: number };
  study_event: { study: string; seq: number; at_ms: number; kind: string; trial: number | null; text: string };
}

export const tuningMigrations: readonly Migration[] = [
  {
    name: '0001-tuning',
    async up(db) {
      await db.schema
        .createTable('study')
        .addColumn('name', 'text', c => c.primaryKey())
        .addColumn('settings_json', 'text', c => c.notNull())
        .addColumn('settings_version', 'integer', c => c.notNull())
        .addColumn('note', 'text', c => c.notNull())
        .addColumn('sampler_state_json', 'text', c => c.notNull())
        .addColumn('pruner_state_json', 'text', c => c.notNull())
        .addColumn('revision', 'integer', c => c.notNull())
        .addColumn('parallelism', 'integer', c => c.notNull())
        .addColumn('started_at_ms', 'bigint')
        .addColumn('finished_because', 'text')
        .addColumn('created_at_ms', 'bigint', c => c.notNull())
        .addColumn('changed_at_ms', 'bigint', c => c.notNull())
        .addColumn('proposer', 'text')
        .addColumn('proposer_until_ms', 'bigint', c => c.notNull())
        .addColumn('proposer_fence', 'integer', c => c.notNull())
        .execute();
      await db.schema
        .createTable('trial')
        .addColumn('study', 'text', c => c.notNull().references('study.name').onDelete('cascade'))
        .addColumn('number', 'integer', c => c.notNull())
        .addColumn('state', 'text', c => c.notNull())
        .addColumn('params_json', 'text', c => c.notNull())
        .addColumn('origin', 'text', c => c.notNull())
        .addColumn('values_json', 'text')
        .addColumn('constraints_json', 'text')
        .addColumn('cost', 'double precision')
        .addColumn('reason', 'text')
        .addColumn('retry_of', 'integer')
        .addColumn('retries', 'integer', c => c.notNull())
        .addColumn('created_at_ms', 'bigint', c => c.notNull())
        .addColumn('started_at_ms', 'bigint')
        .addColumn('finished_at_ms', 'bigint')
        .addColumn('lease_until_ms', 'bigint')
        .addColumn('revision', 'integer', c => c.notNull())
        .addColumn('worker', 'text')
        .addColumn('claim', 'integer', c => c.notNull())
        .addPrimaryKeyConstraint('trial_key', ['study', 'number'])
        .execute();
      await db.schema.createIndex('trial_of_revision').on('trial').columns(['study', 'revision']).execute();
      await db.schema
        .createTable('trial_report')
        .addColumn('study', 'text', c => c.notNull().references('study.name').onDelete('cascade'))
        .addColumn('number', 'integer', c => c.notNull())
        .addColumn('step', 'double precision', c => c.notNull())
        .addColumn('values_json', 'text', c => c.notNull())
        .addColumn('at_ms', 'bigint', c => c.notNull())
        .addColumn('revision', 'integer', c => c.notNull())
        .addPrimaryKeyConstraint('trial_report_key', ['study', 'number', 'step'])
        .execute();
      await db.schema.createIndex('report_of_revision').on('trial_report').columns(['study', 'revision']).execute();
      await db.schema
        .createTable('study_event')
        .addColumn('study', 'text', c => c.notNull().references('study.name').onDelete('cascade'))
        .addColumn('seq', 'integer', c => c.notNull())
        .addColumn('at_ms', 'bigint', c => c.notNull())
        .addColumn('kind', 'text', c => c.notNull())
        .addColumn('trial', 'integer')
        .addColumn('text', 'text', c => c.notNull())
        .addPrimaryKeyConstraint('study_event_key', ['study', 'seq'])
        .execute();
    },
  },
];
