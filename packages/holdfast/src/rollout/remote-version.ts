import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import type { BlobStore, RegisteredVersion } from '../registry/index.ts';
import type { ModelSource } from './model-source.ts';

const descriptorSchema = z.strictObject({ holdfastRemote: z.string().min(1).max(2000) });
const largestDescriptor = 4096;
const provenanceKey = 'remote';
/** Requests under way at a time when the runner's instances are fewer. */
const leastConcurrency = 8;

/** The file that stands for a model on another server, wherever a model's file is expected. */
export function remoteDescriptor(source: string): string {
  return JSON.stringify({ holdfastRemote: source });
}

async function readDescriptor(path: string): Promise<string | undefined> {
  if ((await stat(path)).size > largestDescriptor) return undefined;
  try {
    return descriptorSchema.parse(JSON.parse(await readFile(path, 'utf8'))).holdfastRemote;
  } catch {
    return undefined;
  }
}

/** The server that a source stands for; undefined when it is a model itself. */
export async function remoteOf({ sources }: ModelSource): Promise<string | undefined> {
  const files = sources.flat();
  const [only] = files;
  return only === undefined || files.length > 1 ? undefined : readDescriptor(only.path);
}

export function remoteProvenance(source: string): Record<string, string> {
  return { [provenanceKey]: source };
}

/** The server that a version lives on; undefined for one that is run here. */
export async function remoteOfVersion(
  blobs: BlobStore,
  { provenance, digest }: Pick<RegisteredVersion, 'provenance' | 'digest'>,
): Promise<string | undefined> {
  return provenance[provenanceKey] === undefined ? undefined : readDescriptor(await blobs.locate(digest));
}

/** What the gateways of a remote version connect to: one link for each request that may be under way. */
export function remoteLinks(source: string, instances: number): readonly string[] {
  return Array.from({ length: Math.max(leastConcurrency, instances) }, (_, i) => `${source}#${i + 1}`);
}
