export { apiStudies } from './api-studies.ts';
export { defaultDefinitionFile, type LoadedDefinition, loadDefinition } from './load-definition.ts';
export { openTuning } from './open-tuning.ts';
export type { Studies } from './studies.ts';
export type { StudyHandle } from './study-handle.ts';
export { runStudy, type StudyProgress, type StudyRunEnd } from './study-run.ts';
export { fileOfTrial, trialDirectory } from './trial-folder.ts';
export type { MeasuredObjective, TrialEnd } from './trial-run.ts';
export { newWorkerId } from './worker-id.ts';
