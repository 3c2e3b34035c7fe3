import { parsePlan, type RolloutAction } from '@holdfast/api';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  elapsedOf,
  firstState,
  isFinal,
  nextState,
  type RolloutInput,
  type RolloutState,
  sharesOf,
} from './rollout-state.ts';

function planOf(text: string) {
  const steps = parsePlan(text);
  if (typeof steps === 'string') throw new Error(steps);
  return steps;
}
const plan = planOf('shadow 1m -> 5% 10m -> 25% pause -> 100%');

const decide = (kind: 'advance' | 'await' | 'hold' | 'freeze' | 'rollback' | 'pause'): RolloutInput => ({
  kind: 'decided',
  decision: { kind, sentence: kind },
});
const act = (action: RolloutAction): RolloutInput => ({ kind: 'act', action, reason: action });

/** Applies the inputs a second apart; those that change nothing are passed over. */
function run(inputs: readonly RolloutInput[], steps = plan): RolloutState {
  let state = firstState(0);
  for (const [i, input] of inputs.entries()) state = nextState(state, input, steps, (i + 1) * 1000)?.state ?? state;
  return state;
}

const inputs: fc.Arbitrary<RolloutInput> = fc.oneof(
  fc.constant<RolloutInput>({ kind: 'loaded' }),
  fc.constant<RolloutInput>({ kind: 'load-failed', why: 'no' }),
  fc.constantFrom('advance', 'await', 'hold', 'freeze', 'rollback', 'pause').map(kind => decide(kind as 'hold')),
  fc.constantFrom<RolloutAction>('promote', 'pause', 'resume', 'abort').map(act),
  fc.constant<RolloutInput>({ kind: 'interrupted', why: 'moved' }),
  fc.constant<RolloutInput>({ kind: 'promoted' }),
  fc.constant<RolloutInput>({ kind: 'promotion-failed', why: 'no' }),
  fc.constant<RolloutInput>({ kind: 'cleared' }),
);

test('a good version goes through the plan to the champion', () => {
  const phases: string[] = [];
  let state = firstState(0);
  const good = [
    { kind: 'loaded' } as const,
    decide('advance'),
    decide('advance'),
    act('resume'),
    { kind: 'promoted' } as const,
  ];
  for (const [i, input] of good.entries()) {
    state = nextState(state, input, plan, i * 1000)?.state ?? state;
    phases.push(`${state.phase} ${sharesOf(state, plan).answered}`);
  }
  expect(phases).toEqual(['shadow 0', 'canary 5', 'paused 25', 'promoting 25', 'promoted 0']);
});

test('whatever happens: shares stay within the plan, a stage never comes back, the end is the end', () => {
  fc.assert(
    fc.property(fc.array(inputs, { maxLength: 40 }), all => {
      let state = firstState(0);
      for (const [i, input] of all.entries()) {
        const next = nextState(state, input, plan, i * 1000)?.state;
        if (isFinal(state)) expect(next).toBeUndefined();
        if (next === undefined) continue;
        expect(next.stage).toBeGreaterThanOrEqual(state.stage);
        expect([0, 5, 25]).toContain(sharesOf(next, plan).answered);
        if (next.phase === 'promoted') expect(state.phase).toBe('promoting');
        if (['rolling-back', 'rolled-back', 'failed'].includes(next.phase)) {
          expect(sharesOf(next, plan)).toEqual({ answered: 0, copied: 0 });
        }
        if (sharesOf(next, plan).answered !== sharesOf(state, plan).answered && next.phase !== 'promoting') {
          expect(next.stage).toBeGreaterThan(state.stage);
        }
        state = next;
      }
    }),
  );
});

test('only a verdict or a person promotes: no plan is finished by the clock alone', () => {
  fc.assert(
    fc.property(fc.array(inputs, { maxLength: 40 }), all => {
      const idle = all.filter(
        input =>
          !(input.kind === 'decided' && input.decision.kind === 'advance') &&
          !(input.kind === 'act' && (input.action === 'promote' || input.action === 'resume')),
      );
      expect(['promoting', 'promoted']).not.toContain(run(idle).phase);
    }),
  );
});

test('an abort takes the share away at once, from wherever it is', () => {
  fc.assert(
    fc.property(fc.array(inputs, { maxLength: 20 }), all => {
      const state = run(all);
      const aborted = nextState(state, act('abort'), plan, 1e9)?.state;
      if (isFinal(state) || state.phase === 'rolling-back') expect(aborted).toBeUndefined();
      else expect(aborted?.phase).toBe('rolling-back');
    }),
  );
});

test('a pause stops the clock of the step', () => {
  const started = nextState(firstState(0), { kind: 'loaded' }, plan, 0)!.state;
  const paused = nextState(started, act('pause'), plan, 20_000)!.state;
  expect(elapsedOf(paused, 500_000)).toBe(20_000);
  const resumed = nextState(paused, act('resume'), plan, 500_000)!.state;
  expect(elapsedOf(resumed, 510_000)).toBe(30_000);
  expect(resumed.phase).toBe('shadow');
});

test('a plan without 100% waits for a person at its end', () => {
  const ab = planOf('50% 1h');
  const state = run([{ kind: 'loaded' }, decide('advance')], ab);
  expect(state).toMatchObject({ phase: 'paused', pausedFor: 'manual', step: 0 });
  expect(sharesOf(state, ab).answered).toBe(50);
  expect(nextState(state, act('resume'), ab, 0)).toBeUndefined();
  expect(nextState(state, act('promote'), ab, 0)?.state.phase).toBe('promoting');
});

test('manual steps go on with the next one when they are resumed, undecided ones with the same', () => {
  const waiting = run([{ kind: 'loaded' }, decide('advance'), decide('await')]);
  expect(nextState(waiting, act('resume'), plan, 1e6)?.state).toMatchObject({ step: 2 });
  const undecided = run([{ kind: 'loaded' }, decide('advance'), decide('pause')]);
  expect(undecided).toMatchObject({ phase: 'paused', pausedFor: 'inconclusive' });
  expect(nextState(undecided, act('resume'), plan, 1e6)?.state).toMatchObject({
    step: 1,
    phase: 'canary',
    elapsedMs: 0,
  });
});
