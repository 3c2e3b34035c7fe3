import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { temporaryFolder } from './holdfast-process.ts';

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());
const data = join(folder.path, 'data');
const dev = fileURLToPath(new URL('../../scripts/dev.mjs', import.meta.url));
const example = fileURLToPath(new URL('../../examples/tune', import.meta.url));

/** `npm run holdfast -- ...` in the example's folder: npm runs the script in the workspace and says where it was called. */
async function inExample(...args: readonly string[]): Promise<string> {
  const env = { ...process.env, INIT_CWD: example };
  const { stdout } = await promisify(execFile)(process.execPath, [dev, 'holdfast', ...args, '--data', data], { env });
  return stdout;
}

test('the example trains, reports every epoch, and ends with a network that tells the moons apart', async () => {
  const run = await inExample('tune', '--trials', '3', '--json');
  expect(JSON.parse(run)).toMatchObject({ end: { kind: 'finished' } });
  const [best] = JSON.parse(await inExample('studies', 'best', 'two-moons', '--json'));
  expect(best.reports).toHaveLength(20);
  expect(best.values[0]).toBeLessThan(0.35);
});
