export {
  type Migration,
  type MigrationDatabase,
  type OpenDatabaseOptions,
  openDatabase,
  openReader,
} from './database.ts';
