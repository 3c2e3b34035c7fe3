import { join } from 'node:path';
import { createStudySchema, type StudyDetail } from '@holdfast/api';
import { type JobBackend, kubernetesJobs, localJobs } from '../jobs/index.ts';
import { measureLatencyMs } from '../runtime/index.ts';
import {
  defaultDefinitionFile,
  describeFinish,
  type LoadedDefinition,
  loadDefinition,
  type MeasuredObjective,
  newWorkerId,
  runStudy,
  type Studies,
  type StudyRunEnd,
} from '../tuning/index.ts';
import {
  type Command,
  exitCodes,
  flag,
  jsonHelp,
  jsonOption,
  type Parsed,
  type Terminal,
  UsageError,
  wholeNumber,
} from './command.ts';
import { publishOptions } from './deploy.ts';
import { signalled } from './signals.ts';
import { deployTrial } from './tune-deploy.ts';
import { formatValue, TuneProgress } from './tune-progress.ts';
import { openStudies, studyDirectory, tuningHelp, tuningOptions } from './tuning-connection.ts';

/** The definition with what the command line says otherwise. */
function withOverrides(definition: LoadedDefinition, parsed: Parsed): LoadedDefinition {
  const trials = wholeNumber(parsed, 'trials', 1, 10_000_000);
  const concurrency = wholeNumber(parsed, 'concurrency', 1, 256) ?? definition.concurrency;
  if (trials === undefined) return { ...definition, concurrency };
  const { settings } = definition;
  return { ...definition, concurrency, settings: { ...settings, budget: { ...settings.budget, trials } } };
}

async function openStudy(studies: Studies, definition: LoadedDefinition, evolve: boolean): Promise<StudyDetail> {
  const { name, settings, note, enqueue } = definition;
  const opened = await studies.openStudy(createStudySchema.parse({ name, settings, evolve, note }));
  const isNew = Object.values(opened.summary.counts).every(count => count === 0) || opened.events.length === 1;
  if (isNew && opened.summary.state === 'waiting') {
    const study = studies.study(name);
    for (const params of enqueue) await study.enqueue(params);
  }
  return opened;
}

function latencyOf({ latency, model }: LoadedDefinition): MeasuredObjective | undefined {
  if (latency === undefined || model === undefined) return undefined;
  const { objective, rows, runs } = latency;
  return { objective, model, measure: path => measureLatencyMs(path, { rows, runs }) };
}

/** Where the commands run; every worker of a study finds the jobs of the others there. */
function placeOf({ jobs }: LoadedDefinition, { summary }: StudyDetail): JobBackend & Disposable {
  if (jobs.backend === 'kubernetes') return kubernetesJobs(jobs, `${summary.name}/${summary.createdAtMs}`);
  return { ...localJobs, [Symbol.dispose]: () => {} };
}

async function run(
  definition: LoadedDefinition,
  studies: Studies,
  parsed: Parsed,
  terminal: Terminal,
): Promise<{ readonly end: StudyRunEnd; readonly detail: StudyDetail }> {
  const opened = await openStudy(studies, definition, flag(parsed, 'evolve'));
  const stop = new AbortController();
  void signalled().then(() => {
    terminal.stderr('stopping: commands are ended and their trials kept for the next run ...\n');
    stop.abort();
  });
  const { name, concurrency, stopAfterFailures } = definition;
  const study = studies.study(name);
  using backend = placeOf(definition, opened);
  using progress = new TuneProgress(terminal, opened);
  const end = await runStudy({
    study,
    worker: newWorkerId(),
    concurrency,
    stopAfterFailures,
    signal: stop.signal,
    onProgress: event => progress.hear(event),
    plan: {
      command: definition.command,
      cwd: definition.folder,
      environment: definition.environment,
      objectives: definition.settings.objectives.map(objective => objective.name),
      readsOutput: definition.readsOutput,
      seed: definition.seed,
      timeoutMs: definition.timeout,
      silenceMs: definition.silence,
      graceMs: definition.grace,
      memoryBytes: definition.memoryBytes,
      retries: definition.retries,
      lostRetries: definition.lostRetries,
      leaseMs: definition.lease,
      latency: latencyOf(definition),
      directory: studyDirectory(parsed, name),
      backend,
    },
  });
  return { end, detail: await studies.read(name) };
}

function describeEnd(end: StudyRunEnd): string {
  switch (end.kind) {
    case 'finished':
      return `finished: ${describeFinish(end.because)}`;
    case 'interrupted':
      return 'interrupted; run it again to go on';
    case 'failing':
      return `stopped: ${end.failures} trials in a row failed. The last one: ${end.reason}`;
    default:
      return end satisfies never;
  }
}

/** What to do when every trial of a study has failed: its budget is spent on a command that never worked. */
function adviceAfter({ summary }: StudyDetail, parsed: Parsed): string {
  const { counts, name, budget } = summary;
  if (counts.failed === 0 || counts.complete + counts.pruned + counts.paused > 0) return '';
  const log = join(studyDirectory(parsed, name), 'trials', 'N', 'output.log');
  const more = budget.trials === undefined ? 'run it again' : `--trials ${budget.trials + counts.failed}`;
  return `All ${counts.failed} of its trials failed; see ${log}. Once the command is mended, go on with ${more}, or start
afresh after: holdfast studies remove ${name}\n`;
}

/** The best trial, or the front, with its parameters. */
export async function describeBest(studies: Studies, detail: StudyDetail): Promise<string> {
  const { objectives } = detail.summary;
  if (detail.best.length === 0) return 'No trial has finished well yet.\n';
  const { trials } = await studies.trials(detail.summary.name, 0);
  const lines = detail.best.flatMap(number => {
    const trial = trials.find(candidate => candidate.number === number);
    if (trial === undefined) return [];
    const values = objectives.map(({ name }, i) => `${name} ${formatValue(trial.values?.[i] ?? Number.NaN)}`);
    const params = Object.entries(trial.params).map(([key, value]) => `    ${key}: ${JSON.stringify(value)}`);
    return [`  trial ${number}: ${values.join(', ')}`, ...params];
  });
  return `${detail.best.length === 1 ? 'Best' : `Pareto front of ${detail.best.length}`}\n${lines.join('\n')}\n`;
}

async function tune(parsed: Parsed, terminal: Terminal): Promise<number> {
  const [verb] = parsed.positionals;
  if (verb === 'register' || verb === 'deploy') return deployTrial(parsed, terminal, verb === 'deploy');
  const [file = defaultDefinitionFile, ...more] = parsed.positionals;
  if (more.length > 0) throw new UsageError('expected: FILE');
  const definition = withOverrides(await loadDefinition(file), parsed);
  await using opened = await openStudies(parsed, terminal, true);
  const { end, detail } = await run(definition, opened.studies, parsed, terminal);
  if (flag(parsed, 'json')) terminal.stdout(`${JSON.stringify({ end, ...detail })}\n`);
  else {
    terminal.stdout(`\n${detail.summary.name}: ${describeEnd(end)}\n\n`);
    terminal.stdout(await describeBest(opened.studies, detail));
    terminal.stdout(adviceAfter(detail, parsed));
  }
  if (end.kind === 'interrupted') return exitCodes.interrupted;
  return end.kind === 'failing' || detail.best.length === 0 ? exitCodes.failed : exitCodes.ok;
}

export const tuneCommand: Command = {
  usage: 'tune [FILE] [options] | tune register|deploy [best|TRIAL] [options]',
  options: {
    ...tuningOptions,
    ...jsonOption,
    ...publishOptions,
    study: { type: 'string' },
    file: { type: 'string' },
    model: { type: 'string' },
    trials: { type: 'string' },
    concurrency: { type: 'string' },
    evolve: { type: 'boolean' },
  },
  optionHelp: [
    ['FILE', `the definition: YAML, or a module that exports a study (default ${defaultDefinitionFile})`],
    ['--trials N', 'trials in all, instead of what the definition says'],
    ['--concurrency N', 'trials at once, instead of what the definition says'],
    ['--evolve', 'accept a space with added choices, other ranges or new parameters with a default'],
    ['register [best|TRIAL]', 'make the model file of a trial a version, with its parameters as provenance'],
    ['deploy [best|TRIAL]', 'the same, and move the champion (or --alias) to it; takes the options of deploy'],
    ['--study NAME', 'the study to register from (default: that of the definition)'],
    ['--file FILE', `the definition to register from (default ${defaultDefinitionFile})`],
    ['--model FILE', 'the model file in the directory of the trial (default: `model` of the definition)'],
    ['--name NAME', 'name of the model (default: that of the study)'],
    ...tuningHelp,
    jsonHelp,
  ],
  run: tune,
};
