export { type OpenDatabaseOptions, openDatabase, openReader } from './database.ts';
export type { ColumnTypes, Migration, MigrationDatabase } from './migration.ts';
export { ObjectMissing, type ObjectStore } from './object-store.ts';
export { openS3Store, parseS3Address } from './s3-store.ts';
