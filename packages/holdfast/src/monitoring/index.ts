export type { ScoreRows, TableColumns } from './baseline/baseline-reader.ts';
export { type PrepareBaselineOptions, prepareBaseline } from './baseline/prepare-baseline.ts';
export type { GroundTruth, JoinedWindow, TruthSpan } from './ground-truth.ts';
export type { MonitoredModel } from './monitored-model.ts';
export { type ArmsQuery, type ComparedArms, compareArms } from './performance/compare-arms.ts';
export { type BaselineProfile, parseBaselineProfile } from './profiles/reference.ts';
export { MonitoringReader, type MonitoringSummary, type TimeRange, type VerdictFilter } from './reader.ts';
export { type MonitoringTables, monitoringMigrations } from './store/schema.ts';
export { startWatcher, type Watcher, type WatcherOptions } from './watcher.ts';
