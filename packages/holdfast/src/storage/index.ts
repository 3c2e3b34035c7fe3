export { type OpenDatabaseOptions, openDatabase, openReader } from './database.ts';
export { isDatabaseAway } from './database-away.ts';
export type { ColumnTypes, Migration, MigrationDatabase } from './migration.ts';
export { ObjectMissing, type ObjectStore, openObjectStore } from './object-store.ts';
export type { Fence } from './postgres-dialect.ts';
export { KeyedTurns, Turns } from './turns.ts';
