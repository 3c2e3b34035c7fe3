import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AlertState, step } from './alert-state.ts';

function run(windows: readonly boolean[], fireAfter: number, resolveAfter: number): (string | undefined)[] {
  let state: AlertState | undefined;
  return windows.map(isBreached => {
    state = step(state?.phase === 'resolved' ? undefined : state, isBreached, { fireAfter, resolveAfter });
    return state?.phase;
  });
}

test('an alert fires after enough windows in breach and resolves after enough quiet ones', () => {
  expect(run([false, true, true, false, true, false, false, false], 2, 2)).toEqual([
    undefined,
    'pending',
    'firing',
    'firing',
    'firing',
    'firing',
    'resolved',
    undefined,
  ]);
});

test('a single breach comes to nothing when two are needed', () => {
  expect(run([true, false, true, false], 2, 1)).toEqual(['pending', undefined, 'pending', undefined]);
});

test('a value that alternates rings at most once while two quiet windows are needed', () => {
  const phases = run(
    Array.from({ length: 100 }, (_, i) => i % 2 === 0),
    1,
    2,
  );
  expect(phases.every(phase => phase === 'firing')).toBe(true);
});

test('whatever the windows, an alert fires only straight after fireAfter breaches in a row', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      (windows, fire, resolve) => {
        const phases = run(windows, fire, resolve);
        phases.forEach((phase, i) => {
          if (phase !== 'firing' || phases[i - 1] === 'firing') return;
          expect(windows.slice(i - fire + 1, i + 1)).toEqual(Array.from({ length: fire }, () => true));
        });
      },
    ),
  );
});
