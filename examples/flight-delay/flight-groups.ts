import type { Flights } from './flights.ts';

const minuteMs = 60_000;

/** Flights that leave within the same few minutes and travel in one request. */
export interface FlightGroup {
  /** Departure of the first of them, ms since epoch: the event time of the request. */
  readonly eventMs: number;
  /** The same in every replay: the first minute of its slot, and its place when a slot has several. */
  readonly key: string;
  readonly flights: Flights;
}

export interface GroupOptions {
  /** Width of a slot, a divisor of one hour so that no group reaches over a full hour or a day. */
  readonly slotMinutes: number;
  /** Most rows in a group, at least 1. */
  readonly maximumRows: number;
}

/**
 * Minutes of flights that make one request: up to 10 when time flies, 1 when it passes slowly, so that a request is
 * never held back for long to fill up.
 *
 * @param speed event seconds per second
 */
export function slotMinutesFor(speed: number): number {
  const minutesPerTick = (speed * 0.01) / 60;
  return [10, 5, 2].find(minutes => minutes <= minutesPerTick) ?? 1;
}

/** Cuts flights in departure order into groups; every flight is in exactly one, and order is kept. */
export async function* groupFlights(
  source: AsyncIterable<Flights>,
  { slotMinutes, maximumRows }: GroupOptions,
): AsyncGenerator<FlightGroup> {
  const slotOf = (departedMs: number): number => Math.floor(departedMs / (slotMinutes * minuteMs));
  const keys = new GroupKeys(slotMinutes * minuteMs);
  let rest: Flights | undefined;
  for await (const chunk of source) {
    const flights = rest === undefined ? chunk : joined(rest, chunk);
    let start = 0;
    for (let row = 1; row < flights.rows; row++) {
      const isNextSlot = slotOf(flights.departedMs[row]!) !== slotOf(flights.departedMs[start]!);
      if (!isNextSlot && row - start < maximumRows) continue;
      yield keys.group(sliced(flights, start, row));
      start = row;
    }
    rest = sliced(flights, start, flights.rows);
  }
  if (rest !== undefined && rest.rows > 0) yield keys.group(rest);
}

class GroupKeys {
  readonly #slotMs: number;
  #slot = Number.NaN;
  #place = 0;

  constructor(slotMs: number) {
    this.#slotMs = slotMs;
  }

  group(flights: Flights): FlightGroup {
    const eventMs = flights.departedMs[0]!;
    const slot = Math.floor(eventMs / this.#slotMs);
    this.#place = slot === this.#slot ? this.#place + 1 : 0;
    this.#slot = slot;
    const minute = new Date(slot * this.#slotMs).toISOString().slice(0, 16);
    return { eventMs, key: this.#place === 0 ? minute : `${minute}.${this.#place}`, flights };
  }
}

function sliced(flights: Flights, from: number, to: number): Flights {
  const { numeric } = flights;
  return {
    rows: to - from,
    departedMs: flights.departedMs.subarray(from, to),
    numeric: {
      hour: numeric.hour.subarray(from, to),
      weekday: numeric.weekday.subarray(from, to),
      distance: numeric.distance.subarray(from, to),
      origin_delay: numeric.origin_delay.subarray(from, to),
      destination_delay: numeric.destination_delay.subarray(from, to),
      origin_traffic: numeric.origin_traffic.subarray(from, to),
    },
    origin: flights.origin.subarray(from, to),
    destination: flights.destination.subarray(from, to),
    late: flights.late.subarray(from, to),
  };
}

function joined(first: Flights, second: Flights): Flights {
  const rows = first.rows + second.rows;
  const both = <T extends Float32Array | Float64Array | Uint16Array | Uint8Array>(into: T, a: T, b: T): T => {
    into.set(a);
    into.set(b, a.length);
    return into;
  };
  const numeric = (name: keyof Flights['numeric']): Float32Array =>
    both(new Float32Array(rows), first.numeric[name], second.numeric[name]);
  return {
    rows,
    departedMs: both(new Float64Array(rows), first.departedMs, second.departedMs),
    numeric: {
      hour: numeric('hour'),
      weekday: numeric('weekday'),
      distance: numeric('distance'),
      origin_delay: numeric('origin_delay'),
      destination_delay: numeric('destination_delay'),
      origin_traffic: numeric('origin_traffic'),
    },
    origin: both(new Uint16Array(rows), first.origin, second.origin),
    destination: both(new Uint16Array(rows), first.destination, second.destination),
    late: both(new Uint8Array(rows), first.late, second.late),
  };
}
