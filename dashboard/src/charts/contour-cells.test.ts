import { expect, test } from 'vitest';
import { contourCells } from './contour-cells.ts';

test('cells near the best trials are strong, near the worst calm, and places nobody tried stay empty', () => {
  const cells = contourCells([
    { x: 0.2, y: 0.2, standing: 0 },
    { x: 0.8, y: 0.2, standing: 1 },
  ]);
  const at = (x: number, y: number): number | undefined =>
    cells.find(cell => cell.x <= x && x < cell.x + cell.width && cell.y <= y && y < cell.y + cell.height)?.level;
  expect(at(0.2, 0.2)).toBe(4);
  expect(at(0.8, 0.2)).toBe(0);
  expect(at(0.5, 0.9)).toBeUndefined();
});
