export { type Child, type ChildEnd, describeEnd, startChild } from './child.ts';
export { checkGolden, type GoldenReport } from './golden-check.ts';
export { type LatencyOptions, measureLatencyMs } from './measure-latency.ts';
export { guardAgainstOrphanhood } from './orphan-guard.ts';
export { OrtSession, reasonOf } from './ort-session.ts';
export type { RunAnswer, Runner, RunnerTarget, RunOptions } from './runner.ts';
export { connectRunner, type RunnerLink, type RunnerLinkOptions } from './runner-link.ts';
export {
  type RunnerEvent,
  type RunnerEvents,
  type RunnerPool,
  type RunnerPoolOptions,
  startRunnerPool,
} from './runner-pool.ts';
export { type ModelValidation, type ValidateOptions, validateModel } from './validate-model.ts';
