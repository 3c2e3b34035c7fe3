import type { MonitorKind, Outcome } from '@holdfast/api';
import { type Generated, sql } from 'kysely';
import type { Migration } from '../../storage/index.ts';

/** How far a model has been watched. */
export interface WatchModelTable {
  model: string;
  clock: 'event' | 'wall';
  /** JSON of `StoredModelState`. */
  state: string;
}

/** The reference that a version's profiles are laid out by. */
export interface WatchReferenceTable {
  id: number;
  model: string;
  version: number;
  source: 'baseline' | 'live';
  /** Hash of the profile. */
  digest: string;
  rows: number;
  /** JSON of `BaselineProfile`, without the counts of its blocks. */
  profile: string;
  /** JSON of these counts, column by column. */
  block_counts: string;
}

/** First live rows of a version without a baseline, until there are enough to make its reference. */
export interface WatchLearningTable {
  model: string;
  version: number;
  rows: number;
  payload: Uint8Array;
}

/** One minute (later: one hour) of one version. */
export interface WatchMinuteTable {
  model: string;
  version: number;
  bucket_ms: number;
  start_ms: number;
  service: Uint8Array;
  /** Null while the version has no reference. */
  reference_id: number | null;
  profile: Uint8Array | null;
}

/** A version's share of a window that is still open. */
export interface WatchOpenTable {
  model: string;
  version: number;
  series: string;
  start_ms: number;
  end_ms: number;
  service: Uint8Array;
  reference_id: number | null;
  profile: Uint8Array | null;
}

/** A closed window of one version; version 0 stands for a window in which the model had no traffic at all. */
export interface WatchWindowTable {
  id: Generated<number>;
  model: string;
  version: number;
  series: string;
  start_ms: number;
  end_ms: number;
  rows: number;
  service: Uint8Array;
  reference_id: number | null;
  profile: Uint8Array | null;
  /** Null until it has been judged. */
  judged_at_ms: number | null;
}

export interface WatchVerdictTable {
  id: Generated<number>;
  model: string;
  version: number;
  monitor: MonitorKind;
  subject: string;
  role: 'input' | 'output' | null;
  window_start_ms: number;
  window_end_ms: number;
  outcome: Outcome;
  because: string | null;
  test: string;
  statistic: number | null;
  p_value: number | null;
  effect_name: string;
  effect: number | null;
  threshold: number | null;
  baseline_rows: number;
  window_rows: number;
  false_alarm_rate: number | null;
  sentence: string;
  revision: number;
  judged_at_ms: number;
}

export interface WatchPerformanceTable {
  model: string;
  version: number;
  start_ms: number;
  end_ms: number;
  predictions: number;
  labelled: number;
  /** JSON: metric name to value. */
  metrics: string;
  revision: number;
}

/** Spans of event time whose ground truth changed after their window had been scored. */
export interface WatchRescoreTable {
  model: string;
  version: number;
  start_ms: number;
  end_ms: number;
}

/** Thresholds learned from a reference for windows of about one size. */
export interface WatchCalibrationTable {
  reference_id: number;
  size_key: string;
  /** JSON of `Calibration`. */
  calibration: string;
}

/** Bytes of each log segment that everything here was derived from. */
export interface WatchProgressTable {
  segment: string;
  consumed: number;
}

export interface MonitoringTables {
  watch_progress: WatchProgressTable;
  watch_model: WatchModelTable;
  watch_reference: WatchReferenceTable;
  watch_learning: WatchLearningTable;
  watch_minute: WatchMinuteTable;
  watch_open: WatchOpenTable;
  watch_window: WatchWindowTable;
  watch_verdict: WatchVerdictTable;
  watch_performance: WatchPerformanceTable;
  watch_rescore: WatchRescoreTable;
  watch_calibration: WatchCalibrationTable;
}

export const monitoringMigrations: readonly Migration[] = [
  {
    name: '0001-monitoring',
    async up(db) {
      const { schema } = db;
      await schema
        .createTable('watch_progress')
        .addColumn('segment', 'text', c => c.primaryKey())
        .addColumn('consumed', 'integer', c => c.notNull())
        .execute();
      await schema
        .createTable('watch_model')
        .addColumn('model', 'text', c => c.primaryKey())
        .addColumn('clock', 'text', c => c.notNull())
        .addColumn('state', 'text', c => c.notNull())
        .execute();
      await schema
        .createTable('watch_reference')
        .addColumn('id', 'integer', c => c.primaryKey())
        .addColumn('model', 'text', c => c.notNull())
        .addColumn('version', 'integer', c => c.notNull())
        .addColumn('source', 'text', c => c.notNull())
        .addColumn('digest', 'text', c => c.notNull())
        .addColumn('rows', 'integer', c => c.notNull())
        .addColumn('profile', 'text', c => c.notNull())
        .execute();
      await schema
        .createTable('watch_learning')
        .addColumn('model', 'text', c => c.notNull())
        .addColumn('version', 'integer', c => c.notNull())
        .addColumn('rows', 'integer', c => c.notNull())
        .addColumn('payload', 'blob', c => c.notNull())
        .addPrimaryKeyConstraint('watch_learning_key', ['model', 'version'])
        .execute();
      await schema
        .createTable('watch_minute')
        .addColumn('model', 'text', c => c.notNull())
        .addColumn('version', 'integer', c => c.notNull())
        .addColumn('bucket_ms', 'integer', c => c.notNull())
        .addColumn('start_ms', 'integer', c => c.notNull())
        .addColumn('service', 'blob', c => c.notNull())
        .addColumn('reference_id', 'integer')
        .addColumn('profile', 'blob')
        .addPrimaryKeyConstraint('watch_minute_key', ['model', 'start_ms', 'bucket_ms', 'version'])
        .modifyEnd(sql`without rowid`)
        .execute();
      await schema
        .createTable('watch_open')
        .addColumn('model', 'text', c => c.notNull())
        .addColumn('version', 'integer', c => c.notNull())
        .addColumn('series', 'text', c => c.notNull())
        .addColumn('start_ms', 'real', c => c.notNull())
        .addColumn('end_ms', 'real', c => c.notNull())
        .addColumn('service', 'blob', c => c.notNull())
        .addColumn('reference_id', 'integer')
        .addColumn('profile', 'blob')
        .addPrimaryKeyConstraint('watch_open_key', ['model', 'version', 'series', 'start_ms'])
        .execute();
      await schema
        .createTable('watch_window')
        .addColumn('id', 'integer', c => c.primaryKey().autoIncrement())
        .addColumn('model', 'text', c => c.notNull())
        .addColumn('version', 'integer', c => c.notNull())
        .addColumn('series', 'text', c => c.notNull())
        .addColumn('start_ms', 'real', c => c.notNull())
        .addColumn('end_ms', 'real', c => c.notNull())
        .addColumn('rows', 'integer', c => c.notNull())
        .addColumn('service', 'blob', c => c.notNull())
        .addColumn('reference_id', 'integer')
        .addColumn('profile', 'blob')
        .addColumn('judged_at_ms', 'integer')
        .addUniqueConstraint('watch_window_once', ['model', 'series', 'start_ms', 'end_ms', 'version'])
        .execute();
      await schema.createIndex('watch_window_unjudged').on('watch_window').columns(['judged_at_ms', 'id']).execute();
      await createVerdicts(schema);
      await schema
        .createTable('watch_performance')
        .addColumn('model', 'text', c => c.notNull())
        .addColumn('version', 'integer', c => c.notNull())
        .addColumn('start_ms', 'real', c => c.notNull())
        .addColumn('end_ms', 'real', c => c.notNull())
        .addColumn('predictions', 'integer', c => c.notNull())
        .addColumn('labelled', 'integer', c => c.notNull())
        .addColumn('metrics', 'text', c => c.notNull())
        .addColumn('revision', 'integer', c => c.notNull())
        .addPrimaryKeyConstraint('watch_performance_key', ['model', 'start_ms', 'end_ms', 'version'])
        .execute();
      await schema
        .createTable('watch_rescore')
        .addColumn('model', 'text', c => c.notNull())
        .addColumn('version', 'integer', c => c.notNull())
        .addColumn('start_ms', 'real', c => c.notNull())
        .addColumn('end_ms', 'real', c => c.notNull())
        .addPrimaryKeyConstraint('watch_rescore_key', ['model', 'version', 'start_ms', 'end_ms'])
        .execute();
      await schema
        .createTable('watch_calibration')
        .addColumn('reference_id', 'integer', c => c.notNull())
        .addColumn('size_key', 'text', c => c.notNull())
        .addColumn('calibration', 'text', c => c.notNull())
        .addPrimaryKeyConstraint('watch_calibration_key', ['reference_id', 'size_key'])
        .execute();
    },
  },
  {
    name: '0002-reference-blocks',
    async up(db) {
      await db.schema
        .alterTable('watch_reference')
        .addColumn('block_counts', 'text', c => c.notNull().defaultTo('[]'))
        .execute();
      // References written before kept the counts inside the profile.
      await sql`update watch_reference set block_counts = json_extract(profile, '$.blocks.counts'),
        profile = json_set(profile, '$.blocks.counts', json('[]'))`.execute(db);
    },
  },
];

async function createVerdicts(schema: Parameters<Migration['up']>[0]['schema']): Promise<void> {
  await schema
    .createTable('watch_verdict')
    .addColumn('id', 'integer', c => c.primaryKey().autoIncrement())
    .addColumn('model', 'text', c => c.notNull())
    .addColumn('version', 'integer', c => c.notNull())
    .addColumn('monitor', 'text', c => c.notNull())
    .addColumn('subject', 'text', c => c.notNull())
    .addColumn('role', 'text')
    .addColumn('window_start_ms', 'real', c => c.notNull())
    .addColumn('window_end_ms', 'real', c => c.notNull())
    .addColumn('outcome', 'text', c => c.notNull())
    .addColumn('because', 'text')
    .addColumn('test', 'text', c => c.notNull())
    .addColumn('statistic', 'real')
    .addColumn('p_value', 'real')
    .addColumn('effect_name', 'text', c => c.notNull())
    .addColumn('effect', 'real')
    .addColumn('threshold', 'real')
    .addColumn('baseline_rows', 'integer', c => c.notNull())
    .addColumn('window_rows', 'integer', c => c.notNull())
    .addColumn('false_alarm_rate', 'real')
    .addColumn('sentence', 'text', c => c.notNull())
    .addColumn('revision', 'integer', c => c.notNull())
    .addColumn('judged_at_ms', 'integer', c => c.notNull())
    .addUniqueConstraint('watch_verdict_once', [
      'model',
      'version',
      'monitor',
      'subject',
      'window_start_ms',
      'window_end_ms',
    ])
    .execute();
  await schema
    .createIndex('watch_verdict_by_time')
    .on('watch_verdict')
    .columns(['model', 'window_end_ms', 'monitor'])
    .execute();
}
