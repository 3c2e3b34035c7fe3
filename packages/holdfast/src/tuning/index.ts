export { apiStudies } from './api-studies.ts';
export { defaultDefinitionFile, type LoadedDefinition, loadDefinition } from './load-definition.ts';
export { openTuning } from './open-tuning.ts';
export type { Studies } from './studies.ts';
export type { StudyHandle } from './study-handle.ts';
export { runStudy, type StudyProgress, type StudyRunEnd } from './study-run.ts';
export { type MeasuredObjective, type TrialEnd, trialDirectory } from './trial-run.ts';
export { newWorkerId } from './worker-id.ts';
