import { expect, test } from 'vitest';
import { freezeThaw } from '../../pruners/freeze-thaw.ts';
import { noPruner, type Pruner } from '../../pruners/pruner.ts';
import { defineSpace, int } from '../../space/params.ts';
import { createStudy, restoreStudy } from '../../study/create-study.ts';
import type { Study } from '../../study/study.ts';
import { auto } from '../auto.ts';
import { random } from '../random.ts';
import type { Sampler } from '../sampler.ts';

const space = defineSpace({ a: int(0, 19), b: int(0, 19) });
const maxSteps = 9;

type Curve = (a: number, b: number, step: number) => number;
const hill = (a: number, b: number): number =>
  0.1 + ((a - 13) / 20) ** 2 + 2 * ((b - 4) / 20) ** 2 + 0.05 * Math.sin(a * b);
/** Early losses are higher and lean to one side, but rank much like the last ones. */
const honest: Curve = (a, b, step) => hill(a, b) + (maxSteps - step) * (0.1 + 0.001 * a);
/** Until the last step the loss says the opposite. */
const misleading: Curve = (a, b, step) => (step < maxSteps ? 3 - hill(a, b) : hill(a, b));

/** Trains one trial on from where it stands; the steps it took. */
function train(study: Study<typeof space>, curve: Curve, sign = 1): number {
  const ask = study.ask();
  if (ask.kind !== 'trial') return Number.POSITIVE_INFINITY;
  const { number, params, resumeFrom = 0 } = ask.trial;
  for (let step = resumeFrom + 1; step <= maxSteps; step++)
    if (study.report(number, step, sign * curve(params.a, params.b, step)).kind === 'pause') {
      study.tell(number, { kind: 'paused' });
      return step - resumeFrom;
    }
  study.tell(number, sign * curve(params.a, params.b, maxSteps));
  return maxSteps - resumeFrom;
}

interface Setting {
  readonly pruner?: Pruner;
  readonly sampler?: Sampler;
  readonly sign?: number;
  readonly seed?: number;
}

/** Lowest loss of a full evaluation after so many full evaluations' worth of steps. */
function lossAfter(cost: number, curve: Curve, { pruner, sampler, sign = 1, seed = 0 }: Setting = {}): number {
  const study = createStudy({
    space,
    sampler: sampler ?? auto(),
    pruner: pruner ?? freezeThaw({ maxSteps }),
    objectives: sign > 0 ? 'minimize' : 'maximize',
    seed,
  });
  for (let steps = 0; steps < cost * maxSteps; ) steps += train(study, curve, sign);
  return sign * (study.best()?.values?.[0] ?? Number.POSITIVE_INFINITY);
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const seeds = [1, 2, 3];

test('where early losses rank well, the same cost finds lower losses than without stopping', () => {
  const thawed = seeds.map(seed => lossAfter(7, honest, { seed }));
  const full = seeds.map(seed => lossAfter(7, honest, { seed, pruner: noPruner() }));
  expect(mean(thawed)).toBeLessThan(mean(full));
});

test('where early losses say the opposite, the search still finds the good side', () => {
  const thawed = seeds.map(seed => lossAfter(18, misleading, { seed }));
  const drawn = seeds.map(seed => lossAfter(18, misleading, { seed, pruner: noPruner(), sampler: random() }));
  expect(mean(thawed)).toBeLessThan(mean(drawn));
});

test('maximising the negative is the same search', () => {
  expect(lossAfter(5, honest, { sign: -1 })).toBe(lossAfter(5, honest));
});

test('a study restored in the middle goes on bit for bit', () => {
  const settings = (): { readonly sampler: Sampler; readonly pruner: Pruner } => ({
    sampler: auto(),
    pruner: freezeThaw({ maxSteps }),
  });
  const clock = { now: () => 0 };
  const study = createStudy({ space, seed: 3, clock, ...settings() });
  for (let i = 0; i < 16; i++) train(study, honest);
  const saved = JSON.parse(JSON.stringify(study.snapshot())) as ReturnType<typeof study.snapshot>;
  const restored = restoreStudy(saved, { space, clock, ...settings() });
  for (let i = 0; i < 16; i++) {
    train(study, honest);
    train(restored, honest);
  }
  expect(restored.snapshot()).toEqual(study.snapshot());
});

test('several workers never hold the same trial, and a failed one is not resumed', () => {
  const study = createStudy({ space, sampler: auto(), pruner: freezeThaw({ maxSteps }), seed: 5 });
  for (let round = 0; round < 15; round++) {
    const held = [1, 2, 3].flatMap(() => {
      const ask = study.ask();
      return ask.kind === 'trial' ? [ask.trial] : [];
    });
    expect(new Set(held.map(t => t.number)).size).toBe(3);
    for (const { number, params, resumeFrom = 0 } of held) {
      if (number % 5 === 4) {
        study.tell(number, { kind: 'failed', reason: 'out of memory' });
        continue;
      }
      let step = resumeFrom;
      while (++step <= maxSteps && study.report(number, step, honest(params.a, params.b, step)).kind === 'continue');
      study.tell(number, step < maxSteps ? { kind: 'paused' } : hill(params.a, params.b));
    }
  }
  const failed = study.trials.filter(t => t.state === 'failed');
  expect(failed.map(t => t.number % 5)).toEqual(failed.map(() => 4));
});

test('once the trials are spent the best third of every rung still goes on, as with a sampler that does not decide', () => {
  for (const sampler of [auto(), random()]) {
    const study = createStudy({ space, sampler, pruner: freezeThaw({ maxSteps }), seed: 2, budget: { trials: 12 } });
    while (Number.isFinite(train(study, honest)));
    expect(study.trials).toHaveLength(12);
    expect(study.trials.filter(t => t.reports.some(r => r.step >= 3)).length).toBeGreaterThanOrEqual(4);
    expect(study.best()).toBeDefined();
  }
});

test('a trial is never paused at its last step, though a rung lies between its last two reports', () => {
  const study = createStudy({ space, sampler: random(), pruner: freezeThaw({ maxSteps: 12 }) });
  const ask = study.ask();
  if (ask.kind !== 'trial') throw new Error('expected a trial');
  expect([1, 3, 6, 12].map(step => study.report(ask.trial.number, step, 1 / step).kind)).toEqual([
    'pause',
    'pause',
    'continue',
    'continue',
  ]);
});
