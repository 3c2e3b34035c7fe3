import { expect, test } from 'vitest';
import type { TuneFault } from '../fault.ts';
import { asha } from '../pruners/asha.ts';
import { noPruner } from '../pruners/pruner.ts';
import { thresholdPruner } from '../pruners/threshold.ts';
import { quasiRandom } from '../samplers/quasi-random.ts';
import { random } from '../samplers/random.ts';
import { tpe } from '../samplers/tpe.ts';
import { categorical, choice, defineSpace, float, int, ordered } from '../space/params.ts';
import { createStudy, restoreStudy } from './create-study.ts';
import type { Study } from './study.ts';
import type { Ask } from './trial.ts';

const fault = (code: string): TuneFault => expect.objectContaining({ code }) as TuneFault;
const space = defineSpace({ x: float(0, 1), k: int(1, 3) });

function handed<P>(ask: Ask<P>): Extract<Ask<P>, { kind: 'trial' }>['trial'] {
  if (ask.kind !== 'trial') throw new Error(`expected a trial, got ${ask.kind}`);
  return ask.trial;
}

class FakeClock {
  nowMs = 1000;
  now(): number {
    return this.nowMs;
  }
}

test('ask, report and tell lead to the best trial, in the direction of the objective', () => {
  const study = createStudy({ space, objectives: 'maximize', sampler: random(), budget: { trials: 20 } });
  const values: number[] = [];
  for (;;) {
    const ask = study.ask();
    if (ask.kind !== 'trial') {
      expect(ask).toEqual({ kind: 'finished', because: 'trials' });
      break;
    }
    values.push(ask.trial.params.x * ask.trial.params.k);
    study.tell(ask.trial.number, values.at(-1)!);
  }
  expect(values).toHaveLength(20);
  expect(study.best()?.values).toEqual([Math.max(...values)]);
});

test('a stopped and restored study suggests bit for bit what an uninterrupted one does', () => {
  const nested = defineSpace({
    x: float(0, 1),
    c: choice({ a: { y: float(1e-3, 1, { log: true }) }, b: { n: int(1, 9) } }),
  });
  const settings = { space: nested, sampler: tpe({ startupTrials: 4 }), seed: 11 };
  const step = (study: Study<typeof nested>): string => {
    const t = handed(study.ask());
    study.tell(t.number, t.params.x + (t.params.c.choice === 'a' ? t.params.c.y : t.params.c.n));
    return JSON.stringify(t.params);
  };
  const straight = createStudy(settings);
  const expected = Array.from({ length: 24 }, () => step(straight));
  const first = createStudy({ ...settings, sampler: tpe({ startupTrials: 4 }) });
  const got = Array.from({ length: 9 }, () => step(first));
  const second = restoreStudy(JSON.parse(JSON.stringify(first.snapshot())), {
    ...settings,
    sampler: tpe({ startupTrials: 4 }),
  });
  expect([...got, ...Array.from({ length: 15 }, () => step(second))]).toEqual(expected);
});

test('no configuration is proposed twice and an exhausted space is a state', () => {
  const study = createStudy({
    space: { a: ordered([1, 2, 3, 4]), b: categorical(['p', 'q', 'r']) },
    sampler: tpe({ startupTrials: 3 }),
  });
  const seen = new Set<string>();
  for (let i = 0; i < 12; i++) {
    const t = handed(study.ask());
    seen.add(JSON.stringify(t.params));
    study.tell(t.number, t.params.a ?? 0);
  }
  expect(seen.size).toBe(12);
  expect(study.ask()).toEqual({ kind: 'exhausted' });
});

test('known constraints are never broken, and a space they exhaust is found out', () => {
  const study = createStudy({
    space: { a: int(1, 4), b: int(1, 4) },
    sampler: random(),
    constraints: [p => p.a + p.b === 5],
  });
  const sums = Array.from({ length: 4 }, () => handed(study.ask()).params).map(p => p.a + p.b);
  expect(sums).toEqual([5, 5, 5, 5]);
  expect(study.ask().kind).toBe('exhausted');
});

test('a worker that goes silent loses its trial, which is handed out once more and then given up', () => {
  const clock = new FakeClock();
  const study = createStudy({ space, sampler: random(), clock, leaseMs: 100, retries: 1, budget: { trials: 1 } });
  const first = handed(study.ask());
  clock.nowMs += 90;
  study.heartbeat(first.number);
  clock.nowMs += 90;
  expect(study.recoverLost()).toHaveLength(0);
  clock.nowMs += 20;
  const again = handed(study.ask());
  expect(again.params).toEqual(first.params);
  expect(study.trials[first.number]?.state).toBe('lost');
  expect(() => study.tell(first.number, 1)).toThrow(fault('trial_not_running'));
  clock.nowMs += 200;
  expect(study.ask()).toEqual({ kind: 'finished', because: 'trials' });
  expect(study.trials.map(t => t.state)).toEqual(['lost', 'lost']);
});

test('values that are not finite fail the trial and leave JSON intact', () => {
  const study = createStudy({ space, sampler: random() });
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const told = study.tell(handed(study.ask()).number, bad);
    expect(told.state).toBe('failed');
    expect(told.reason).toContain(String(bad));
  }
  const t = handed(study.ask());
  expect(study.report(t.number, 1, Number.NaN).kind).toBe('prune');
  expect(JSON.parse(JSON.stringify(study.snapshot()))).toEqual(study.snapshot());
});

test('telling the same outcome twice is harmless, another outcome is refused', () => {
  const study = createStudy({ space, sampler: random() });
  const { number } = handed(study.ask());
  study.tell(number, 0.5);
  expect(study.tell(number, 0.5).values).toEqual([0.5]);
  expect(() => study.tell(number, 0.6)).toThrow(fault('trial_not_running'));
  expect(() => study.tell(99, 1)).toThrow(fault('trial_not_found'));
});

test('enqueued configurations come first, exactly as given; partial ones are completed', () => {
  const study = createStudy({ space, sampler: random() });
  study.enqueue({ x: 0.1, k: 2 });
  study.enqueue({ k: 3 });
  expect(handed(study.ask()).params).toEqual({ x: 0.1, k: 2 });
  expect(handed(study.ask()).params.k).toBe(3);
  expect(() => study.enqueueFlat({ k: 4 })).toThrow(fault('bad_params'));
  expect(() => study.enqueueFlat({ z: 4 })).toThrow(fault('bad_params'));
});

test('the defaults of a space are evaluated first', () => {
  const study = createStudy({
    space: { x: float(0, 1, { default: 0.25 }), k: int(1, 3, { default: 2 }) },
    sampler: random(),
  });
  expect(handed(study.ask()).params).toEqual({ x: 0.25, k: 2 });
});

test('finished trials of another study warm-start this one and cost no budget', () => {
  const old = createStudy({ space, sampler: random() });
  for (let i = 0; i < 5; i++) old.tell(handed(old.ask()).number, i);
  const study = createStudy({ space, sampler: tpe({ startupTrials: 5 }), budget: { trials: 1 } });
  expect(study.warmStart(old.trials)).toBe(5);
  expect(study.best()?.values).toEqual([0]);
  expect(handed(study.ask()).number).toBe(5);
});

test('the front of several objectives holds what nothing dominates, and infeasible trials never count', () => {
  const objectives = [
    { name: 'loss', direction: 'minimize' },
    { name: 'speed', direction: 'maximize' },
  ] as const;
  const study = createStudy({ space, sampler: random(), objectives });
  for (const values of [
    [1, 1],
    [2, 3],
    [3, 2],
  ])
    study.tell(handed(study.ask()).number, values);
  study.tell(handed(study.ask()).number, { kind: 'complete', values: [0, 9], constraints: [0.1] });
  expect(study.front().map(t => t.values)).toEqual([
    [1, 1],
    [2, 3],
  ]);
  expect(() => study.best()).toThrow(fault('bad_option'));
  expect(() => study.tell(handed(study.ask()).number, 3)).toThrow(fault('bad_values'));
});

test('a study can be stopped by cost and by time', () => {
  const clock = new FakeClock();
  const study = createStudy({ space, sampler: random(), clock, budget: { cost: 10, durationMs: 500 } });
  study.tell(handed(study.ask()).number, { kind: 'complete', values: [1], cost: 6 });
  clock.nowMs += 499;
  const t = handed(study.ask());
  clock.nowMs += 1;
  expect(study.ask()).toEqual({ kind: 'finished', because: 'duration' });
  clock.nowMs = 1000;
  study.tell(t.number, { kind: 'failed', reason: 'exit code 1', cost: 4 });
  expect(study.ask()).toEqual({ kind: 'finished', because: 'cost' });
});

test('a changed space is refused on restore, or evolves when asked to', () => {
  const study = createStudy({
    space: { opt: categorical(['adam', 'sgd']), x: float(0, 1) },
    sampler: tpe({ startupTrials: 2 }),
  });
  for (let i = 0; i < 4; i++) study.tell(handed(study.ask()).number, i);
  const wider = { opt: categorical(['adam', 'sgd', 'lion']), x: float(0, 2), decay: float(0, 1, { default: 0 }) };
  const settings = { space: wider, sampler: tpe({ startupTrials: 2 }) };
  expect(() => restoreStudy(study.snapshot(), settings)).toThrow(fault('space_changed'));
  const evolved = restoreStudy(study.snapshot(), { ...settings, evolve: true });
  expect(evolved.trials).toHaveLength(4);
  expect(handed(evolved.ask()).params).toHaveProperty('decay');
  const broken = { opt: categorical(['adam', 'sgd']), x: float(0, 1), decay: float(0, 1) };
  expect(() => restoreStudy(study.snapshot(), { space: broken, evolve: true })).toThrow(fault('space_changed'));
});

test('a paused trial is promoted and goes on from its last step', () => {
  const study = createStudy({ space, sampler: random(), pruner: asha({ minSteps: 1, maxSteps: 9, eta: 3 }) });
  const numbers = [3, 1, 2].map(loss => {
    const { number } = handed(study.ask());
    const decision = study.report(number, 1, loss);
    expect(decision.kind).toBe('pause');
    study.tell(number, { kind: 'paused' });
    return number;
  });
  const promoted = handed(study.ask());
  expect(promoted.number).toBe(numbers[1]);
  expect(promoted.resumeFrom).toBe(1);
});

test('step reports with a wrong size or order are refused, a repeated one is ignored', () => {
  const study = createStudy({ space, sampler: random(), pruner: noPruner() });
  const { number } = handed(study.ask());
  study.report(number, 2, 1);
  expect(study.report(number, 2, 1)).toEqual({ kind: 'continue' });
  expect(study.trials[number]?.reports).toHaveLength(1);
  expect(() => study.report(number, 1, 1)).toThrow(fault('bad_step'));
  expect(() => study.report(number, 3, [1, 2])).toThrow(fault('bad_step'));
});

test('whoever reports a step again, not having heard the answer, hears that the trial is pruned', () => {
  const study = createStudy({ space, sampler: random(), pruner: thresholdPruner({ upper: 5 }) });
  const { number } = handed(study.ask());
  expect(study.report(number, 1, 9).kind).toBe('prune');
  expect(study.report(number, 1, 9).kind).toBe('prune');
  expect(study.trials[number]?.reports).toHaveLength(1);
});

test('two parallel workers on a saved quasi-random study never share a point', () => {
  const settings = { space, seed: 5 };
  const study = createStudy({ ...settings, sampler: quasiRandom() });
  const a = [handed(study.ask()), handed(study.ask())];
  const resumed = restoreStudy(JSON.parse(JSON.stringify(study.snapshot())), { ...settings, sampler: quasiRandom() });
  const b = handed(resumed.ask());
  expect(new Set([...a, b].map(t => t.params.x)).size).toBe(3);
  expect(handed(study.ask()).params).toEqual(b.params);
});

test('a trial given back is handed out again, and the suggestions go on as if nothing had happened', () => {
  const settings = { space, seed: 3, sampler: tpe({ startupTrials: 3 }), pruner: noPruner() };
  const calm = createStudy(settings);
  const stopped = createStudy({ ...settings, sampler: tpe({ startupTrials: 3 }) });
  const proposals = [calm, stopped].map(study => {
    const seen: unknown[] = [];
    for (let i = 0; i < 12; i++) {
      let trial = handed(study.ask());
      study.report(trial.number, 1, trial.params.x);
      if (study === stopped && i % 4 === 2) {
        study.release(trial.number);
        trial = handed(study.ask());
        expect(trial.resumeFrom).toBe(1);
      }
      study.tell(trial.number, trial.params.x);
      seen.push([trial.number, trial.params]);
    }
    return seen;
  });
  expect(proposals[1]).toEqual(proposals[0]);
  expect(() => stopped.release(0)).toThrow(fault('trial_not_running'));
});

test('a replica that merges changes stands where the other study stands', () => {
  const settings = { space, seed: 9 };
  const leader = createStudy({ ...settings, sampler: quasiRandom() });
  const replica = createStudy({ ...settings, sampler: quasiRandom() });
  let seen = 0;
  for (let i = 0; i < 6; i++) {
    const { number } = handed(leader.ask());
    leader.tell(number, i);
    const { revision, parallelism, startedAtMs, sampler, pruner } = leader.snapshot();
    const trials = leader.changedSince(seen);
    replica.merge({
      trials,
      revision,
      parallelism,
      ...(startedAtMs !== undefined && { startedAtMs }),
      sampler: sampler.state,
      pruner: pruner.state,
    });
    seen = revision;
  }
  expect(replica.snapshot()).toEqual(leader.snapshot());
  expect(handed(replica.ask()).params).toEqual(handed(leader.ask()).params);
  expect(() => replica.merge({ trials: [{ ...leader.trials[0]!, number: 99 }], revision: 1, parallelism: 1 })).toThrow(
    fault('bad_snapshot'),
  );
});
