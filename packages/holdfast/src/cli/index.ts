export type { Terminal } from './command.ts';
export { runCommandLine } from './run.ts';
export type { RunningHoldfast, StartHoldfast, StartRequest } from './up.ts';
