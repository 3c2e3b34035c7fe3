import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api';
import { Database, instantLiteral, textLiteral } from './database.ts';

/** The model's numeric inputs, in the order of its graph. */
export const numericFeatures = [
  'hour',
  'weekday',
  'distance',
  'origin_delay',
  'destination_delay',
  'origin_traffic',
] as const;
export type NumericFeature = (typeof numericFeatures)[number];

/** A run of flights in departure order, one typed array per column. */
export interface Flights {
  readonly rows: number;
  /** When the flight left, ms since epoch; the local clock of the airport is read as UTC. */
  readonly departedMs: Float64Array;
  /**
   * `hour` 0 to 24 with minutes as fractions, `weekday` 0 (Sunday) to 6, `distance` in miles; `origin_delay` and
   * `destination_delay` in minutes; `origin_traffic` in flights.
   */
  readonly numeric: Readonly<Record<NumericFeature, Float32Array>>;
  /** Positions in `FlightStore.airports`. */
  readonly origin: Uint16Array;
  readonly destination: Uint16Array;
  /** What really happened: 1 when the flight arrived more than 15 minutes late. */
  readonly late: Uint8Array;
}

/** Event times, ms since epoch: from the first (inclusive) until the second (exclusive). */
export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** 3,000,000 flights of January to June 2001: `date` of departure, `delay` in minutes, `distance`, `origin`, `destination`. */
const recordedFlights = join(
  createRequire(import.meta.url).resolve('vega-datasets'),
  '..',
  '..',
  'data',
  'flights-3m.parquet',
);

// Whole minutes as integers make the window frames 1.5 times cheaper than intervals over timestamps, and airports as
// small integers make the partitions cheaper than text. Frames include both of their ends; departures within the same
// minute see each other.
const featureQuery = `
WITH flight AS (
  SELECT file_row_number AS position, date AS departed, (epoch(date) // 60)::INTEGER AS minute,
    delay::SMALLINT AS delay, distance::SMALLINT AS distance,
    enum_code(origin::airport) AS origin_code, enum_code(destination::airport) AS destination_code, origin, destination
  FROM read_parquet($recorded, file_row_number = true)
)
SELECT departed,
  (hour(departed) + minute(departed) / 60.0)::FLOAT AS hour,
  dayofweek(departed)::FLOAT AS weekday,
  distance::FLOAT AS distance,
  coalesce(avg(delay) OVER (
    PARTITION BY origin_code ORDER BY minute RANGE BETWEEN 240 PRECEDING AND 120 PRECEDING), 0)::FLOAT AS origin_delay,
  coalesce(avg(delay) OVER (
    PARTITION BY destination_code ORDER BY minute RANGE BETWEEN 240 PRECEDING AND 120 PRECEDING
  ), 0)::FLOAT AS destination_delay,
  count(*) OVER (
    PARTITION BY origin_code ORDER BY minute RANGE BETWEEN 60 PRECEDING AND CURRENT ROW)::FLOAT AS origin_traffic,
  origin, destination,
  delay > 15 AS late
FROM flight
ORDER BY departed, position`;

const airportType = (table: string): string => `CREATE OR REPLACE TYPE airport AS ENUM (
  SELECT origin FROM ${table} UNION SELECT destination FROM ${table} ORDER BY 1)`;

async function computeFeatures(connection: DuckDBConnection, recordedFile: string, file: string): Promise<void> {
  const recorded = textLiteral(recordedFile);
  const unfinished = `${file}.${process.pid}.tmp`;
  await connection.run(airportType(`read_parquet(${recorded})`));
  try {
    const query = featureQuery.replace('$recorded', recorded);
    await connection.run(`COPY (${query}) TO ${textLiteral(unfinished)} (FORMAT parquet, COMPRESSION zstd)`);
    await rename(unfinished, file);
  } finally {
    await rm(unfinished, { force: true });
  }
}

function readColumn(chunk: DuckDBDataChunk, column: number, into: { [row: number]: number }): void {
  const vector = chunk.getColumnVector(column);
  for (let row = 0; row < chunk.rowCount; row++) into[row] = Number(vector.getItem(row));
}

function flightsOf(chunk: DuckDBDataChunk): Flights {
  const rows = chunk.rowCount;
  const numericColumn = (position: number): Float32Array => {
    const values = new Float32Array(rows);
    readColumn(chunk, position, values);
    return values;
  };
  const flights: Flights = {
    rows,
    departedMs: new Float64Array(rows),
    numeric: {
      hour: numericColumn(4),
      weekday: numericColumn(5),
      distance: numericColumn(6),
      origin_delay: numericColumn(7),
      destination_delay: numericColumn(8),
      origin_traffic: numericColumn(9),
    },
    origin: new Uint16Array(rows),
    destination: new Uint16Array(rows),
    late: new Uint8Array(rows),
  };
  readColumn(chunk, 0, flights.departedMs);
  readColumn(chunk, 1, flights.origin);
  readColumn(chunk, 2, flights.destination);
  readColumn(chunk, 3, flights.late);
  return flights;
}

/**
 * The 3,000,000 US flights of January to June 2001 with the features of the delay model, in departure order. The
 * features are computed once and kept as a Parquet file.
 */
export class FlightStore implements Disposable {
  /** IATA codes; `Flights.origin` and `Flights.destination` are positions in this list. */
  readonly airports: readonly string[];
  /** The Parquet file with the features: the model's inputs, `departed` and `late`. */
  readonly file: string;
  readonly #database: Database;

  private constructor(database: Database, file: string, airports: readonly string[]) {
    this.#database = database;
    this.file = file;
    this.airports = airports;
  }

  /**
   * Opens the features kept in `folder`, computing them first when they are not there (about 12 s of CPU).
   *
   * @param options.threads DuckDB's threads; @default 2
   * @param options.recorded Parquet file of flights; @default the 3,000,000 flights of the package `vega-datasets`
   */
  static async open(
    folder: string,
    options: { readonly threads?: number; readonly recorded?: string } = {},
  ): Promise<FlightStore> {
    const recorded = options.recorded ?? recordedFlights;
    await mkdir(folder, { recursive: true });
    const definition = createHash('sha256').update(featureQuery).update(recorded).digest('hex').slice(0, 8);
    const file = join(folder, `flights-features-${definition}.parquet`);
    const database = await Database.open(folder, options.threads ?? 2);
    try {
      const { connection } = database;
      if (!existsSync(file)) await computeFeatures(connection, recorded, file);
      await connection.run(airportType(`read_parquet(${textLiteral(file)})`));
      const codes = await connection.runAndReadAll('SELECT unnest(enum_range(NULL::airport))::VARCHAR');
      const airports = codes.getRows().map(([code]) => String(code));
      return new FlightStore(database, file, airports);
    } catch (error) {
      database[Symbol.dispose]();
      throw error;
    }
  }

  /** The flights that left within a span, in departure order, about 2,000 at a time; one reader at a time. */
  async *read(span: Span): AsyncGenerator<Flights> {
    const result = await this.#database.connection.stream(
      `SELECT epoch_ms(departed)::DOUBLE, enum_code(origin::airport)::USMALLINT,
         enum_code(destination::airport)::USMALLINT, late, ${numericFeatures.join(', ')}
       FROM read_parquet(${textLiteral(this.file)})
       WHERE departed >= ${instantLiteral(span.fromMs)} AND departed < ${instantLiteral(span.untilMs)}`,
    );
    for (let chunk = await result.fetchChunk(); chunk !== null; chunk = await result.fetchChunk()) {
      if (chunk.rowCount === 0) return;
      yield flightsOf(chunk);
    }
  }

  [Symbol.dispose](): void {
    this.#database[Symbol.dispose]();
  }
}
