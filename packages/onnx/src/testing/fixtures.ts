import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The folder of shared model files, beside the repository; many machines do not have it. */
const sharedModels = resolve(import.meta.dirname, '../../../../../shared/models');
const sharedExamples = resolve(import.meta.dirname, '../../../../../shared/examples');

export const hasFixtures = existsSync(join(sharedModels, 'MANIFEST.json'));
if (!hasFixtures)
  console.warn('Tests on real model files are skipped: the shared model files are not beside this repository.');

export function readFixture(path: string): Uint8Array {
  return new Uint8Array(
    readFileSync(path.startsWith('examples/') ? join(sharedExamples, path.slice(9)) : join(sharedModels, path)),
  );
}

/** Paths below the fixture folder that end in `suffix`. */
export function fixturePaths(folder: string, suffix: string): string[] {
  const found: string[] = [];
  const walk = (path: string): void => {
    for (const name of readdirSync(join(sharedModels, path)).sort()) {
      const inner = join(path, name);
      if (statSync(join(sharedModels, inner)).isDirectory()) walk(inner);
      else if (name.endsWith(suffix)) found.push(inner);
    }
  };
  if (hasFixtures) walk(folder);
  return found;
}
