import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseModelName, type StudyDetail, type Trial } from '@holdfast/api';
import { defaultDefinitionFile, fileOfTrial, loadDefinition, type Studies, trialDirectory } from '../tuning/index.ts';
import { exitCodes, flag, type Parsed, type Terminal, text, UsageError } from './command.ts';
import { publishFile } from './deploy.ts';
import { openStudies, studyDirectory } from './tuning-connection.ts';

/** The study that is meant, and where its trials leave their model. */
async function chosenStudy(parsed: Parsed): Promise<{ readonly name: string; readonly model: string | undefined }> {
  const file = text(parsed, 'file') ?? (existsSync(defaultDefinitionFile) ? defaultDefinitionFile : undefined);
  const named = text(parsed, 'study');
  const definition = file === undefined || named !== undefined ? undefined : await loadDefinition(file);
  const name = named ?? definition?.name;
  if (name === undefined) throw new UsageError(`say --study NAME, or --file with the definition`);
  return { name, model: text(parsed, 'model') ?? definition?.model };
}

function chosenTrial(which: string, detail: StudyDetail, trials: readonly Trial[]): Trial {
  const [best, ...others] = detail.best;
  if (which === 'best' && best === undefined)
    throw new UsageError(`no trial of ${detail.summary.name} has finished well yet`);
  if (which === 'best' && others.length > 0)
    throw new UsageError(`the study has several objectives; name a trial of its front: ${detail.best.join(', ')}`);
  const number = which === 'best' ? best : Number(which);
  const trial = trials.find(candidate => candidate.number === number);
  if (trial === undefined) throw new UsageError(`${detail.summary.name} has no trial ${which}`);
  return trial;
}

/** Where a version came from: study, trial, parameters and values. */
function provenanceOf({ summary, settings }: StudyDetail, trial: Trial): Record<string, string> {
  const params = Object.entries(trial.params).map(([name, value]) => [`parameter.${name}`, String(value)]);
  const values = summary.objectives.map(({ name }, i) => [`value.${name}`, String(trial.values?.[i] ?? '')]);
  return Object.fromEntries([
    ['study', summary.name],
    ['trial', String(trial.number)],
    ['study.sampler', summary.sampler],
    ['study.seed', String(settings.seed)],
    ...params,
    ...values,
  ]);
}

async function noted(studies: Studies, study: string, trial: number, model: string, version: number): Promise<void> {
  await studies.noteRegistration(study, { trial, model: parseModelName(model), version });
}

/** `holdfast tune register` and `holdfast tune deploy`: a trial's model file becomes a version, parameters and all. */
export async function deployTrial(parsed: Parsed, terminal: Terminal, movesAlias: boolean): Promise<number> {
  const [, which = 'best', ...more] = parsed.positionals;
  if (more.length > 0) throw new UsageError('expected: register|deploy [best|TRIAL]');
  const { name, model: file } = await chosenStudy(parsed);
  if (file === undefined)
    throw new UsageError('say which file of the trial is the model: `model:` in the definition, or --model FILE');
  await using opened = await openStudies(parsed, terminal, false);
  const detail = await opened.studies.read(name);
  const { trials } = await opened.studies.trials(name, 0);
  const trial = chosenTrial(which, detail, trials);
  const folder = studyDirectory(parsed, name);
  const path = fileOfTrial(folder, trial.number, trials, file);
  if (path === undefined)
    throw new UsageError(`trial ${trial.number} left no file ${join(trialDirectory(folder, trial.number), file)}`);
  const model = parseModelName(text(parsed, 'name') ?? name);
  const provenance = provenanceOf(detail, trial);
  const published = await publishFile({ parsed, terminal, paths: [path], model, provenance, movesAlias });
  await noted(opened.studies, name, trial.number, model, published.version.version);
  if (flag(parsed, 'json')) terminal.stdout(`${JSON.stringify({ ...published, trial: trial.number })}\n`);
  else {
    const { version, state, aliases } = published.version;
    const as = aliases.length > 0 ? ` as ${aliases.join(', ')}` : '';
    terminal.stdout(`trial ${trial.number} of ${name} is ${model} version ${version}, ${state}${as}\n`);
  }
  return exitCodes.ok;
}
