export { findEngine, runSource, type SourceRun } from './source-run.ts';
