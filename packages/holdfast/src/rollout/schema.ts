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
];
