import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The console's built page: beside the compiled code when published, in the workspace's build otherwise. */
export function pageDirectory(): string | undefined {
  const places = ['../page', '../../../../dashboard/dist'].map(place => fileURLToPath(new URL(place, import.meta.url)));
  return places.find(place => existsSync(place));
}
