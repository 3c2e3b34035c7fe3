import type { DriftCell } from '@holdfast/api';
import { expect, test } from 'vitest';
import { heatGrid, keepOrder, stepOf, worstFirst } from './heat-grid.ts';
import { moved } from './heat-map.tsx';

function cell(column: string, window: number, effect: number | null, parts: Partial<DriftCell> = {}): DriftCell {
  return {
    column,
    role: 'input',
    windowStartMs: window * 10,
    windowEndMs: window * 10 + 10,
    version: 1,
    outcome: effect === null ? 'undecided' : effect > 0.1 ? 'breached' : 'stable',
    effect,
    threshold: 0.1,
    rows: 100,
    ...parts,
  };
}

test('the column with the worst breach stands first, then the nearest to its threshold', () => {
  const cells = [
    cell('calm', 0, 0.01),
    cell('near', 0, 0.09),
    cell('worst', 1, 0.9),
    cell('broken', 0, 0.2),
    // Beyond the threshold in size, but the test did not agree: not a breach.
    cell('large', 0, 0.5, { outcome: 'stable' }),
    cell('unknown', 0, null),
  ];
  expect(worstFirst(cells)).toEqual(['worst', 'broken', 'large', 'near', 'calm', 'unknown']);
});

test('the order that a reader sees is kept, new columns follow', () => {
  expect(keepOrder(['b', 'a', 'gone'], ['a', 'c', 'b'])).toEqual(['b', 'a', 'c']);
});

test('windows run by time, and by version within a time; missing cells stay empty', () => {
  const grid = heatGrid([cell('a', 1, 0.01), cell('a', 0, 0.02), cell('b', 1, 0.03, { version: 2 })], ['b', 'a']);
  expect(grid.windows.map(window => [window.startMs, window.version])).toEqual([
    [0, 1],
    [10, 1],
    [10, 2],
  ]);
  expect(grid.rows.map(row => [row.column, row.cells.map(each => each?.effect)])).toEqual([
    ['b', [undefined, undefined, 0.03]],
    ['a', [0.02, 0.01, undefined]],
  ]);
});

test.each([
  [null, 'undecided'],
  [0.01, 'calm-0'],
  [0.03, 'calm-1'],
  [0.06, 'calm-2'],
  [0.08, 'calm-3'],
  [0.12, 'hot-0'],
  [0.2, 'hot-1'],
  [0.9, 'hot-2'],
])('an effect of %s at a threshold of 0.1 is drawn as %s', (effect, step) => {
  expect(stepOf(cell('a', 0, effect))).toBe(step);
});

test('a large effect that is no breach is never drawn as one', () => {
  expect(stepOf(cell('a', 0, 5, { outcome: 'stable' }))).toBe('calm-4');
});

test.each([
  ['ArrowLeft', { row: 1, window: 4 }],
  ['ArrowRight', { row: 1, window: 6 }],
  ['ArrowUp', { row: 0, window: 5 }],
  ['ArrowDown', { row: 2, window: 5 }],
  ['PageUp', { row: 1, window: 0 }],
  ['PageDown', { row: 1, window: 7 }],
  ['Home', { row: 1, window: 0 }],
  ['End', { row: 1, window: 7 }],
  ['a', undefined],
])('%s leads from cell (1, 5) of 3 x 8 to %j', (key, expected) => {
  expect(moved(key, { row: 1, window: 5 }, 3, 8)).toEqual(expected);
});
