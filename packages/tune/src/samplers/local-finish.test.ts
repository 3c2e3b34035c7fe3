import { expect, test } from 'vitest';
import { categorical, float, ordered } from '../space/params.ts';
import { createStudy, restoreStudy } from '../study/create-study.ts';
import { auto } from './auto.ts';
import { LocalFinish } from './local-finish.ts';
import { random } from './random.ts';
import type { Sampler } from './sampler.ts';

/** Random trials first, local steps afterwards. */
function finishing(after: number): Sampler {
  const finish = new LocalFinish();
  const start = random();
  return {
    name: 'test',
    propose: c => (c.number < after ? start.propose(c) : finish.propose(c)),
    save: () => null,
    load: () => {},
  };
}

test('a rotated, badly scaled bowl is finished to twelve digits within forty local steps', () => {
  const study = createStudy({
    space: { x: float(-2, 3), y: float(-1, 4), z: float(0, 1) },
    sampler: finishing(20),
    seed: 2,
  });
  for (let i = 0; i < 60; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { x, y, z } = ask.trial.params;
    study.tell(ask.trial.number, 7 + 100 * (x + y - 1.7) ** 2 + (x - y - 0.3) ** 2 + 3 * (z - 0.4) ** 2);
  }
  expect((study.best()?.values?.[0] ?? 9) - 7).toBeLessThan(1e-12);
});

test('categories and coarse grids stay as they are in the best trial', () => {
  const space = { c: categorical(['a', 'b']), o: ordered([1, 2, 3]), x: float(0, 1), y: float(0, 1) };
  const study = createStudy({ space, sampler: finishing(40), seed: 1 });
  for (let i = 0; i < 50; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { c, o, x, y } = ask.trial.params;
    const best = study.best();
    if (i >= 40 && best) expect([c, o]).toEqual([best.params.c, best.params.o]);
    study.tell(ask.trial.number, (c === 'a' ? 1 : 0) + o + (x - 0.3) ** 2 + (y - 0.6) ** 2);
  }
});

test('auto goes on after a restart with the very suggestions it would have made', () => {
  const settings = { space: { x: float(0, 1), y: float(0, 1) }, seed: 4 };
  const value = (p: { x: number; y: number }): number => (p.x - 0.2) ** 2 + (p.y - 0.7) ** 2;
  const run = (stopAt: number): readonly number[] => {
    let study = createStudy({ ...settings, sampler: auto() });
    for (let i = 0; i < 34; i++) {
      if (i === stopAt)
        study = restoreStudy(JSON.parse(JSON.stringify(study.snapshot())), { ...settings, sampler: auto() });
      const ask = study.ask();
      if (ask.kind === 'trial') study.tell(ask.trial.number, value(ask.trial.params));
    }
    return study.trials.map(t => Number(t.params.x));
  };
  expect(run(29)).toEqual(run(-1));
});
