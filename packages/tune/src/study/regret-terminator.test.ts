import { createRng } from '@holdfast/stats';
import { expect, test } from 'vitest';
import { gp } from '../samplers/gp/gp.ts';
import { random } from '../samplers/random.ts';
import type { Observation } from '../samplers/sampler.ts';
import { defineSpace, float } from '../space/params.ts';
import { Space } from '../space/space.ts';
import { createStudy } from './create-study.ts';
import { regretBound, regretTerminator } from './regret-terminator.ts';
import type { Terminator } from './terminator.ts';

const plane = defineSpace({ x: float(0, 1), y: float(0, 1) });

test('a smooth problem ends by itself once its optimum is found', () => {
  const study = createStudy({
    space: plane,
    sampler: gp(),
    seed: 3,
    budget: { trials: 60 },
    terminator: regretTerminator({ tolerance: 0.01 }),
  });
  let end = '';
  while (end === '') {
    const ask = study.ask();
    if (ask.kind !== 'trial') end = ask.kind === 'finished' ? ask.because : ask.kind;
    else study.tell(ask.trial.number, (ask.trial.params.x - 0.3) ** 2 + (ask.trial.params.y - 0.6) ** 2);
  }
  expect(end).toBe('terminator');
  expect(study.best()!.values![0]).toBeLessThan(0.01);
});

test('the bound holds: it is not below the regret of stopping after random trials', () => {
  const space = new Space(plane);
  const rng = createRng(5);
  const f = (x: number, y: number): number => Math.sin(7 * x) + (y - 0.6) ** 2;
  const trials: Observation[] = Array.from({ length: 20 }, (_, number) => {
    const point = space.random(rng);
    const loss = f(point[0]!, point[1]!);
    const nothing = { violation: 0, constraints: [], last: undefined, reports: [] };
    return { number, kind: 'complete', point, losses: [loss], ...nothing };
  });
  const regret = Math.min(...trials.map(t => t.losses[0]!)) + 1;
  expect(regretBound({ space, rng }, trials, 0.5)).toBeGreaterThan(regret);
});

test('it never ends a study before its minimum of trials', () => {
  const stop = regretTerminator({ tolerance: 1e9, minTrials: 20 });
  const study = createStudy({ space: plane, seed: 1, sampler: gp(), terminator: stop });
  let trials = 0;
  for (let ask = study.ask(); ask.kind === 'trial'; ask = study.ask(), trials++) study.tell(ask.trial.number, trials);
  expect(trials).toBe(20);
});

test('a terminator changes no suggestion', () => {
  const paramsWith = (terminator?: Terminator): unknown[] => {
    const study = createStudy({ space: plane, seed: 1, sampler: random(), ...(terminator && { terminator }) });
    for (let i = 0; i < 30; i++) {
      const ask = study.ask();
      if (ask.kind === 'trial') study.tell(ask.trial.number, ask.trial.params.x);
    }
    return study.trials.map(trial => trial.params);
  };
  // It draws on every check, as one does that judges by simulation.
  const drawing: Terminator = { name: 'drawing', shouldStop: context => context.rng(1).next() < 0 };
  expect(paramsWith(drawing)).toEqual(paramsWith());
});

test('trials that end together are judged as those that end one by one', () => {
  const counts: number[] = [];
  const ended = (number: number): Observation => ({
    number,
    kind: 'complete',
    point: Float64Array.of(number / 40, 0.5),
    losses: [number === 3 ? 0 : 1 + number / 40],
    ...{ violation: 0, constraints: [], last: undefined, reports: [] },
  });
  const askAt = (stop: Terminator, complete: number): boolean =>
    stop.shouldStop({
      space: new Space(plane),
      observations: Array.from({ length: complete }, (_, i) => ended(i)),
      objectives: 1,
      plannedTrials: undefined,
      rng: stream => {
        counts.push(stream);
        return createRng(stream);
      },
    });
  const jumping = regretTerminator({ tolerance: 1e9 });
  expect(askAt(jumping, 19)).toBe(false);
  // Two workers told before anybody asked, so the study never stood at 20.
  expect(askAt(jumping, 22)).toBe(true);
  expect(askAt(jumping, 24)).toBe(true);
  expect(counts).toEqual([20]);
});
