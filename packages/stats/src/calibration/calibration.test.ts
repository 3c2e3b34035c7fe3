import { expect, test } from 'vitest';
import { type Column, categoricalColumn } from '../drift/columns.ts';
import { driftReport } from '../drift/report.ts';
import { createRng, type Rng } from '../rng.ts';
import { drawWindow, planBlocks } from './block-draws.ts';
import { calibrateFromCounts } from './calibrate.ts';
import { calibrateTable } from './calibrate-table.ts';

const noMinimum = { numeric: 0, categorical: 0, missing: 0 };

function quietTable(rng: Rng, n: number, level: (row: number) => number): Map<string, Column> {
  return new Map<string, Column>([
    ['amount', { kind: 'numeric', values: Float64Array.from({ length: n }, (_, row) => level(row) + rng.normal()) }],
    ['steady', { kind: 'numeric', values: Float64Array.from({ length: n }, () => rng.normal()) }],
    ['country', categoricalColumn(Array.from({ length: n }, () => 'abcdefgh'[rng.int(8)]))],
  ]);
}

test('a pseudo-window never shares a group with its reference, and has the wanted size', () => {
  const rng = createRng(1);
  const plan = planBlocks(
    new Float64Array(40).fill(100),
    Int32Array.from({ length: 40 }, (_, i) => i >> 1),
  );
  for (const arrangement of ['consecutive', 'scattered'] as const) {
    for (let draw = 0; draw < 50; draw++) {
      const window = drawWindow(plan, 500, arrangement, rng);
      expect(window.rows).toBe(500);
      for (const block of window.blocks) expect(window.groups).toContain(block >> 1);
      expect(window.groups.length).toBe(3);
    }
  }
  expect(drawWindow(plan, 1e6, 'scattered', rng).rows).toBeLessThanOrEqual(2000);
});

test('the learned limits hold their rate on fresh windows', () => {
  const rng = createRng(2);
  const baseline = quietTable(rng, 20_000, () => 0);
  const { thresholds } = calibrateTable(baseline, { windowRows: 1000, rng, rate: 0.05, minimumEffects: noMinimum });
  let alarms = 0;
  const windows = 200;
  for (let i = 0; i < windows; i++) {
    const current = quietTable(rng, 1000, () => 0);
    const { verdicts } = driftReport(baseline, current, { thresholds, alpha: 0.999, correction: 'none' });
    const exceeds = verdicts.some(
      verdict => verdict.outcome !== 'undecided' && verdict.effect > verdict.effectThreshold,
    );
    if (exceeds) alarms++;
  }
  // 5 % promised; 200 windows give at most 18 with probability 0.995 when the promise holds.
  expect(alarms).toBeLessThanOrEqual(18);
});

test('days that differ raise the limit of the column that differs, and of no other', () => {
  const rng = createRng(3);
  const dayRows = 400;
  const levels = Array.from({ length: 60 }, () => 0.5 * rng.normal());
  const table = quietTable(rng, 60 * dayRows, row => levels[Math.floor(row / dayRows)]!);
  const blocks = Int32Array.from({ length: 60 * dayRows }, (_, row) => Math.floor(row / dayRows));
  const options = { windowRows: dayRows, minimumEffects: noMinimum };
  const byDay = calibrateTable(table, { ...options, rng: createRng(4), blocks });
  const byRow = calibrateTable(table, { ...options, rng: createRng(4) });
  expect(byDay.columnQuantiles.get('amount')!.values).toBeGreaterThan(3 * byRow.columnQuantiles.get('amount')!.values);
  expect(byDay.columnQuantiles.get('steady')!.values).toBeLessThan(1.6 * byRow.columnQuantiles.get('steady')!.values);
  expect(byDay.blocks).toBe(60);
});

test('blocks longer than a window are split, so pseudo-windows have the live size', () => {
  const rng = createRng(5);
  const table = quietTable(rng, 20_000, () => 0);
  const blocks = Int32Array.from({ length: 20_000 }, (_, row) => Math.floor(row / 2000));
  const calibration = calibrateTable(table, { windowRows: 200, rng, blocks });
  expect(calibration.drawnRows).toBeGreaterThan(180);
  expect(calibration.drawnRows).toBeLessThan(220);
  expect(calibration.blocks).toBe(10);
});

test('the same seed gives the same limits, and the minimum effects are kept', () => {
  const table = quietTable(createRng(6), 4000, () => 0);
  const run = () => calibrateTable(table, { windowRows: 500, rng: createRng(7) });
  expect(run()).toEqual(run());
  expect(run().thresholds.get('amount')!.values).toBeGreaterThanOrEqual(0.1);
  expect(run().familyFactor).toBeGreaterThanOrEqual(1);
});

test('what cannot be calibrated is refused with a reason', () => {
  const rng = createRng(8);
  const counts = new Float64Array(3 * 4).fill(5);
  expect(() =>
    calibrateFromCounts([{ name: 'x', kind: 'numeric', cells: 4, counts }], { windowRows: 10, rng }),
  ).toThrow('at least 4 blocks');
  expect(() => calibrateFromCounts([], { windowRows: 10, rng })).toThrow('at least one column');
  const table = quietTable(rng, 100, () => 0);
  expect(() => calibrateTable(table, { windowRows: 10, rng, rate: 0 })).toThrow('rate');
  expect(() => calibrateTable(table, { windowRows: 10, rng, blocks: [1, 2] })).toThrow('100 block ids');
});
