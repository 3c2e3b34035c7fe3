import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStudySchema } from '@holdfast/api';
import { afterAll, expect, test } from 'vitest';
import { loadDefinition } from './load-definition.ts';
import { openTuning } from './open-tuning.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-definition-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

function file(text: string, extension: string): string {
  const path = join(folder, `d${files++}.${extension}`);
  writeFileSync(path, text);
  return path;
}

const whole = {
  name: 'demo',
  objectives: { loss: 'minimize' },
  space: { x: { type: 'float', low: 0, high: 1 } },
  command: 'train {x}',
};

/** Loads a definition and opens its study, as `holdfast tune` does before its first trial. */
async function opened(definition: object): Promise<void> {
  const { name, settings, note } = await loadDefinition(file(JSON.stringify({ ...whole, ...definition }), 'json'));
  await using tuning = await openTuning(':memory:', Date.now);
  await tuning.studies.openStudy(createStudySchema.parse({ name, settings, note }));
}

test('YAML is read with its defaults, numbers in scientific notation, and a command line in words', async () => {
  const yaml = `
name: churn
objectives: { auc: maximize, latency: minimize }
space:
  lr: { type: float, low: 1e-5, high: 1e-1, log: true }
  model: { type: choice, options: { linear: {}, mlp: { layers: { type: int, low: 1, high: 4 } } } }
sampler: { name: tpe, mode: group }
budget: { trials: 20, time: 2h }
command: python3 'train model.py' --lr={lr} --layers={model.mlp.layers}
`;
  const definition = await loadDefinition(file(yaml, 'yaml'));
  expect(definition.command).toEqual(['python3', 'train model.py', '--lr={lr}', '--layers={model.mlp.layers}']);
  expect(definition.settings).toMatchObject({
    objectives: [
      { name: 'auc', direction: 'maximize' },
      { name: 'latency', direction: 'minimize' },
    ],
    space: { lr: { low: 0.00001, high: 0.1 } },
    sampler: { name: 'tpe', mode: 'group' },
    pruner: { name: 'auto' },
    budget: { trials: 20, durationMs: 7_200_000 },
  });
  expect(definition).toMatchObject({ folder, timeout: 86_400_000, concurrency: 1, readsOutput: true });
});

test('a module gives the function that is exported as "study", or the only one', async () => {
  const one = file(
    `export const other = 1; export const search = { name: 'demo', objectives: { loss: 'minimize' },
      space: { x: { type: 'float', low: 0, high: 1 } }, objective: ({ x }: { x: number }): number => x };`,
    'ts',
  );
  const definition = await loadDefinition(one);
  expect(definition.command.slice(-2)).toEqual([one, 'search']);
  expect(definition.readsOutput).toBe(false);
});

test.each<[string, string, RegExp]>([
  ['exports nothing', 'export const x = 1;', /exports no study/],
  ['cannot be loaded', 'throw new Error("no data");', /no data/],
  ['has a key it should not', `export const study = { space: {}, objective() {}, epochs: 3 };`, /epochs/],
])('a module that %s is refused in a sentence', async (_, text, sentence) => {
  await expect(loadDefinition(file(text, 'mjs'))).rejects.toThrow(sentence);
});

test.each<[string, object, RegExp]>([
  ['an empty space', { space: {}, command: 'train' }, /no parameter/],
  ['the logarithm of zero', { space: { x: { type: 'float', low: 0, high: 1, log: true } } }, /"x".*log|"x".*above 0/],
  ['a range upside down', { space: { x: { type: 'float', low: 2, high: 1 } } }, /"x"/],
  ['a type that does not exist', { space: { x: { type: 'real', low: 2, high: 1 } } }, /space\.x/],
  ['a condition on nothing', { space: { x: { type: 'float', low: 0, high: 1, when: { y: [1] } } } }, /"x"/],
  ['no objective', { objectives: {} }, /name at least one metric/],
  ['a placeholder without a parameter', { command: 'train {lr}' }, /no parameter "lr"; known are x/],
  ['a quote that is never closed', { command: 'train "{x}' }, /never closed/],
  ['an unknown sampler', { sampler: 'magic' }, /no "magic"; choose one of auto, gp, tpe/],
  ['an option that a sampler does not have', { sampler: { name: 'random', mode: 'x' } }, /takes no options/],
  ['an option out of range', { pruner: { name: 'percentile', percentile: 200 } }, /percentile/],
  ['a pruner without what it needs', { pruner: 'asha' }, /takes minSteps, maxSteps, eta/],
  ['an unknown key', { trials: 5 }, /there is no key "trials"$/],
  ['a slip of the pen', { buget: { trials: 5 } }, /there is no key "buget"; did you mean "budget"\?/],
  ['a slip in a part', { budget: { trial: 5 } }, /budget: there is no key "trial"; did you mean "trials"\?/],
  ['no command', { command: undefined }, /command: .*say what to run/],
  ['a trial of yours outside the space', { enqueue: [{ x: 7 }] }, /enqueue: .*"x"/],
  ['a place to run that does not exist', { jobs: { backend: 'slurm' } }, /jobs/],
  ['Kubernetes without an image', { jobs: { backend: 'kubernetes' } }, /jobs\.image/],
  [
    'a population on Kubernetes whose checkpoints would end with their pods',
    { sampler: { name: 'pbt', intervalSteps: 1, maxSteps: 2 }, jobs: { backend: 'kubernetes', image: 'i' } },
    /pbt needs `storage`/,
  ],
  ['an unknown terminator', { terminator: 'magic' }, /terminator: there is no "magic"; choose one of regret/],
  [
    'a terminator of several objectives',
    { terminator: 'regret', objectives: { loss: 'minimize', size: 'minimize' } },
    /no single gain to weigh/,
  ],
  ['a duration that is none', { timeout: '5 minutes' }, /not a duration/],
])('%s is refused in a sentence', async (_, definition, sentence) => {
  await expect(opened(definition)).rejects.toThrow(sentence);
});

test('a missing file and broken YAML are named', async () => {
  await expect(loadDefinition(join(folder, 'none.yaml'))).rejects.toThrow(/none.yaml: there is no such file/);
  await expect(loadDefinition(file('a: [1', 'yaml'))).rejects.toThrow(/yaml: /);
  await expect(loadDefinition(file('# nothing yet', 'yaml'))).rejects.toThrow(/yaml: the file is empty/);
});

test.each([
  [{ latency: {}, objectives: { loss: 'minimize', latency_ms: 'minimize' } }, /needs `model`/],
  [{ latency: { objective: 'ms' }, model: 'm.onnx' }, /objectives have no "ms"/],
  [{ latency: {}, model: 'm.onnx', objectives: { latency_ms: 'minimize' } }, /one more that the command reports/],
])('a latency objective that cannot be measured is refused: %j', async (definition, why) => {
  await expect(loadDefinition(file(JSON.stringify({ ...whole, ...definition }), 'json'))).rejects.toThrow(why);
});
