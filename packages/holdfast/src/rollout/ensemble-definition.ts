import { readFile } from 'node:fs/promises';
import { type Ensemble, ensembleSchema } from '@holdfast/api';
import type { BlobStore, RegisteredVersion, VersionContents } from '../registry/index.ts';

const provenanceKey = 'ensemble';

/** Where an ensemble's version came from: its steps in one line. */
export function ensembleProvenance({ steps }: Ensemble): VersionContents['provenance'] {
  return { [provenanceKey]: steps.map(({ model, version }) => `${model} (${version})`).join(', ') };
}

export function isEnsemble({ provenance }: Pick<RegisteredVersion, 'provenance'>): boolean {
  return provenance[provenanceKey] !== undefined;
}

/** The definition behind a version; undefined for a model of its own. */
export async function readEnsemble(
  blobs: BlobStore,
  version: Pick<RegisteredVersion, 'provenance' | 'digest'>,
): Promise<Ensemble | undefined> {
  if (!isEnsemble(version)) return undefined;
  return ensembleSchema.parse(JSON.parse(await readFile(await blobs.locate(version.digest), 'utf8')));
}
