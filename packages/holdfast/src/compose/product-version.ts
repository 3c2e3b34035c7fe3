import { readFileSync } from 'node:fs';

/** The version in the product's package.json. */
export function productVersion(): string {
  const ours: { readonly version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return ours.version;
}
