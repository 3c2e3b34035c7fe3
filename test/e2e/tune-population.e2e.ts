import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { studyDetailSchema, trialSchema } from '@holdfast/api';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { runCli, startCli, temporaryFolder } from './holdfast-process.ts';

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());
const example = fileURLToPath(new URL('../../examples/tune/', import.meta.url));

/** The example with fewer and shorter members, so that the test takes less time. */
function smallExample(): string {
  const text = readFileSync(join(example, 'population.yaml'), 'utf8')
    .replace(/^sampler:.*$/m, 'sampler: { name: pbt, size: 4, intervalSteps: 4, maxSteps: 8 }')
    .replace('train.mjs', join(example, 'train.mjs'));
  const file = join(folder.path, 'population.yaml');
  writeFileSync(file, text);
  return file;
}
const exportSchema = studyDetailSchema.extend({ trials: z.array(trialSchema) });

test('a population trains from checkpoint to checkpoint, through Ctrl-C and going on', async () => {
  const definition = smallExample();
  const data = join(folder.path, 'data');
  const { child, output, finished } = startCli(['tune', definition, '--data', data]);
  // Once only: a second Ctrl-C asks for the end at once.
  let isAsked = false;
  child.stderr?.on('data', () => {
    if (isAsked || !output.stderr.includes('trial 2 ')) return;
    isAsked = true;
    child.kill('SIGINT');
  });
  expect((await finished).code).toBe(130);
  const run = await runCli('tune', definition, '--data', data);
  expect([run.code, run.stdout]).toEqual([0, expect.stringContaining('nothing left to propose')]);
  expect(run.stderr).toMatch(/, from trial \d+ at step \d+\]/);
  const exported = await runCli('studies', 'export', 'two-moons-population', '--data', data);
  const { trials } = exportSchema.parse(JSON.parse(exported.stdout));
  expect(trials.map(trial => trial.state)).toEqual(trials.map(() => 'complete'));
  for (const { number, lineage, reports } of trials) {
    // The network's own count of epochs, kept in its checkpoint, is the step that the population counts.
    const checkpoint = join(data, 'tune/two-moons-population/trials', String(number), 'checkpoint/weights.json');
    const { epoch } = z.object({ epoch: z.number() }).parse(JSON.parse(readFileSync(checkpoint, 'utf8')));
    expect(epoch).toBeGreaterThanOrEqual(lineage?.toStep ?? 0);
    expect(reports.at(-1)?.step).toBe(lineage?.toStep);
    expect(reports[0]?.step).toBeGreaterThan(lineage?.fromStep ?? 0);
  }
  const ends = trials.filter(trial => trial.lineage?.toStep === 8).map(trial => trial.lineage?.member);
  expect(new Set(ends).size).toBe(4);
}, 300_000);
