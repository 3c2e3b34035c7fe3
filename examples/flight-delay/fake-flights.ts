import type { Flights } from './flights.ts';
import type { FlightSource } from './replay.ts';

/** One flight of a test: departure in ms since epoch and what matters to the replay. */
export interface FakeFlight {
  readonly departedMs: number;
  readonly distance?: number;
  readonly late?: 0 | 1;
}

/** Flights from `AAA` to `BBB` whose other features are their row numbers. */
export function fakeFlights(flights: readonly FakeFlight[]): Flights {
  const rows = flights.length;
  const rowNumbers = (): Float32Array => Float32Array.from({ length: rows }, (_, row) => row);
  return {
    rows,
    departedMs: Float64Array.from(flights, flight => flight.departedMs),
    numeric: {
      hour: rowNumbers(),
      weekday: rowNumbers(),
      distance: Float32Array.from(flights, flight => flight.distance ?? 450),
      origin_delay: rowNumbers(),
      destination_delay: rowNumbers(),
      origin_traffic: rowNumbers(),
    },
    origin: new Uint16Array(rows).fill(0),
    destination: new Uint16Array(rows).fill(1),
    late: Uint8Array.from(flights, flight => flight.late ?? 0),
  };
}

/** A source that hands out the flights in chunks, whatever the span. */
export function fakeSource(chunks: readonly (readonly FakeFlight[])[]): FlightSource {
  return {
    airports: ['AAA', 'BBB'],
    async *read() {
      for (const chunk of chunks) yield fakeFlights(chunk);
    },
  };
}
