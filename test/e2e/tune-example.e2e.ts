import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { runCli, temporaryFolder } from './holdfast-process.ts';

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());
const definition = fileURLToPath(new URL('../../examples/tune/holdfast.tune.yaml', import.meta.url));

test('the example trains, reports every epoch, and ends with a network that tells the moons apart', async () => {
  const data = join(folder.path, 'data');
  const run = await runCli('tune', definition, '--trials', '3', '--data', data, '--json');
  expect([run.code, JSON.parse(run.stdout)]).toMatchObject([0, { end: { kind: 'finished' } }]);
  const shown = await runCli('studies', 'best', 'two-moons', '--data', data, '--json');
  const [best] = JSON.parse(shown.stdout);
  expect(best.reports).toHaveLength(20);
  expect(best.values[0]).toBeLessThan(0.35);
});
