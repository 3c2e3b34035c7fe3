import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { baselineColumns, ensureBaseline } from './baseline.ts';
import { Database, textLiteral } from './database.ts';
import { DelayModel, modelInputs } from './delay-model.ts';
import { FlightStore, type Flights } from './flights.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-flights-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** `date delay distance origin destination`, one flight a line, written as the recorded flights are. */
async function record(name: string, flights: readonly string[]): Promise<string> {
  const file = join(folder, `${name}.parquet`);
  using database = await Database.open(folder, 1);
  const rows = flights.map(line => {
    const [date, time, delay, distance, origin, destination] = line.split(' ');
    return `(TIMESTAMP '${date} ${time}', ${delay}::BIGINT, ${distance}::BIGINT, '${origin}', '${destination}')`;
  });
  await database.connection.run(
    `COPY (SELECT * FROM (VALUES ${rows.join(',')}) AS flight(date, delay, distance, origin, destination))
     TO ${textLiteral(file)} (FORMAT parquet)`,
  );
  return file;
}

async function all(store: FlightStore): Promise<Flights> {
  const parts: Flights[] = [];
  for await (const flights of store.read({ fromMs: 0, untilMs: Date.UTC(2100) })) parts.push(flights);
  expect(parts).toHaveLength(1);
  return parts[0]!;
}

test('delays are averaged over departures between 4 h and 2 h earlier, both ends included', async () => {
  const recorded = await record('delay-window', [
    '2001-01-02 07:59:00 1000 100 ORD BOS', // 4 h 1 min before: too old
    '2001-01-02 08:00:00 10 100 ORD BOS', // exactly 4 h
    '2001-01-02 10:00:00 -4 100 ORD LGA', // exactly 2 h
    '2001-01-02 10:01:00 1000 100 ORD LGA', // 1 h 59 min before: too young
    '2001-01-02 09:00:00 50 100 JFK LAX', // same destination, elsewhere
    '2001-01-02 12:00:00 16 100 ORD LAX',
  ]);
  using store = await FlightStore.open(folder, { recorded });
  const flights = await all(store);
  expect(flights.numeric.origin_delay[5]).toBe(3);
  expect(flights.numeric.destination_delay[5]).toBe(50);
  expect(flights.numeric.origin_delay[0]).toBe(0);
});

test('traffic counts departures of the last hour, both ends and the same minute included', async () => {
  const recorded = await record('traffic-window', [
    '2001-01-02 10:59:00 0 100 ORD LAX', // 61 min before
    '2001-01-02 11:00:00 0 100 ORD LAX', // 60 min before
    '2001-01-02 11:30:00 0 100 LAX ORD', // another origin
    '2001-01-02 12:00:00 0 100 ORD BOS',
    '2001-01-02 12:00:00 0 100 ORD LGA',
  ]);
  using store = await FlightStore.open(folder, { recorded });
  expect([...(await all(store)).numeric.origin_traffic]).toEqual([1, 2, 1, 3, 3]);
});

test('flights come in departure order with the clock, weekday, airports and truth of the record', async () => {
  const recorded = await record('columns', [
    '2001-01-07 22:45:00 16 2402 SEA BOS', // a Sunday, late by the smallest margin
    '2001-01-06 06:15:00 15 11 BOS SEA', // a Saturday, just punctual
  ]);
  using store = await FlightStore.open(folder, { recorded });
  const flights = await all(store);
  expect([...flights.departedMs]).toEqual([Date.UTC(2001, 0, 6, 6, 15), Date.UTC(2001, 0, 7, 22, 45)]);
  expect([...flights.numeric.hour]).toEqual([6.25, 22.75]);
  expect([...flights.numeric.weekday]).toEqual([6, 0]);
  expect([...flights.numeric.distance]).toEqual([11, 2402]);
  expect([...flights.late]).toEqual([0, 1]);
  expect(Array.from(flights.origin, code => store.airports[code])).toEqual(['BOS', 'SEA']);
  expect(Array.from(flights.destination, code => store.airports[code])).toEqual(['SEA', 'BOS']);
});

test('a span has its start and not its end', async () => {
  const recorded = await record('span', ['2001-01-31 23:59:00 0 100 ORD LAX', '2001-02-01 00:00:00 0 100 ORD LAX']);
  using store = await FlightStore.open(folder, { recorded });
  const departures: number[] = [];
  for await (const flights of store.read({ fromMs: Date.UTC(2001, 0, 31, 23, 59), untilMs: Date.UTC(2001, 1) })) {
    departures.push(...flights.departedMs);
  }
  expect(departures).toEqual([Date.UTC(2001, 0, 31, 23, 59)]);
});

test('the baseline holds the flights of January with what the model says about each', async () => {
  const recorded = await record('baseline', [
    '2001-01-05 08:30:00 0 2402 SEA BOS',
    '2001-01-31 23:00:00 90 733 ORD LGA',
    '2001-02-01 00:30:00 90 733 ORD LGA',
  ]);
  using store = await FlightStore.open(folder, { recorded });
  const file = await ensureBaseline(store, folder);
  await using model = await DelayModel.load();
  const { label, probabilities } = await model.predict(modelInputs(await all(store), store.airports));

  using database = await Database.open(folder, 1);
  const answer = await database.connection.runAndReadAll(
    `SELECT ${baselineColumns.truth}, label, "probabilities[0]", "probabilities[1]", hour, origin,
       epoch_ms(${baselineColumns.time})::DOUBLE
     FROM read_parquet(${textLiteral(file)})`,
  );
  expect(answer.getRows()).toEqual([
    [0, label[0], probabilities[0], probabilities[1], 8.5, 'SEA', Date.UTC(2001, 0, 5, 8, 30)],
    [1, label[1], probabilities[2], probabilities[3], 23, 'ORD', Date.UTC(2001, 0, 31, 23)],
  ]);
});
