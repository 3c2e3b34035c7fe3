import { expect, test } from 'vitest';
import { defineSpace, float } from '../space/params.ts';
import { createStudy, restoreStudy } from '../study/create-study.ts';
import type { Study } from '../study/study.ts';
import { bohb } from './bohb.ts';
import { random } from './random.ts';

const space = defineSpace({ x: float(0, 1), y: float(0, 1) });
/** The first steps are noisy copies of the last. */
const lossAt = (x: number, y: number, step: number): number =>
  (x - 0.7) ** 2 + (y - 0.2) ** 2 + (0.3 * Math.abs(Math.sin(40 * x))) / step;

/** Runs so many rungs and answers the least loss of a full evaluation. */
function run(study: Study<typeof space>, reports: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let left = reports; left > 0; ) {
    const ask = study.ask();
    if (ask.kind !== 'trial') throw new Error(ask.kind);
    const { number, params, resumeFrom = 0 } = ask.trial;
    let paused = false;
    for (const step of [1, 3, 9, 27].filter(s => s > resumeFrom)) {
      left--;
      paused = study.report(number, step, lossAt(params.x, params.y, step)).kind === 'pause' && step < 27;
      if (paused) break;
    }
    if (paused) study.tell(number, { kind: 'paused' });
    else {
      study.tell(number, lossAt(params.x, params.y, 27));
      best = Math.min(best, lossAt(params.x, params.y, 27));
    }
  }
  return best;
}

test('bohb finds better configurations than Hyperband with random proposals', () => {
  const regret = (make: () => Parameters<typeof createStudy<typeof space>>[0]): number =>
    [1, 2, 3, 4, 5].reduce((sum, seed) => sum + run(createStudy({ ...make(), seed }), 200), 0);
  const { pruner } = bohb({ maxSteps: 27 });
  expect(regret(() => ({ space, ...bohb({ maxSteps: 27 }) }))).toBeLessThan(
    regret(() => ({ space, sampler: random(), pruner })),
  );
});

test('a restored study goes on with the same suggestions', () => {
  const settings = { space, ...bohb({ maxSteps: 27 }) };
  const study = createStudy({ ...settings, seed: 4 });
  run(study, 60);
  const resumed = restoreStudy(structuredClone(study.snapshot()), settings);
  run(study, 30);
  run(resumed, 30);
  expect(resumed.trials.map(t => t.params)).toEqual(study.trials.map(t => t.params));
});
