import type { Generated } from 'kysely';
import { sql } from 'kysely';
import type { Migration } from '../storage/index.ts';

/** Alerts and what is to be sent about them, in `meta.db`. */
export interface AlertingTables {
  alert: {
    id: string;
    model: string;
    version: number;
    monitor: string;
    state: 'pending' | 'firing' | 'resolved';
    /** Windows in breach while pending, quiet windows while firing. */
    windows: number;
    severity: 'info' | 'warning' | 'critical';
    title: string;
    subjects_json: string;
    sentences_json: string;
    since_ms: number;
    last_window_ms: number;
    opened_at_ms: number;
    fired_at_ms: number | null;
    resolved_at_ms: number | null;
  };
  alert_progress: { id: number; verdict_id: number };
  webhook_outbox: {
    id: Generated<number>;
    webhook_id: string;
    url: string;
    body: string;
    attempts: number;
    due_ms: number;
  };
}

export const alertingMigrations: readonly Migration[] = [
  {
    name: '0001-alerting',
    async up(db, { id, integer, real, strict }) {
      const statements = [
        `create table alert (
           id text primary key,
           model text not null,
           version ${integer} not null,
           monitor text not null,
           state text not null,
           windows ${integer} not null,
           severity text not null,
           title text not null,
           subjects_json text not null,
           sentences_json text not null,
           since_ms ${real} not null,
           last_window_ms ${real} not null,
           opened_at_ms ${integer} not null,
           fired_at_ms ${integer},
           resolved_at_ms ${integer})${strict}`,
        'create index alert_of_model on alert (model, state)',
        `create table alert_progress (id ${integer} primary key check (id = 1), verdict_id ${integer} not null)${strict}`,
        'insert into alert_progress values (1, 0)',
        `create table webhook_outbox (
           id ${id},
           webhook_id text not null,
           url text not null,
           body text not null,
           attempts ${integer} not null,
           due_ms ${integer} not null)${strict}`,
      ];
      for (const statement of statements) await sql.raw(statement).execute(db);
    },
  },
];
