export {
  type PredlogDatabase,
  type PredlogTables,
  predlogMigrations,
  sealedNames,
} from './catalog.ts';
export type { FailedRequest } from './failure-counts.ts';
export {
  type History,
  type HistoryOptions,
  openHistory,
} from './history.ts';
export type { ChangedRange, JoinerStats } from './joiner.ts';
export {
  type LabelLog,
  type LabelLogOptions,
  type LabelLogStats,
  openLabelLog,
  type ReceivedLabel,
} from './label-log.ts';
export {
  type CategoricalColumn,
  type ChunkPlace,
  type ChunkRequests,
  type ErrorChunk,
  type ErrorCount,
  isConsumed,
  type LabelChunk,
  type LogChunk,
  type LogColumn,
  type NumericColumn,
  type PredictionChunk,
  type Watermarks,
} from './log-chunk.ts';
export { type FollowOptions, followLog, type LogFollower } from './log-follower.ts';
export { recoverLog } from './log-recovery.ts';
export type { PredictionFilter, PredictionSpan } from './log-snapshot.ts';
export type { AnsweredRequest } from './prediction-buffer.ts';
export { openPredictionStore, type PredictionStore, type PredictionStoreOptions } from './prediction-store.ts';
export { openRecorder, type Recorder, type RecorderOptions, type RecorderStats } from './recorder.ts';
export type { ScoredWindow, ScoredWindowQuery } from './scored-window.ts';
export { parseSegmentFile, type SegmentFile } from './segment-name.ts';
