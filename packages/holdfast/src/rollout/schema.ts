import { sql } from 'kysely';
import type { Migration } from '../storage/index.ts';

/** Deployments and rollouts, in `meta.db`. */
export interface RolloutTables {
  /** Append-only; the row with the highest `seq` is in force. */
  deployment_change: {
    model: string;
    seq: number;
    /** Whether the configuration file or somebody by API said so. */
    source: 'file' | 'api';
    /** Null: the champion answers all. */
    spec_json: string | null;
    actor: string;
    reason: string;
    at_ms: number;
  };
  rollout: {
    model: string;
    id: number;
    champion: number;
    challenger: number;
    plan: string;
    /** Key, salt and judge, with every default filled in. */
    spec_json: string;
    actor: string;
    reason: string;
    started_at_ms: number;
    /** 1 until it reaches a final state; at most one per model is open. */
    is_open: number;
  };
  /** Append-only: the last one says where the rollout stands. */
  rollout_event: {
    model: string;
    rollout: number;
    seq: number;
    at_ms: number;
    actor: string;
    reason: string;
    state_json: string;
    checks_json: string;
  };
  /** Of the present step only. */
  rollout_evidence: { model: string; rollout: number; stage: number; evidence_json: string; at_ms: number };
  /** The bounds of the checks over time, for the chart. */
  rollout_point: { model: string; rollout: number; at_ms: number; step: number; checks_json: string };
}

export const rolloutMigrations: readonly Migration[] = [
  {
    name: '0002-deployment',
    async up(db) {
      await db.schema
        .createTable('deployment_change')
        .addColumn('model', 'text', column => column.notNull())
        .addColumn('seq', 'integer', column => column.notNull())
        .addColumn('source', 'text', column => column.notNull())
        .addColumn('spec_json', 'text')
        .addColumn('actor', 'text', column => column.notNull())
        .addColumn('reason', 'text', column => column.notNull())
        .addColumn('at_ms', 'bigint', column => column.notNull())
        .addPrimaryKeyConstraint('deployment_change_key', ['model', 'seq'])
        .execute();
    },
  },
  {
    name: '0003-rollout',
    async up(db) {
      await db.schema
        .createTable('rollout')
        .addColumn('model', 'text', column => column.notNull())
        .addColumn('id', 'integer', column => column.notNull())
        .addColumn('champion', 'integer', column => column.notNull())
        .addColumn('challenger', 'integer', column => column.notNull())
        .addColumn('plan', 'text', column => column.notNull())
        .addColumn('spec_json', 'text', column => column.notNull())
        .addColumn('actor', 'text', column => column.notNull())
        .addColumn('reason', 'text', column => column.notNull())
        .addColumn('started_at_ms', 'bigint', column => column.notNull())
        .addColumn('is_open', 'integer', column => column.notNull())
        .addPrimaryKeyConstraint('rollout_key', ['model', 'id'])
        .execute();
      await db.schema
        .createIndex('rollout_open')
        .unique()
        .on('rollout')
        .column('model')
        .where(sql.ref('is_open'), '=', sql.lit(1))
        .execute();
      await db.schema
        .createTable('rollout_event')
        .addColumn('model', 'text', column => column.notNull())
        .addColumn('rollout', 'integer', column => column.notNull())
        .addColumn('seq', 'integer', column => column.notNull())
        .addColumn('at_ms', 'bigint', column => column.notNull())
        .addColumn('actor', 'text', column => column.notNull())
        .addColumn('reason', 'text', column => column.notNull())
        .addColumn('state_json', 'text', column => column.notNull())
        .addColumn('checks_json', 'text', column => column.notNull())
        .addPrimaryKeyConstraint('rollout_event_key', ['model', 'rollout', 'seq'])
        .execute();
      await db.schema
        .createTable('rollout_evidence')
        .addColumn('model', 'text', column => column.notNull())
        .addColumn('rollout', 'integer', column => column.notNull())
        .addColumn('stage', 'integer', column => column.notNull())
        .addColumn('evidence_json', 'text', column => column.notNull())
        .addColumn('at_ms', 'bigint', column => column.notNull())
        .addPrimaryKeyConstraint('rollout_evidence_key', ['model', 'rollout'])
        .execute();
      await db.schema
        .createTable('rollout_point')
        .addColumn('model', 'text', column => column.notNull())
        .addColumn('rollout', 'integer', column => column.notNull())
        .addColumn('at_ms', 'bigint', column => column.notNull())
        .addColumn('step', 'integer', column => column.notNull())
        .addColumn('checks_json', 'text', column => column.notNull())
        .addPrimaryKeyConstraint('rollout_point_key', ['model', 'rollout', 'at_ms'])
        .execute();
    },
  },
];
