import { openAsBlob } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, extname, join, resolve } from 'node:path';
import {
  type Artifact,
  type BaselineFormat,
  type CreateVersion,
  type CreateVersionResponse,
  type Digest,
  type HoldfastClient,
  type ModelName,
  parseAlias,
  parseModelName,
} from '@holdfast/api';
import { sourceFilesOf } from '../conversion/index.ts';
import { remoteDescriptor } from '../rollout/index.ts';
import { parseRemoteSource } from '../serving/index.ts';
import {
  type Command,
  exitCodes,
  flag,
  jsonHelp,
  jsonOption,
  type Parsed,
  type Terminal,
  text,
  UsageError,
  wholeNumber,
  words,
} from './command.ts';
import { connect, connectionHelp, connectionOptions, controlUrl } from './connection.ts';
import { planOf, rolloutLine } from './rollout.ts';
import { sourceChoiceOf, sourceHelp, sourceOptions } from './source-options.ts';

/** `fraud-detector.v2.onnx` becomes `fraud-detector.v2`; anything a name cannot hold becomes `-`. */
export function modelNameOfFile(path: string): ModelName {
  const stem = basename(resolve(path), extname(path)).toLowerCase();
  const cleaned = stem
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/\.{2,}/g, '.')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 63);
  return parseModelName(cleaned === '' ? 'model' : cleaned);
}

export function formatOfFile(path: string): BaselineFormat {
  const extension = extname(path).toLowerCase();
  if (extension === '.csv') return 'csv';
  if (extension === '.parquet') return 'parquet';
  if (extension === '.jsonl' || extension === '.ndjson') return 'jsonl';
  throw new UsageError(`a baseline is a .csv, .parquet or .jsonl file, not ${basename(path)}`);
}

export async function uploadFile(client: HoldfastClient, path: string): Promise<Artifact> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined) throw new UsageError(`there is no file ${path}`);
  if (!facts.isFile()) throw new UsageError(`${path} is not a file`);
  return client.call('uploadArtifact', { body: await openAsBlob(path) });
}

/** Options that say what becomes of a file that is deployed. */
export const publishOptions = {
  ...sourceOptions,
  name: { type: 'string' },
  version: { type: 'string' },
  baseline: { type: 'string' },
  'truth-column': { type: 'string' },
  'time-column': { type: 'string' },
  task: { type: 'string' },
  'positive-class': { type: 'string' },
  threshold: { type: 'string' },
  alias: { type: 'string' },
  'no-alias': { type: 'boolean' },
} as const;

/** Uploads a model file or folder with what the options say, and registers it as a version. */
export async function publishFile(options: {
  readonly parsed: Parsed;
  readonly terminal: Terminal;
  /** A model file or folder, or several that become one pipeline. */
  readonly paths: readonly string[];
  readonly model: ModelName;
  readonly provenance?: Readonly<Record<string, string>>;
  /** Whether an alias may move to the new version. @default true */
  readonly movesAlias?: boolean;
}): Promise<CreateVersionResponse> {
  const { parsed, terminal, paths, model, provenance, movesAlias = true } = options;
  const client = connect(parsed, terminal);
  const request = await requestOf(parsed, client, paths, terminal.stderr);
  terminal.stderr(`validating and loading ${model} on ${controlUrl(parsed, terminal)} ...\n`);
  const body = {
    ...request,
    ...(provenance && { provenance: { ...provenance } }),
    ...(!movesAlias && { alias: null }),
  };
  return client.call('createVersion', { params: { model }, body });
}

/** A small file that stands for a model on another server, to be uploaded like one. */
async function remoteFile(source: string): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-remote-'));
  const path = join(folder, 'remote.json');
  await writeFile(path, remoteDescriptor(source));
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

export const deployCommand: Command = {
  usage: 'deploy MODEL...|--source URL --name NAME [options]',
  options: {
    ...connectionOptions,
    ...jsonOption,
    ...publishOptions,
    canary: { type: 'string' },
    source: { type: 'string' },
  },
  optionHelp: [
    ['--name NAME', 'name of the model (default: from the file name)'],
    [
      '--source URL',
      'model on another server: oip+http://HOST:PORT/MODEL[/VERSION], oip+grpc://..., tfs+http://... or tfs+grpc://... (https, grpcs: with TLS)',
    ],
    ['--version N', 'version number (default: the next one)'],
    [
      '--baseline FILE',
      'reference data (.csv, .parquet, .jsonl) with the input columns, and ground truth if you have it',
    ],
    ['--truth-column NAME', 'column of the baseline with ground truth (default: label, target, truth or y)'],
    ['--time-column NAME', 'column of the baseline with the event time, so that alarms know how days differ'],
    ['--task KIND', 'binary, multiclass, regression or none (default: from the outputs)'],
    ['--positive-class VALUE', 'ground truth that counts as positive (default 1)'],
    ['--threshold P', 'scores at or above it are predicted positive (default 0.5)'],
    ['--alias NAME', 'alias to move to the new version (default champion)'],
    ['--no-alias', 'register only'],
    ['--canary PLAN', 'roll it out by steps instead, such as "5% 10m -> 25% 30m -> 100%"'],
    ...sourceHelp,
    ...connectionHelp,
    jsonHelp,
  ],
  run: async (parsed, terminal) => {
    const source = text(parsed, 'source');
    const files = parsed.positionals;
    const last = files.at(-1);
    if (source === undefined && last === undefined) throw new UsageError('expected: MODEL..., model files or folders');
    if (source !== undefined) words(parsed);
    const ownName = source === undefined ? modelNameOfFile(last ?? '') : parseRemoteSource(source).model;
    const model = parseModelName(text(parsed, 'name') ?? ownName);
    await using remote = source === undefined ? undefined : await remoteFile(source);
    const paths = remote === undefined ? files : [remote.path];
    const plan = planOf(parsed, 'canary');
    if (plan !== undefined && text(parsed, 'alias') !== undefined)
      throw new UsageError('say either --alias or --canary');
    const { version, created } = await publishFile({ parsed, terminal, paths, model });
    if (plan !== undefined) {
      const body = { version: version.version, plan };
      const rollout = await connect(parsed, terminal).call('startRollout', { params: { model }, body });
      terminal.stdout(
        flag(parsed, 'json') ? `${JSON.stringify({ version, created, rollout })}\n` : rolloutLine(rollout),
      );
      return rollout.phase === 'failed' ? exitCodes.failed : exitCodes.ok;
    }
    if (flag(parsed, 'json')) terminal.stdout(`${JSON.stringify({ version, created })}\n`);
    else {
      const aliases = version.aliases.length > 0 ? ` as ${version.aliases.join(', ')}` : '';
      terminal.stdout(
        `${model} version ${version.version} is ${version.state}${aliases}${created ? '' : ' (it was registered before)'}\n`,
      );
    }
    return exitCodes.ok;
  },
};

async function requestOf(
  parsed: Parsed,
  client: HoldfastClient,
  paths: readonly string[],
  progress: (text: string) => void,
): Promise<CreateVersion> {
  const baselinePath = text(parsed, 'baseline');
  const format = baselinePath === undefined ? undefined : formatOfFile(baselinePath);
  const version = wholeNumber(parsed, 'version', 1, 2_147_483_647);
  const task = taskOf(parsed);
  const files: { name: string; artifact: Digest; stage?: number }[] = [];
  for (const [i, path] of paths.entries()) {
    for (const file of await sourceFilesOf(path)) {
      progress(`uploading ${file.name} ...\n`);
      const { digest } = await uploadFile(client, file.path);
      files.push({ name: file.name, artifact: digest, ...(paths.length > 1 && { stage: i + 1 }) });
    }
  }
  const choice = sourceChoiceOf(parsed);
  let baseline: CreateVersion['baseline'];
  if (baselinePath !== undefined && format !== undefined) {
    progress(`uploading ${basename(baselinePath)} ...\n`);
    const truthColumn = text(parsed, 'truth-column');
    const timeColumn = text(parsed, 'time-column');
    baseline = {
      artifact: (await uploadFile(client, baselinePath)).digest,
      format,
      ...(truthColumn !== undefined && { truthColumn }),
      ...(timeColumn !== undefined && { timeColumn }),
    };
  }
  const alias = text(parsed, 'alias');
  return {
    artifact: files[0]!.artifact,
    ...(files.length > 1 && { files }),
    ...(Object.keys(choice).length > 0 && { convert: choice }),
    fileName: paths.map(path => basename(resolve(path))).join(' + '),
    ...(version !== undefined && { version }),
    ...(baseline && { baseline }),
    ...(task && { task }),
    ...(flag(parsed, 'no-alias') || text(parsed, 'canary') !== undefined
      ? { alias: null }
      : alias !== undefined && { alias: parseAlias(alias) }),
  };
}

function taskOf(parsed: Parsed): CreateVersion['task'] {
  const kind = text(parsed, 'task');
  if (kind === undefined) return undefined;
  if (kind !== 'binary' && kind !== 'multiclass' && kind !== 'regression' && kind !== 'none') {
    throw new UsageError(`--task is binary, multiclass, regression or none, not "${kind}"`);
  }
  const positiveClass = text(parsed, 'positive-class');
  const threshold = text(parsed, 'threshold');
  if (threshold !== undefined && !Number.isFinite(Number(threshold)))
    throw new UsageError(`--threshold takes a number, not "${threshold}"`);
  return {
    kind,
    ...(positiveClass !== undefined && { positiveClass }),
    ...(threshold !== undefined && { threshold: Number(threshold) }),
  };
}
