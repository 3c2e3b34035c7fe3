import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { fault } from '@holdfast/api';
import { inspectModel, sniffFile } from '@holdfast/onnx';
import type { SourcePath } from './conversion-messages.ts';

/** Files that one model may consist of. */
const maxFiles = 2000;

/**
 * The files of the model at a path: the file itself with the weights that it names beside it, or everything in a
 * folder (SavedModel, TensorFlow.js, ONNX with external data).
 * @throws Fault `bad_request` when there is nothing at the path, or too much, or a link to a file outside
 */
export async function sourceFilesOf(path: string): Promise<readonly SourcePath[]> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined) throw fault('bad_request', `There is no file or folder ${path}.`);
  if (facts.isDirectory()) return folderFiles(path);
  if (!facts.isFile()) throw fault('bad_request', `${path} is neither a file nor a folder.`);
  const main = { name: basename(path), path };
  const folder = dirname(path);
  const siblings = /\.(json|onnx|pb)$/i.test(path) ? await siblingNames(path, folder) : [];
  const inside = [await realpath(folder), dirname(await realpath(path))];
  return [main, ...(await Promise.all(siblings.map(name => insideFile(name, join(folder, name), inside))))];
}

/**
 * A file of a model, which must lie where the model lies: a link to elsewhere would make any file of the machine part of
 * it. @throws Fault `bad_request`
 */
async function insideFile(name: string, path: string, folders: readonly string[]): Promise<SourcePath> {
  const target = await realpath(path);
  if (folders.some(folder => target.startsWith(folder.endsWith(sep) ? folder : folder + sep))) return { name, path };
  throw fault('bad_request', `${path} is a link to a file outside the model's folder; copy the file into it.`);
}

async function folderFiles(root: string): Promise<SourcePath[]> {
  const found: SourcePath[] = [];
  const folder = await realpath(root);
  // A snapshot in the cache of a model hub is a folder of links to the files beside it.
  const inside = [folder, join(folder, '..', '..', 'blobs')];
  const walk = async (relative: string): Promise<void> => {
    const entries = await readdir(join(root, relative), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.')) continue;
      const name = relative === '' ? entry.name : `${relative}/${entry.name}`;
      const path = join(root, name);
      if (entry.isDirectory()) await walk(name);
      else if ((await stat(path)).isFile()) found.push(await insideFile(name, path, inside));
      if (found.length > maxFiles)
        throw fault('bad_request', `${root} has more than ${maxFiles} files; give the folder of one model.`);
    }
  };
  await walk('');
  if (found.length === 0) throw fault('bad_request', `The folder ${root} is empty.`);
  return found;
}

/** Names that the file itself mentions and that lie beside it; whether they suffice is for the converter to say. */
async function siblingNames(path: string, folder: string): Promise<string[]> {
  const bytes = new Uint8Array(await readFile(path));
  const kind = sniffFile(bytes);
  const names =
    kind === 'onnx'
      ? externalNames(bytes)
      : kind === 'tfjs_layers' || kind === 'tfjs_graph'
        ? shardNames(bytes)
        : kind === 'savedmodel'
          ? await variableNames(folder)
          : [];
  const inside = [...new Set(names)].filter(isPlainPath).slice(0, maxFiles);
  const present = await Promise.all(
    inside.map(async name => ((await stat(join(folder, name)).catch(() => undefined))?.isFile() ? [name] : [])),
  );
  return present.flat();
}

/** A relative path that stays in its folder. */
function isPlainPath(name: string): boolean {
  return name !== '' && !/^[\\/]|^[A-Za-z]:|(^|[\\/])\.\.([\\/]|$)|\0/.test(name);
}

function externalNames(bytes: Uint8Array): readonly string[] {
  try {
    return inspectModel(bytes).externalData;
  } catch {
    return [];
  }
}

function shardNames(bytes: Uint8Array): string[] {
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof document !== 'object' || document === null || !('weightsManifest' in document)) return [];
    const groups: unknown = document.weightsManifest;
    if (!Array.isArray(groups)) return [];
    return groups.flatMap((group: unknown) =>
      typeof group === 'object' && group !== null && 'paths' in group && Array.isArray(group.paths)
        ? group.paths.filter((name): name is string => typeof name === 'string')
        : [],
    );
  } catch {
    return [];
  }
}

async function variableNames(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, 'variables')).catch(() => []);
  return names.map(name => `variables/${name}`);
}
