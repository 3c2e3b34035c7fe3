import { expect, test } from 'vitest';
import { type ChartSpec, limitsOf } from './chart-spec.ts';
import { sparklinePath } from './sparkline.tsx';

const spec: ChartSpec = {
  xsMs: [],
  lines: [],
  levels: [],
  markers: [],
  breaches: [],
  shown: { fromMs: 0, toMs: 1 },
  floor: 'zero',
  axisText: String,
  locale: 'en',
  timeZone: undefined,
  markerText: String,
};

test('a scale from zero has air above, and a flat line of nothing stays at the bottom', () => {
  const [bottom, top] = limitsOf(1, 10, spec);
  expect(bottom).toBe(0);
  expect(top).toBeGreaterThan(10);
  expect(limitsOf(0, 0, { ...spec, leastTop: 0.01 })).toEqual([0, 0.01]);
  expect(limitsOf(null, null, spec)).toEqual([0, 1]);
});

test('a fitted scale holds the baseline too, and is never empty', () => {
  const level = { label: 'b', value: 0.9, colour: 'muted', dash: [], text: String } as const;
  const [bottom, top] = limitsOf(0.7, 0.8, { ...spec, floor: 'fit', levels: [level] });
  expect(bottom).toBeLessThan(0.7);
  expect(top).toBeGreaterThan(0.9);
  const [low, high] = limitsOf(0.5, 0.5, { ...spec, floor: 'fit' });
  expect(high).toBeGreaterThan(low);
});

test('a sparkline ends at the right edge and its largest value near the top', () => {
  expect(sparklinePath([1]).line).toBe('');
  const { line } = sparklinePath([0, 4, 2]);
  expect(line.split(/[ML]/).at(-1)).toMatch(/^120\.0 /);
  expect(line).toContain(' 2.5');
});
