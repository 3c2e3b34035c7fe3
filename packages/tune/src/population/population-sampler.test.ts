import { expect, test } from 'vitest';
import { noPruner } from '../pruners/pruner.ts';
import { defineSpace, float } from '../space/params.ts';
import { createStudy, restoreStudy } from '../study/create-study.ts';
import type { Study } from '../study/study.ts';
import { lineagesOf, populationSampler } from './population-sampler.ts';

const space = defineSpace({ rate: float(0.01, 1, { log: true }) });
const options = { size: 4, intervalSteps: 2, maxSteps: 8 };
const settings = () => ({
  space,
  sampler: populationSampler(options),
  pruner: noPruner(),
  repeats: 'allow' as const,
  retries: 0,
  seed: 5,
});
/** Trains until the study ends, or so many trials; the value is how far the rate is from 0.3, wherever the weights are. */
function train(study: Study<typeof space>, most = 1000): string {
  for (let i = 0; i < most; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') return ask.kind === 'finished' ? ask.because : ask.kind;
    study.tell(ask.trial.number, Math.abs(ask.trial.params.rate - 0.3));
  }
  return 'stopped';
}

test('every member trains to the last step, interval by interval, from its own weights or those of a better one', () => {
  const study = createStudy(settings());
  expect(train(study)).toBe('sampler');
  const lineages = [...lineagesOf(study.options.sampler.save())];
  expect(lineages.length).toBeGreaterThanOrEqual(16);
  for (const [, { startTrial, fromStep, toStep }] of lineages) {
    expect(toStep).toBe(fromStep + 2);
    expect(startTrial === undefined).toBe(fromStep === 0);
  }
  const ends = lineages.filter(([, { toStep }]) => toStep === 8).map(([, { member }]) => member);
  expect(new Set(ends)).toEqual(new Set([0, 1, 2, 3]));
  const copied = lineages.filter(
    ([, { startTrial, member }]) => startTrial !== undefined && lineages[startTrial]?.[1].member !== member,
  );
  expect(copied.length).toBeGreaterThan(0);
});

test('a restored study goes on exactly as one that was never stopped', () => {
  const whole = createStudy(settings());
  train(whole);
  const stopped = createStudy(settings());
  train(stopped, 7);
  const restored = restoreStudy(JSON.parse(JSON.stringify(stopped.snapshot())), settings());
  train(restored);
  expect(restored.trials.map(trial => trial.params)).toEqual(whole.trials.map(trial => trial.params));
});

test('the interval of a lost trial is handed out again, from the same checkpoint', () => {
  let nowMs = 0;
  const study = createStudy({ ...settings(), leaseMs: 100, clock: { now: () => nowMs } });
  train(study, 5);
  const lost = study.ask();
  nowMs = 1000;
  const again = study.ask();
  if (lost.kind !== 'trial' || again.kind !== 'trial') throw new Error('no trial');
  const lineages = lineagesOf(study.options.sampler.save());
  expect(study.trials[lost.trial.number]?.state).toBe('lost');
  expect(lineages.has(lost.trial.number)).toBe(false);
  expect(again.trial.params).toEqual(lost.trial.params);
});

test('a restored study refuses a population of another size', () => {
  const stopped = createStudy(settings());
  train(stopped, 3);
  const other = { ...settings(), sampler: populationSampler({ ...options, size: 6 }) };
  const restored = restoreStudy(stopped.snapshot(), other);
  expect(() => restored.ask()).toThrow('it was saved with size 4, not 6');
});
