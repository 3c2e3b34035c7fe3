export { type AlertBook, type AlertingOptions, startAlerting, type VerdictSource } from './alert-book.ts';
export type { AlertFilter } from './alerting-store.ts';
export { type AlertingTables, alertingMigrations } from './schema.ts';
