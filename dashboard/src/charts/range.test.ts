import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dragged, moveBy, presetsFor, rangeOf, resolve, type Span, writeRange, zoomBy } from './range.ts';

const day = 86_400_000;
const whole: Span = { fromMs: Date.UTC(2001, 1, 1), toMs: Date.UTC(2001, 5, 1) };

test.each([
  ['', { kind: 'all' }],
  ['range=7d', { kind: 'last', ms: 7 * day }],
  ['range=15m', { kind: 'last', ms: 900_000 }],
  ['range=0d', { kind: 'all' }],
  ['range=week', { kind: 'all' }],
  [
    'from=2001-02-01T00:00:00Z&to=2001-02-02T00:00:00Z',
    { kind: 'fixed', fromMs: whole.fromMs, toMs: whole.fromMs + day },
  ],
  ['from=2001-02-02T00:00:00Z&to=2001-02-01T00:00:00Z', { kind: 'all' }],
  ['from=nonsense&to=2001-02-01', { kind: 'all' }],
])('the address ?%s means %j', (query, range) => {
  expect(rangeOf(new URLSearchParams(query))).toEqual(range);
});

test('a range survives the address, and other parts of the query stay', () => {
  for (const range of [
    { kind: 'all' },
    { kind: 'last', ms: 6 * 3_600_000 },
    { kind: 'fixed', fromMs: whole.fromMs + 1, toMs: whole.toMs - 7 },
  ] as const) {
    const query = new URLSearchParams('state=firing&range=30d');
    writeRange(query, range);
    expect(rangeOf(query)).toEqual(range);
    expect(query.get('state')).toBe('firing');
  }
});

test('what follows live moves with the end of the data; a fixed range does not', () => {
  const later = { ...whole, toMs: whole.toMs + day };
  expect(resolve({ kind: 'last', ms: day }, later)).toEqual({ fromMs: whole.toMs, toMs: later.toMs });
  expect(resolve({ kind: 'all' }, later)).toEqual(later);
  expect(resolve({ kind: 'fixed', ...whole }, later)).toEqual(whole);
});

test('a single moment of data is shown as a minute', () => {
  expect(resolve({ kind: 'all' }, { fromMs: 1e12, toMs: 1e12 })).toEqual({ fromMs: 1e12 - 60_000, toMs: 1e12 });
});

test('presets are shorter than the data, five at most', () => {
  expect(presetsFor({ fromMs: 0, toMs: 2 * 3_600_000 })).toEqual([900_000, 3_600_000]);
  expect(presetsFor(whole)).toHaveLength(5);
  expect(presetsFor({ fromMs: 0, toMs: 1000 })).toEqual([]);
});

test('zooming and moving stay within the data, whatever is shown', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 100 * day }),
      fc.integer({ min: 1000, max: 20 * day }),
      fc.constantFrom(0.5, 2),
      fc.constantFrom(-0.5, 0.5),
      (offset, length, factor, share) => {
        const fromMs = Math.min(whole.fromMs + offset, whole.toMs - length);
        const shown = { fromMs, toMs: fromMs + length };
        for (const range of [zoomBy(shown, factor, whole), moveBy(shown, share, whole)]) {
          const next = resolve(range, whole);
          expect(next.fromMs).toBeGreaterThanOrEqual(whole.fromMs - 1);
          expect(next.toMs).toBeLessThanOrEqual(whole.toMs + 1);
          expect(next.toMs).toBeGreaterThan(next.fromMs);
        }
      },
    ),
  );
});

test('zooming out beyond the data shows all of it', () => {
  expect(zoomBy(whole, 2, whole)).toEqual({ kind: 'all' });
});

test('a drag in either direction selects, a click does not', () => {
  expect(dragged(5000, 1000)).toEqual({ kind: 'fixed', fromMs: 1000, toMs: 5000 });
  expect(dragged(1000, 1400)).toBeUndefined();
});
