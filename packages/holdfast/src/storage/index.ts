export { type OpenDatabaseOptions, openDatabase, openReader } from './database.ts';
export type { ColumnTypes, Migration, MigrationDatabase } from './migration.ts';
