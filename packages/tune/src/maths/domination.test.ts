import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crowdingDistances, dominates, nonDominationRanks, paretoFront, rankByDomination } from './domination.ts';
import { greedyHypervolumeSubset, hypervolume } from './hypervolume.ts';

const rows = fc.array(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 3, maxLength: 3 }), {
  minLength: 1,
  maxLength: 14,
});

test.each([2, 3])('ranks of %i objectives peel off fronts one after another', objectives => {
  fc.assert(
    fc.property(rows, three => {
      const losses = three.map(row => row.slice(0, objectives));
      const ranks = nonDominationRanks(losses);
      let left = losses.map((_, i) => i);
      for (let rank = 0; left.length > 0; rank++) {
        const front = paretoFront(left.map(i => losses[i]!)).map(k => left[k]!);
        for (const i of front) expect(ranks[i]).toBe(rank);
        left = left.filter(i => !front.includes(i));
      }
    }),
  );
});

test('nothing dominates itself, and a better row dominates', () => {
  expect(dominates([1, 2], [1, 2])).toBe(false);
  expect(dominates([1, 2], [1, 3])).toBe(true);
  expect(dominates([0, 4], [1, 3])).toBe(false);
});

test('crowding distances follow the box perimeters of the NSGA-II paper', () => {
  // Neighbours of the middle rows: (4-1)/9 + (9-4)/9 and (10-2)/9 + (6-1)/9, widths 9 on both axes.
  expect([
    ...crowdingDistances([
      [1, 10],
      [2, 6],
      [5, 4],
      [10, 1],
    ]),
  ]).toEqual([Number.POSITIVE_INFINITY, 4 / 9 + 6 / 9, 8 / 9 + 5 / 9, Number.POSITIVE_INFINITY]);
});

test('the complete order keeps fronts together', () => {
  expect(rankByDomination([[3], [1], [2]])).toEqual([1, 2, 0]);
  expect(
    rankByDomination([
      [2, 2],
      [1, 3],
      [3, 3],
      [3, 1],
    ]).at(-1),
  ).toBe(2);
});

test('hypervolume equals hand-counted boxes', () => {
  expect(
    hypervolume(
      [
        [1, 3],
        [2, 2],
        [3, 1],
      ],
      [4, 4],
    ),
  ).toBe(6);
  expect(hypervolume([[1, 1, 1]], [2, 2, 2])).toBe(1);
  // Two boxes of volume 2 that share a unit cube.
  expect(
    hypervolume(
      [
        [0, 1, 1],
        [1, 0, 1],
      ],
      [2, 2, 2],
    ),
  ).toBe(2 + 2 - 1);
  expect(hypervolume([[5, 5]], [4, 4])).toBe(0);
});

test('hypervolume in three dimensions equals counting unit cells', () => {
  fc.assert(
    fc.property(rows, losses => {
      let cells = 0;
      for (let x = 0; x < 7; x++)
        for (let y = 0; y < 7; y++)
          for (let z = 0; z < 7; z++) if (losses.some(l => l[0]! <= x && l[1]! <= y && l[2]! <= z)) cells++;
      expect(hypervolume(losses, [7, 7, 7])).toBe(cells);
    }),
  );
});

test('the greedy subset starts with the largest box', () => {
  expect(
    greedyHypervolumeSubset(
      [
        [0, 9],
        [4, 4],
        [9, 0],
      ],
      2,
      [10, 10],
    )[0],
  ).toBe(1);
});
