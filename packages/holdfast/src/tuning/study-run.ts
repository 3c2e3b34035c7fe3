import { startReportServer } from './report-server.ts';
import type { StudyHandle } from './study-handle.ts';
import { type HeldTrial, runTrial, type TrialEnd, type TrialPlan } from './trial-run.ts';

/** What happens while a study runs, for whoever shows it. */
export type StudyProgress =
  | { readonly kind: 'started'; readonly trial: HeldTrial }
  | { readonly kind: 'step'; readonly number: number; readonly step: number; readonly values: readonly number[] }
  | { readonly kind: 'ended'; readonly number: number; readonly end: TrialEnd };

export type StudyRunEnd =
  /** Nothing is left to do: the budget is spent, or the space exhausted. */
  | { readonly kind: 'finished'; readonly because: string }
  | { readonly kind: 'interrupted' }
  /** Too many trials in a row failed; `reason` is that of the last one. */
  | { readonly kind: 'failing'; readonly failures: number; readonly reason: string };

export interface StudyRunOptions {
  readonly study: StudyHandle;
  readonly plan: TrialPlan;
  readonly worker: string;
  readonly concurrency: number;
  readonly stopAfterFailures: number;
  /** Ends the run in order: commands are stopped, their trials given back. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: StudyProgress) => void;
}

/**
 * Runs trials until the study is finished or `signal` aborts, several at once, together with whatever other workers run
 * on the same study.
 *
 * @throws Fault `job_not_started` when the command cannot be started at all
 */
export async function runStudy(options: StudyRunOptions): Promise<StudyRunEnd> {
  const { study, worker, concurrency, stopAfterFailures, onProgress } = options;
  await using reports = await startReportServer();
  const halt = new AbortController();
  const signal = AbortSignal.any([options.signal, halt.signal]);
  const running = new Map<number, Promise<void>>();
  let failures = 0;
  let lastReason = '';
  let broken: unknown;

  const evaluate = async (trial: HeldTrial): Promise<void> => {
    onProgress({ kind: 'started', trial });
    const onStep = (step: number, values: readonly number[]): void =>
      onProgress({ kind: 'step', number: trial.number, step, values });
    const end = await runTrial(study, trial, options.plan, { reports, signal, onStep });
    if (end.kind === 'told') {
      failures = end.outcome.kind === 'failed' ? failures + 1 : 0;
      if (end.outcome.kind === 'failed') lastReason = end.outcome.reason;
    }
    onProgress({ kind: 'ended', number: trial.number, end });
    if (failures >= stopAfterFailures) halt.abort();
  };

  const begin = (trial: HeldTrial): void => {
    const done = evaluate(trial)
      .catch((error: unknown) => {
        broken ??= error;
        halt.abort();
      })
      .finally(() => running.delete(trial.number));
    running.set(trial.number, done);
  };

  let finished: string | undefined;
  while (!signal.aborted) {
    if (running.size >= concurrency) {
      await Promise.race(running.values());
      continue;
    }
    const answer = await study.ask(worker, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    if (answer === undefined) break;
    if (answer.kind === 'trial') {
      finished = undefined;
      begin(answer);
      continue;
    }
    finished = answer.kind === 'exhausted' ? 'exhausted' : answer.because;
    if (running.size === 0) break;
    // What is under way may pause and be promoted, or fail and be repeated.
    await Promise.race(running.values());
  }
  await Promise.all(running.values());
  if (broken !== undefined) throw broken;
  if (failures >= stopAfterFailures) return { kind: 'failing', failures, reason: lastReason };
  return finished === undefined || options.signal.aborted
    ? { kind: 'interrupted' }
    : { kind: 'finished', because: finished };
}
