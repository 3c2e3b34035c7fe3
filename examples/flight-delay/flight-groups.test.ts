import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type FakeFlight, fakeFlights, fakeSource } from './fake-flights.ts';
import { type FlightGroup, groupFlights, slotMinutesFor } from './flight-groups.ts';

const minuteMs = 60_000;
const start = Date.UTC(2001, 1, 1);
const span = { fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER };

async function grouped(chunks: FakeFlight[][], slotMinutes: number, maximumRows: number): Promise<FlightGroup[]> {
  const groups: FlightGroup[] = [];
  for await (const group of groupFlights(fakeSource(chunks).read(span), { slotMinutes, maximumRows }))
    groups.push(group);
  return groups;
}

const at = (minute: number): FakeFlight => ({ departedMs: start + minute * minuteMs });

test('flights of one slot travel together, also across chunks, and full groups are cut', async () => {
  const groups = await grouped([[at(0), at(3)], [at(9), at(9), at(10)], [at(59)], [at(60)]], 10, 3);
  expect(groups.map(group => [group.key, group.flights.rows, group.eventMs])).toEqual([
    ['2001-02-01T00:00', 3, start],
    ['2001-02-01T00:00.1', 1, start + 9 * minuteMs],
    ['2001-02-01T00:10', 1, start + 10 * minuteMs],
    ['2001-02-01T00:50', 1, start + 59 * minuteMs],
    ['2001-02-01T01:00', 1, start + 60 * minuteMs],
  ]);
});

test('every flight is in exactly one group, in order, whatever the chunks', async () => {
  const minutes = fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 80 });
  await fc.assert(
    fc.asyncProperty(
      minutes,
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      async (all, size, most) => {
        const flights = all.sort((a, b) => a - b).map(at);
        const chunks = Array.from({ length: Math.ceil(flights.length / size) }, (_, chunk) =>
          flights.slice(chunk * size, (chunk + 1) * size),
        );
        const groups = await grouped(chunks, 5, most);
        expect(groups.flatMap(group => [...group.flights.departedMs])).toEqual([...fakeFlights(flights).departedMs]);
        expect(new Set(groups.map(group => group.key)).size).toBe(groups.length);
        for (const { flights: together } of groups) {
          expect(together.rows).toBeLessThanOrEqual(most);
          const slots = new Set(Array.from(together.departedMs, departed => Math.floor(departed / (5 * minuteMs))));
          expect(slots.size).toBe(1);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('slots are wide when time flies and one minute when it passes slowly', () => {
  expect([1, 60, 6_000, 12_000, 30_000, 72_000, 1e7].map(slotMinutesFor)).toEqual([1, 1, 1, 2, 5, 10, 10]);
});
