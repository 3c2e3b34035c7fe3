import { sql } from 'kysely';
import type { Migration } from '../storage/index.ts';

/** The registry's tables in `meta.db`; JSON columns hold what is read and written as a whole. */
export interface RegistrySchema {
  model: { name: string; created_at_ms: number };
  model_version: {
    model: string;
    version: number;
    digest: string;
    source_digest: string;
    bytes: number;
    signature_json: string;
    provenance_json: string;
    baseline_digest: string | null;
    baseline_profile_digest: string | null;
    baseline_rows: number | null;
    created_at_ms: number;
  };
  model_alias: { model: string; alias: string; version: number; generation: number };
  alias_move: {
    id: number | undefined;
    model: string;
    alias: string;
    from_version: number | null;
    to_version: number | null;
    generation: number;
    at_ms: number;
    actor: string;
    reason: string;
  };
  /** Models that were unloaded by request. */
  model_held: { model: string; at_ms: number };
  model_quarantine: { model: string; version: number; reason: string; at_ms: number };
}

export const registryMigrations: readonly Migration[] = [
  {
    name: '0001-registry',
    async up(db, { id, integer, strict }) {
      const statements = [
        `create table model (name text primary key, created_at_ms ${integer} not null)${strict}`,
        `create table model_version (
           model text not null references model (name) on delete cascade,
           version ${integer} not null,
           digest text not null,
           source_digest text not null,
           bytes ${integer} not null,
           signature_json text not null,
           provenance_json text not null,
           baseline_digest text,
           baseline_profile_digest text,
           baseline_rows ${integer},
           created_at_ms ${integer} not null,
           primary key (model, version))${strict}`,
        `create table model_alias (
           model text not null,
           alias text not null,
           version ${integer} not null,
           generation ${integer} not null,
           primary key (model, alias),
           foreign key (model, version) references model_version (model, version))${strict}`,
        `create table alias_move (
           id ${id},
           model text not null,
           alias text not null,
           from_version ${integer},
           to_version ${integer},
           generation ${integer} not null,
           at_ms ${integer} not null,
           actor text not null,
           reason text not null)${strict}`,
        'create index alias_move_of_model on alias_move (model, id)',
        `create table model_quarantine (
           model text not null,
           version ${integer} not null,
           reason text not null,
           at_ms ${integer} not null,
           primary key (model, version),
           foreign key (model, version) references model_version (model, version) on delete cascade)${strict}`,
      ];
      for (const statement of statements) await sql.raw(statement).execute(db);
    },
  },
  {
    name: '0003-held-models',
    async up(db, { integer, strict }) {
      const statement = `create table model_held (
         model text primary key references model (name) on delete cascade,
         at_ms ${integer} not null)${strict}`;
      await sql.raw(statement).execute(db);
    },
  },
];
