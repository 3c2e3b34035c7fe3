import { expect, test } from 'vitest';
import reference from '../fixtures/reference-values.json' with { type: 'json' };
import { createRng } from '../rng.ts';
import { Adwin } from './adwin.ts';
import { Cusum } from './cusum.ts';
import { Ddm } from './ddm.ts';
import { Eddm } from './eddm.ts';
import { HddmA, HddmW } from './hddm.ts';
import { Kswin } from './kswin.ts';
import { PageHinkley } from './page-hinkley.ts';
import type { StreamDetector } from './stream-detector.ts';

const digits = (text: string): number[] => Array.from(text, Number);
const s1 = digits(reference.bitStreams.s1_digits);
const s2 = digits(reference.bitStreams.s2_bits);
const s3 = digits(reference.bitStreams.s3_bits);
const expected = reference.riverDetections;

interface Seen {
  readonly drifts: readonly number[];
  readonly firstWarning: number | undefined;
}

function watch(detector: StreamDetector, values: Iterable<number>): Seen {
  const drifts: number[] = [];
  let firstWarning: number | undefined;
  let i = 0;
  for (const value of values) {
    const signal = detector.update(value);
    if (signal === 'drift') drifts.push(i);
    if (signal === 'warning') firstWarning ??= i;
    i++;
  }
  return { drifts, firstWarning };
}

// river/drift/test_drift_detectors.py; the streams are in the fixtures.
test('DDM, EDDM and HDDM alarm and warn where river does', () => {
  expect(watch(new Ddm(), s2)).toEqual({ drifts: expected['DDM s2'], firstWarning: 1007 });
  expect(watch(new Eddm({ alpha: 0.9, beta: 0.8 }), s2)).toEqual({
    drifts: expected['EDDM .9/.8 s2'],
    firstWarning: 663,
  });
  expect(watch(new Eddm(), s2)).toEqual({ drifts: expected['EDDM default s2'], firstWarning: 173 });
  expect(watch(new HddmA(), s2)).toEqual({ drifts: expected['HDDM_A s2'], firstWarning: 1038 });
  expect(watch(new HddmA({ twoSided: true }), s3).drifts).toEqual(expected['HDDM_A two-sided s3']);
  expect(watch(new HddmW(), s2)).toEqual({ drifts: expected['HDDM_W s2'], firstWarning: 1012 });
  expect(watch(new HddmW({ twoSided: true }), s3).drifts).toEqual(expected['HDDM_W two-sided s3']);
});

test('Page-Hinkley alarms where river does, CUSUM where Frouros does', () => {
  expect(watch(new PageHinkley(), s1).drifts).toEqual(expected['PageHinkley s1']);
  expect(watch(new PageHinkley(), s3).drifts).toEqual(expected['PageHinkley both s3']);
  expect(watch(new PageHinkley({ mode: 'up' }), s3).drifts).toEqual(expected['PageHinkley up s3']);
  expect(watch(new PageHinkley({ mode: 'down' }), s3).drifts).toEqual([1172]);
  const found = reference.streamDetections;
  expect(watch(new Cusum(), reference.streamValues).drifts).toEqual(found['CUSUM default']);
  expect(watch(new Cusum({ threshold: 10 }), reference.streamValues).drifts).toEqual(found['CUSUM lambda10']);
});

// MOA's version, which tries every bucket as a cut; river up to 0.21 skipped one bucket of each row.
test('ADWIN alarms where MOA does', () => {
  expect(watch(new Adwin(), s1).drifts).toEqual([1023]);
  expect(watch(new Adwin({ clock: 1 }), s1).drifts).toEqual([1004]);
  expect(watch(new Adwin(), s2).drifts).toEqual([1055]);
  expect(watch(new Adwin(), s3).drifts).toEqual([543, 1023, 1567]);
  const step = Array.from({ length: 2000 }, (_, i) => (i < 1000 ? i % 2 : 4 + (i % 4)));
  expect(watch(new Adwin({ clock: 1 }), step).drifts).toEqual([1003]);
  expect(watch(new Adwin(), step).drifts).toEqual([1023]);
});

test('ADWIN keeps the width, mean and variance of its window', () => {
  const small = Array.from({ length: 6000 }, (_, i) => ((i * 7919) % 100) / 100 + (i < 3000 ? 0 : 0.1));
  for (const [clock, drift, width, mean, squares] of [
    [1, 3273, 2726, 0.5947945707997067, 227.09723495964775],
    [32, 3295, 2704, 0.5950443786982249, 225.16159467455634],
  ] as const) {
    const adwin = new Adwin({ clock });
    expect(watch(adwin, small).drifts).toEqual([drift]);
    expect(adwin.width).toBe(width);
    expect(adwin.mean).toBeCloseTo(mean, 9);
    expect(adwin.squaredDeviations).toBeCloseTo(squares, 6);
  }
  for (const [n, total, squares] of [
    [100, 295, 404.75],
    [1000, 2997, 3994.991],
  ] as const) {
    const adwin = new Adwin({ clock: 1e9 });
    for (let i = 0; i < n; i++) adwin.update(i % 7);
    expect(adwin.total).toBe(total);
    expect(adwin.squaredDeviations).toBeCloseTo(squares, 6);
  }
});

test('ADWIN that keeps its window after a drift goes on shrinking it to the new level', () => {
  const step = Array.from({ length: 2000 }, (_, i) => (i < 1000 ? 0 : 1));
  const keeping = new Adwin({ clock: 1, afterDrift: 'keep' });
  expect(watch(keeping, step).drifts[0]).toBe(watch(new Adwin({ clock: 1 }), step).drifts[0]);
  expect(keeping.mean).toBe(1);
  expect(keeping.width).toBeLessThanOrEqual(1000);
});

test('KSWIN finds a jump soon and is nearly silent on a quiet stream', () => {
  const rng = createRng(1);
  const values = Array.from({ length: 3000 }, (_, i) => rng.normal() + (i < 1500 ? 0 : 3));
  const { drifts } = watch(new Kswin({ rng, alpha: 0.0001 }), values);
  expect(drifts.filter(at => at < 1500)).toEqual([]);
  expect(drifts[0]).toBeLessThan(1530);
});

test('a value that is not finite is refused, and options out of range too', () => {
  const rng = createRng(1);
  for (const detector of [
    new Adwin(),
    new Ddm(),
    new Eddm(),
    new HddmA(),
    new HddmW(),
    new PageHinkley(),
    new Cusum(),
    new Kswin({ rng }),
  ]) {
    expect(() => detector.update(Number.NaN)).toThrow(RangeError);
  }
  expect(() => new Adwin({ delta: 0 })).toThrow(RangeError);
  expect(() => new Kswin({ rng, statSize: 60 })).toThrow(RangeError);
});
