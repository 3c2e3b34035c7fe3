import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AskAnswer, isFault, type PruneAnswer } from '@holdfast/api';
import { describeJobEnd, type Job, type JobBackend, type JobEnd, type JobMounts } from '../jobs/index.ts';
import { type AheadMetric, keepAhead, takeAhead } from './ahead.ts';
import { flatValues, variableOf } from './flat-params.ts';
import { inheritCheckpoint } from './inherit-checkpoint.ts';
import { looksLikeMetrics, type Metric, readMetric, readMetricLine } from './metric-line.ts';
import type { ReportServer } from './report-server.ts';
import type { StudyHandle, TrialOutcome } from './study-handle.ts';
import { trialDirectory } from './trial-folder.ts';
import { fillWords } from './words.ts';

export type HeldTrial = Extract<AskAnswer, { kind: 'trial' }>;

/** A held trial as one run of its command begins. */
type TrialStart = Omit<HeldTrial, 'resumeFrom'> & { readonly resumeFrom: number | undefined };

/** An objective that is measured on a file of the trial. */
export interface MeasuredObjective {
  readonly objective: string;
  /** The file, relative to the trial's folder. */
  readonly model: string;
  /** @throws Fault with the reason when it cannot be measured */
  measure(path: string): Promise<number>;
}

/** How the trials of a study are run. */
export interface TrialPlan {
  /** Words of the command; `{name}` becomes the value of a parameter. */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly objectives: readonly string[];
  /** Whether objects with metrics are looked for in the output. */
  readonly readsOutput: boolean;
  readonly seed: number;
  readonly timeoutMs: number;
  readonly silenceMs?: number | undefined;
  readonly graceMs: number;
  readonly memoryBytes?: number | undefined;
  readonly retries: number;
  /** How often a trial whose job the place has lost is run again. */
  readonly lostRetries: number;
  readonly leaseMs: number;
  /** Folder of the study; every trial has one below it. */
  readonly directory: string;
  /** The objective that is measured on the model file in the trial's folder instead of being reported. */
  readonly latency?: MeasuredObjective | undefined;
  readonly backend: JobBackend;
}

export type TrialEnd =
  | { readonly kind: 'told'; readonly outcome: TrialOutcome }
  /** Stopped in order before its end; the next ask hands it out again. */
  | { readonly kind: 'released' }
  /** Another worker has it by now. */
  | { readonly kind: 'not-held' };

interface TrialFolders {
  /** The trial's folder as this process sees it. */
  readonly here: string;
  /** As the command sees them. */
  readonly there: JobMounts;
}

/**
 * The number under which a trial is evaluated. Where jobs outlive their worker, the repeat of a lost trial goes on with the
 * lost one's job and folder.
 */
function evaluationNumber(
  plan: TrialPlan,
  { number, repeats = number }: Pick<HeldTrial, 'number' | 'repeats'>,
): number {
  return plan.backend.mounts === undefined ? number : repeats;
}

/** Throws a reason for the trial to fail when the checkpoint that it starts from is not there. */
async function makeFolders(plan: TrialPlan, trial: HeldTrial): Promise<TrialFolders> {
  const here = trialDirectory(plan.directory, evaluationNumber(plan, trial));
  // What a study of this name that was removed has left: a command would go on from its checkpoint.
  const isFirst = trial.claim === 1 && trial.repeats === undefined && trial.resumeFrom === undefined;
  if (isFirst) await rm(here, { recursive: true, force: true });
  await mkdir(join(here, 'checkpoint'), { recursive: true });
  if (trial.startFrom !== undefined) await inheritCheckpoint(plan.directory, trial.startFrom, here);
  await writeFile(join(here, 'params.json'), `${JSON.stringify(trial.params, null, 2)}\n`);
  const seen = { directory: here, checkpoint: join(here, 'checkpoint'), parameters: join(here, 'params.json') };
  return { here, there: plan.backend.mounts ?? seen };
}

function variables(
  plan: TrialPlan,
  study: string,
  trial: TrialStart,
  there: JobMounts,
  reportUrl: string,
): Record<string, string> {
  const params = [...flatValues(trial.params)].map(([name, value]) => [variableOf(name), String(value)] as const);
  const number = evaluationNumber(plan, trial);
  return {
    ...plan.environment,
    ...Object.fromEntries(params),
    HOLDFAST_STUDY: study,
    HOLDFAST_TRIAL: String(number),
    ...(trial.untilStep !== undefined && { HOLDFAST_UNTIL_STEP: String(trial.untilStep) }),
    HOLDFAST_PARAMS: JSON.stringify(trial.params),
    HOLDFAST_PARAMS_FILE: there.parameters,
    HOLDFAST_TRIAL_DIR: there.directory,
    HOLDFAST_CHECKPOINT_DIR: there.checkpoint,
    HOLDFAST_SEED: String(plan.seed + number),
    HOLDFAST_REPORT_URL: reportUrl,
    // An output into a pipe is otherwise kept back by Python until 8 KiB are there.
    PYTHONUNBUFFERED: '1',
    ...(trial.resumeFrom !== undefined && { HOLDFAST_RESUME_FROM: String(trial.resumeFrom) }),
  };
}

function wordsOf(plan: TrialPlan, trial: TrialStart, there: JobMounts): string[] {
  const values = new Map([...flatValues(trial.params)].map(([name, value]) => [name, String(value)]));
  values.set('@params', there.parameters);
  values.set('@trial', String(evaluationNumber(plan, trial)));
  values.set('@directory', there.directory);
  values.set('@checkpoint', there.checkpoint);
  return fillWords(plan.command, values);
}

/** What one run of the command has said so far. */
class TrialLedger {
  result: Extract<Metric, { kind: 'result' }> | undefined;
  lastStep: Extract<Metric, { kind: 'step' }> | undefined;
  broken: string | undefined;
  decision: Exclude<PruneAnswer, { kind: 'continue' }> | undefined;
  /** Reported after the decision to pause. */
  readonly ahead: AheadMetric[] = [];
  /** The last object of numbers that it printed which has none of the objectives: perhaps they have another name. */
  unknown: string | undefined;
  isHeld = true;
  /** It has reached the step at which it is complete. */
  isDone = false;
  error: unknown;

  get isOver(): boolean {
    return (
      this.isDone ||
      this.broken !== undefined ||
      this.decision !== undefined ||
      !this.isHeld ||
      this.error !== undefined
    );
  }

  get cost(): number | undefined {
    return this.result?.cost ?? this.lastStep?.cost;
  }
}

/**
 * Evaluates one trial: starts the command, passes on what it reports, stops it when the pruner says so, and tells how it
 * ended. When `signal` aborts, the command is stopped and the trial given back.
 *
 * @throws Fault `job_not_started` after giving the trial back; whatever the store throws
 */
export async function runTrial(
  study: StudyHandle,
  trial: HeldTrial,
  plan: TrialPlan,
  options: {
    readonly reports: ReportServer;
    readonly signal: AbortSignal;
    readonly onStep: (step: number, values: readonly number[]) => void;
  },
): Promise<TrialEnd> {
  const { number, claim } = trial;
  const startedAt = performance.now();
  const folders = await makeFolders(plan, trial).catch(async (error: unknown) => {
    if (!isFault(error) || error.code !== 'not_found') throw error;
    return error;
  });
  if (isFault(folders)) {
    const outcome = {
      kind: 'failed',
      reason: `${folders.message} Workers of a population share their data directory.`,
    } as const;
    await study.tell(number, claim, outcome);
    return { kind: 'told', outcome };
  }
  let { resumeFrom } = trial;
  for (let [attempt, losses] = [0, 0]; ; ) {
    const { ledger, end, errors, forget } = await runOnce(study, { ...trial, resumeFrom }, plan, folders, options);
    resumeFrom = ledger.lastStep?.step ?? resumeFrom;
    if (ledger.error !== undefined) throw ledger.error;
    if (!ledger.isHeld) return { kind: 'not-held' };
    const cost = ledger.cost ?? (performance.now() - startedAt) / 1000;
    const told = outcomeOf(ledger, end, errors, reportedOf(plan), cost);
    const outcome = told.kind === 'complete' ? await withLatency(told, plan, folders.here) : told;
    const wasStopped = options.signal.aborted && outcome.kind === 'failed';
    if (wasStopped) {
      await study.release(number, claim);
      return { kind: 'released' };
    }
    if (outcome.kind === 'failed' && ledger.broken === undefined && end.kind !== 'stopped') {
      // What the place lost says nothing about the command, so it does not count as one of its failures.
      const mayRepeat = end.kind === 'lost' ? losses++ < plan.lostRetries : attempt++ < plan.retries;
      if (mayRepeat) {
        await forget();
        continue;
      }
    }
    try {
      await study.tell(number, claim, outcome);
    } catch (error) {
      if (isFault(error) && error.code === 'trial_not_held') return { kind: 'not-held' };
      throw error;
    }
    await forget();
    return { kind: 'told', outcome };
  }
}

async function runOnce(
  study: StudyHandle,
  trial: TrialStart,
  plan: TrialPlan,
  folders: TrialFolders,
  options: Parameters<typeof runTrial>[3],
): Promise<{
  readonly ledger: TrialLedger;
  readonly end: JobEnd;
  readonly errors: string;
  forget(): Promise<void>;
}> {
  const { number, claim } = trial;
  const ledger = new TrialLedger();
  const reported = reportedOf(plan);
  let job: Job | undefined;
  const guard = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (isFault(error) && error.code === 'trial_not_held') ledger.isHeld = false;
      else ledger.error ??= error;
      job?.stop();
      return undefined;
    }
  };
  const take = async (metric: Metric | undefined): Promise<PruneAnswer | undefined> => {
    if (metric === undefined) return undefined;
    job?.sawProgress();
    if (ledger.isOver) {
      if (ledger.decision?.kind === 'pause' && metric.kind !== 'broken') ledger.ahead.push(metric);
      return ledger.decision ?? { kind: 'continue' };
    }
    if (metric.kind === 'broken') {
      ledger.broken = `A report cannot be used: ${metric.why}.`;
      job?.stop();
      return { kind: 'prune', because: ledger.broken };
    }
    if (metric.kind === 'result') {
      ledger.result = metric;
      return { kind: 'continue' };
    }
    if (plan.latency !== undefined) {
      // A step has no latency yet, so it says too little to be judged by.
      ledger.lastStep = metric;
      return { kind: 'continue' };
    }
    const decision = await guard(() => study.report(number, claim, metric.step, metric.values));
    if (decision === undefined) return { kind: 'prune', because: 'The trial has ended.' };
    const notFinite = metric.values.find(value => !Number.isFinite(value));
    if (notFinite !== undefined) ledger.broken = `The value at step ${metric.step} is ${notFinite}.`;
    else {
      ledger.lastStep = metric;
      options.onStep(metric.step, metric.values);
    }
    ledger.isDone = ledger.broken === undefined && metric.step >= (trial.untilStep ?? Number.POSITIVE_INFINITY);
    if (ledger.isDone) {
      job?.stop();
      return { kind: 'pause', because: `The trial is complete at step ${metric.step}.` };
    }
    if (decision.kind === 'continue') return decision;
    ledger.decision = decision;
    job?.stop();
    return decision;
  };
  const ahead = await takeAhead(folders.here);
  for (const metric of ahead) await take(metric);
  if (ledger.isOver || ledger.result !== undefined) {
    await keepAhead(folders.here, ledger.ahead);
    return { ledger, end: { kind: 'exited', code: 0 }, errors: '', forget: async () => {} };
  }
  using address = options.reports.open(posted => take(readMetric(posted, reported)));
  const onLine = async (line: string): Promise<void> => {
    if (!plan.readsOutput) return;
    const metric = readMetricLine(line, reported);
    if (metric === undefined && looksLikeMetrics(line)) ledger.unknown = line.trim();
    await take(metric);
  };
  const evaluation = evaluationNumber(plan, trial);
  const spec = {
    name: `${study.name}-${evaluation}`,
    command: wordsOf(plan, trial, folders.there),
    cwd: plan.cwd,
    environment: variables(plan, study.name, trial, folders.there, address.url),
    timeoutMs: plan.timeoutMs,
    silenceMs: plan.silenceMs,
    graceMs: plan.graceMs,
    memoryBytes: plan.memoryBytes,
    logPath: join(folders.here, 'output.log'),
    folder: trialDirectory(`tune/${study.name}`, evaluation),
    parameters: JSON.stringify(trial.params),
    labels: { study: study.name, trial: String(evaluation) },
  };
  // Begins before the start, which may have to wait for a cluster.
  const heartbeat = setInterval(() => void guard(() => study.heartbeat(number, claim)), plan.leaseMs / 4);
  const stop = (): void => job?.stop();
  options.signal.addEventListener('abort', stop, { once: true });
  try {
    job = await plan.backend.start(spec, onLine);
    if (ledger.isOver || options.signal.aborted) job.stop();
    const { end, errors } = await job.ended;
    await keepAhead(folders.here, ledger.ahead);
    return { ledger, end, errors, forget: job.forget };
  } catch (error) {
    if (isFault(error) && error.code === 'job_not_started' && ledger.isHeld) await study.release(number, claim);
    throw error;
  } finally {
    clearInterval(heartbeat);
    options.signal.removeEventListener('abort', stop);
  }
}

/** The objectives that the command reports. */
function reportedOf({ objectives, latency }: TrialPlan): readonly string[] {
  return objectives.filter(name => name !== latency?.objective);
}

/** The outcome with the measured latency in its place; failed when the model cannot be measured. */
async function withLatency(
  told: Extract<TrialOutcome, { kind: 'complete' }>,
  { latency, objectives }: TrialPlan,
  folder: string,
): Promise<TrialOutcome> {
  if (latency === undefined) return told;
  const { cost } = told;
  const costs = cost === undefined ? {} : { cost };
  const path = join(folder, latency.model);
  if (!existsSync(path))
    return { kind: 'failed', reason: `The command left no "${latency.model}" in its directory to measure.`, ...costs };
  try {
    const ms = await latency.measure(path);
    return { ...told, values: told.values.toSpliced(objectives.indexOf(latency.objective), 0, ms) };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { kind: 'failed', reason: `The latency cannot be measured: ${error.message}`, ...costs };
  }
}

/** The line of the errors that says most: the last one that names an error, or the last one. */
function telling(errors: string): string {
  const lines = errors.split('\n').filter(line => line.trim() !== '');
  const named = lines.findLast(line => /^\s*(?:Uncaught )?[\w.]*(?:Error|Exception|Interrupt)\b/.test(line));
  return (named ?? lines.at(-1) ?? '').trim().slice(0, 300);
}

function outcomeOf(
  ledger: TrialLedger,
  end: JobEnd,
  errors: string,
  objectives: readonly string[],
  cost: number,
): TrialOutcome {
  if (ledger.broken !== undefined) return { kind: 'failed', reason: ledger.broken, cost };
  if (ledger.decision !== undefined)
    return ledger.decision.kind === 'prune' ? { kind: 'pruned', cost } : { kind: 'paused', cost };
  if (!ledger.isDone && (end.kind !== 'exited' || end.code !== 0)) {
    const why = describeJobEnd(end);
    const said = end.kind === 'exited' ? telling(errors) : '';
    return { kind: 'failed', reason: `The command failed: ${why}${said === '' ? '.' : `: ${said}`}`, cost };
  }
  const values = ledger.result?.values ?? ledger.lastStep?.values;
  if (values === undefined) {
    const example = JSON.stringify(Object.fromEntries(objectives.map(name => [name, 0.42])));
    const reason = `The command ended well but never reported its metrics; print a line such as ${example}.`;
    const unknown = ledger.unknown?.slice(0, 200);
    return { kind: 'failed', reason: unknown === undefined ? reason : `${reason} It printed ${unknown}`, cost };
  }
  const notFinite = [...values, ...(ledger.result?.constraints ?? [])].find(value => !Number.isFinite(value));
  if (notFinite !== undefined) return { kind: 'failed', reason: `A value is ${notFinite}, not a finite number.`, cost };
  const constraints = ledger.result?.constraints;
  return { kind: 'complete', values, ...(constraints && { constraints }), cost };
}
