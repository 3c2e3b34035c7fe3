import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fault, isFault, type ModelName, parseModelName } from '@holdfast/api';
import type { VersionPolicy } from '../config/index.ts';
import { TextFormatError } from './text-format.ts';
import { parseTritonConfig, type TritonConfig } from './triton-config.ts';
import { servedVersions } from './version-policy.ts';

/** One model of a repository as it lies on the disk. */
export interface ModelFolder {
  readonly name: ModelName;
  readonly path: string;
  /** Undefined for a folder with nothing but versions, as TensorFlow Serving has them. */
  readonly config: TritonConfig | undefined;
  /** What is served of the numbered folders, ascending. */
  readonly versions: readonly number[];
  /** Changes when a file changes, comes or goes. */
  readonly fingerprint: string;
}

/** A folder that cannot be served. */
export interface FolderProblem {
  readonly model: string;
  readonly why: string;
  readonly fingerprint: string;
}

export interface RepositoryContents {
  readonly folders: readonly ModelFolder[];
  readonly problems: readonly FolderProblem[];
}

/** A repository with more entries than this is somebody's home directory. */
const maximumModels = 10_000;
const maximumFiles = 20_000;
const versionPattern = /^[1-9][0-9]{0,9}$/;
const largestVersion = 2_147_483_647;

async function fingerprintOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  if (entries.length > maximumFiles) throw fault('bad_configuration', folder, `has more than ${maximumFiles} files`);
  const lines = await Promise.all(
    entries.map(async entry => {
      const path = join(entry.parentPath, entry.name);
      const facts = await stat(path).catch(() => undefined);
      return facts?.isFile() === true ? `${path} ${facts.size} ${facts.mtimeMs}` : path;
    }),
  );
  return lines.toSorted().join('\n');
}

async function configOf(folder: string): Promise<TritonConfig | undefined> {
  const path = join(folder, 'config.pbtxt');
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw fault('bad_configuration', path, 'the file cannot be read');
  });
  if (text === undefined) return undefined;
  try {
    return parseTritonConfig(text);
  } catch (error) {
    if (error instanceof TextFormatError) throw fault('bad_configuration', path, error.message);
    throw error;
  }
}

async function versionsIn(folder: string): Promise<readonly number[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const numbers: number[] = [];
  for (const entry of entries) {
    const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await isDirectory(join(folder, entry.name))));
    if (!isFolder || !versionPattern.test(entry.name)) continue;
    const version = Number(entry.name);
    if (version > largestVersion)
      throw fault('bad_configuration', join(folder, entry.name), `version numbers go up to ${largestVersion}`);
    numbers.push(version);
  }
  return numbers;
}

async function isDirectory(path: string): Promise<boolean> {
  const facts = await stat(path).catch(() => undefined);
  return facts?.isDirectory() === true;
}

/** @throws Fault `bad_configuration` or `bad_model_name` */
async function readFolder(
  path: string,
  entry: string,
  policy: VersionPolicy,
  fingerprint: string,
): Promise<ModelFolder> {
  const name = parseModelName(entry);
  const config = await configOf(path);
  if (config?.name !== undefined && config.name !== entry) {
    const why = `the model is named "${config.name.slice(0, 80)}", but its folder "${entry}"`;
    throw fault('bad_configuration', join(path, 'config.pbtxt'), why);
  }
  const available = await versionsIn(path);
  const versions = servedVersions(available, config?.versions ?? policy);
  if (versions.length === 0 && config?.ensemble === undefined) {
    const what =
      available.length === 0
        ? 'holds no version, a folder named with a number'
        : 'holds no version that its policy serves';
    throw fault('bad_configuration', path, what);
  }
  return { name, path, config, versions, fingerprint };
}

/**
 * Looks through a model repository. What cannot be read of one model is a problem of that model only.
 *
 * @param policyOf which versions of a model are served when its own configuration does not say
 * @throws Fault `bad_configuration` when the folder itself cannot be read
 */
export async function readRepository(
  root: string,
  policyOf: (model: string) => VersionPolicy,
): Promise<RepositoryContents> {
  const entries = await readdir(root).catch(() => {
    throw fault('bad_configuration', root, 'the model repository cannot be read');
  });
  if (entries.length > maximumModels) throw fault('bad_configuration', root, `has more than ${maximumModels} entries`);
  const folders: ModelFolder[] = [];
  const problems: FolderProblem[] = [];
  for (const entry of entries.toSorted()) {
    const path = join(root, entry);
    if (entry.startsWith('.') || !(await isDirectory(path))) continue;
    let fingerprint = '';
    try {
      fingerprint = await fingerprintOf(path);
      folders.push(await readFolder(path, entry, policyOf(entry), fingerprint));
    } catch (error) {
      if (!isFault(error)) throw error;
      problems.push({ model: entry, why: error.message, fingerprint });
    }
  }
  return { folders, problems };
}

/** What lies in a version's folder: the file that the configuration names, or else the whole folder to be converted. */
export async function versionSource({ path, config }: ModelFolder, version: number): Promise<string> {
  const folder = join(path, String(version));
  const file = join(folder, config?.fileName ?? 'model.onnx');
  const facts = await stat(file).catch(() => undefined);
  if (facts !== undefined) return file;
  const entries = (await readdir(folder)).filter(name => !name.startsWith('.'));
  return entries.length === 1 ? join(folder, entries[0]!) : folder;
}

/** The classes that label files name, by output. @throws Fault `bad_configuration` */
export async function labelsOf({ path, config }: ModelFolder): Promise<Record<string, string[]> | undefined> {
  if (config === undefined || config.labelFiles.size === 0) return undefined;
  const labels: Record<string, string[]> = {};
  for (const [output, name] of config.labelFiles) {
    const text = await readFile(join(path, name), 'utf8').catch(() => {
      throw fault('bad_configuration', join(path, name), `the label file of output "${output}" cannot be read`);
    });
    const lines = text.split(/\r?\n/);
    if (lines.at(-1) === '') lines.pop();
    labels[output] = lines;
  }
  return labels;
}
