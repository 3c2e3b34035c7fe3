import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fault, type StudySettings } from '@holdfast/api';
import { TuneFault } from '@holdfast/tune';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import type { z } from 'zod';
import { didYouMean } from './closest-name.ts';
import { type Definition, definitionSchema, functionDefinitionSchema, settingsOf } from './definition.ts';
import { StillClock, studyOf } from './study-of.ts';
import { placeholdersOf, splitWords } from './words.ts';

/** A definition, whichever file it came from: a function has become a command that calls it. */
export interface LoadedDefinition extends Definition {
  readonly command: string[];
  readonly settings: StudySettings;
  /** Folder of the file; the command runs there. */
  readonly folder: string;
  /** False for a function, whose metrics come over HTTP and whose output is its own. */
  readonly readsOutput: boolean;
  /** What evaluates, for people. */
  readonly note: string;
}

/** The file that is looked for when none is named. */
export const defaultDefinitionFile = 'holdfast.tune.yaml';

/** What may stand in a part of a definition, so that a slip of the pen gets a suggestion. */
function knownKeys([part, ...inner]: readonly PropertyKey[]): readonly string[] {
  if (part === undefined) return [...Object.keys(definitionSchema.shape), 'objective'];
  if (part === 'budget') return ['trials', 'time', 'cost'];
  if (part === 'latency') return ['objective', 'rows', 'runs'];
  if (part === 'space' && inner.length > 0)
    return ['type', 'low', 'high', 'step', 'log', 'values', 'value', 'options', 'space', 'when', 'default'];
  return [];
}

/** One thing that is wrong with a definition: where, and what would be right. */
function sayIssue(issue: z.core.$ZodIssue): string {
  const where = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path);
    const keys = issue.keys.map(key => `there is no key "${key}"${didYouMean(key, known)}`);
    return `${where === '' ? '' : `${where}: `}${keys.join('; ')}`;
  }
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined;
  const isUnmade = where !== '' && (isMissing || issue.message.endsWith('received undefined'));
  if (isUnmade) return `${where}: it is missing${issue.code === 'invalid_type' ? ` (${issue.expected})` : ''}`;
  return `${where || 'the file'}: ${issue.message}`;
}

function parsed<S extends z.ZodType>(schema: S, raw: unknown, path: string): z.output<S> {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  throw fault('bad_configuration', path, result.error.issues.map(sayIssue).join('; '));
}

async function loadData(path: string): Promise<Definition> {
  const text = await readFile(path, 'utf8');
  try {
    const raw: unknown = parseYaml(text, { schema: 'core', maxAliasCount: 100 });
    if (raw === null || raw === undefined) throw fault('bad_configuration', path, 'the file is empty');
    return parsed(definitionSchema, raw, path);
  } catch (error) {
    if (error instanceof YAMLParseError) throw fault('bad_configuration', path, error.message);
    throw error;
  }
}

function isDefinition(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'space' in value && 'objective' in value;
}

/** The export of a module that is a study: `study`, or the only one that looks like one. */
function exportOf(module: object, path: string): { readonly name: string; readonly value: unknown } {
  const found = Object.entries(module).filter(([, value]) => isDefinition(value));
  const chosen = found.find(([name]) => name === 'study') ?? (found.length === 1 ? found[0] : undefined);
  if (chosen !== undefined) return { name: chosen[0], value: chosen[1] };
  const why =
    found.length === 0
      ? 'it exports no study; write: export const study = defineStudy({ ... })'
      : `it exports several studies (${found.map(([name]) => name).join(', ')}); name one of them "study"`;
  throw fault('bad_configuration', path, why);
}

async function importModule(path: string): Promise<object> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    throw fault('bad_configuration', path, error instanceof Error ? error.message : String(error));
  }
}

async function loadModule(path: string): Promise<Definition> {
  const { name, value } = exportOf(await importModule(path), path);
  const { objective: _, ...rest } = parsed(functionDefinitionSchema, value, path);
  const entry = join(import.meta.dirname, `objective-process${extname(import.meta.filename)}`);
  const command = [process.execPath, ...process.execArgv, entry, path, name];
  return { ...rest, command, jobs: { backend: 'local' } };
}

/** Names that a command may put between braces: every parameter, whether it exists in a configuration or not. */
function parameterNames(space: StudySettings['space'], prefix = ''): string[] {
  return Object.entries(space).flatMap(([key, param]) => {
    const path = prefix + key;
    if (param.type === 'group') return parameterNames(param.space, `${path}.`);
    if (param.type !== 'choice') return [path];
    const inner = Object.entries(param.options).flatMap(([name, space]) => parameterNames(space, `${path}.${name}.`));
    return [path, ...inner];
  });
}

function checkPlaceholders(words: readonly string[], settings: StudySettings, path: string): void {
  const known = new Set([...parameterNames(settings.space), '@params', '@trial', '@directory', '@checkpoint']);
  const unknown = placeholdersOf(words).find(name => !known.has(name));
  if (unknown === undefined) return;
  throw fault(
    'bad_configuration',
    path,
    `command: there is no parameter "${unknown}"; known are ${[...known].join(', ')}`,
  );
}

/** Found now, not when the study exists and half of them are in it. */
function checkEnqueued({ enqueue, ...definition }: Definition, path: string): void {
  const clock = new StillClock();
  for (const params of enqueue) {
    try {
      studyOf(definition.name, settingsOf({ ...definition, enqueue }), clock).enqueueFlat(params);
    } catch (error) {
      if (!(error instanceof TuneFault)) throw error;
      throw fault('bad_configuration', path, `enqueue: ${error.message}`);
    }
  }
}

function checkLatency({ latency, model, objectives }: Definition, path: string): void {
  if (latency === undefined) return;
  if (model === undefined)
    throw fault(
      'bad_configuration',
      path,
      'latency: needs `model`, the ONNX file that a trial leaves in its directory',
    );
  if (!Object.hasOwn(objectives, latency.objective))
    throw fault('bad_configuration', path, `latency: objectives have no "${latency.objective}"`);
  if (Object.keys(objectives).length === 1)
    throw fault(
      'bad_configuration',
      path,
      'latency: objectives need one more that the command reports, such as its loss',
    );
}

/** Members of a population take over each other's checkpoints, which must outlive their pods. */
function checkStorage({ sampler, jobs }: Definition, path: string): void {
  if (sampler.name !== 'pbt' || jobs.backend !== 'kubernetes' || jobs.storage !== undefined) return;
  throw fault('bad_configuration', path, 'jobs: pbt needs `storage`, which keeps the checkpoints of its members');
}

/**
 * Reads a definition: YAML or JSON with a command, or a TypeScript or JavaScript module that exports a study with a
 * function.
 *
 * @throws Fault `bad_configuration` naming the file, the key and what it accepts
 */
export async function loadDefinition(file: string): Promise<LoadedDefinition> {
  const path = resolve(file);
  if (!existsSync(path))
    throw fault('bad_configuration', file, 'there is no such file; name the definition: holdfast tune FILE');
  const isModule = /^\.[cm]?[jt]s$/.test(extname(path));
  const definition = isModule ? await loadModule(path) : await loadData(path);
  checkEnqueued(definition, file);
  checkLatency(definition, file);
  checkStorage(definition, file);
  const { command } = definition;
  const words = typeof command === 'string' ? splitWords(command) : command;
  const settings = settingsOf(definition);
  if (!isModule) checkPlaceholders(words, settings, file);
  return {
    ...definition,
    command: words,
    settings,
    folder: dirname(path),
    readsOutput: !isModule,
    note: isModule ? `a function in ${file}` : words.join(' '),
  };
}
