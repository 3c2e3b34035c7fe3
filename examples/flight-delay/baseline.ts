import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BIGINT, type DuckDBConnection, DuckDBDataChunk, FLOAT } from '@duckdb/node-api';
import { Database, instantLiteral, textLiteral } from './database.ts';
import { DelayModel, modelInputs, type Predictions } from './delay-model.ts';
import { type FlightStore, numericFeatures } from './flights.ts';
import { january } from './months.ts';

/** Columns of the baseline that are neither inputs nor outputs of the model. */
export const baselineColumns = { time: 'departed', truth: 'truth' } as const;

function chunkOf({ label, probabilities }: Predictions): DuckDBDataChunk {
  const rows = label.length;
  const chunk = DuckDBDataChunk.create([BIGINT, FLOAT, FLOAT], rows);
  const probability = (position: 0 | 1) => Array.from(label, (_, row) => probabilities[2 * row + position]!);
  chunk.setColumns([Array.from(label), probability(0), probability(1)]);
  return chunk;
}

async function predictJanuary(store: FlightStore, connection: DuckDBConnection): Promise<void> {
  await connection.run('CREATE TABLE predicted (label BIGINT, on_time FLOAT, late FLOAT)');
  const appender = await connection.createAppender('predicted');
  try {
    await using model = await DelayModel.load();
    for await (const flights of store.read(january)) {
      appender.appendDataChunk(chunkOf(await model.predict(modelInputs(flights, store.airports))));
    }
  } finally {
    appender.closeSync();
  }
}

/**
 * Writes January, the month that the model learned from, as a baseline: the model's inputs, its outputs (`label`,
 * `probabilities[0]`, `probabilities[1]`), the time of departure and the truth (1 when the flight was late), one row
 * per flight in departure order. Kept in `folder` and written only when it is not there (about 4 s of CPU).
 *
 * @returns the Parquet file
 */
export async function ensureBaseline(store: FlightStore, folder: string): Promise<string> {
  const file = join(folder, basename(store.file).replace('features', 'baseline'));
  if (existsSync(file)) return file;
  using database = await Database.open(folder, 2);
  await predictJanuary(store, database.connection);
  const unfinished = `${file}.${process.pid}.tmp`;
  const january2001 = `departed >= ${instantLiteral(january.fromMs)} AND departed < ${instantLiteral(january.untilMs)}`;
  try {
    await database.connection.run(`COPY (
      SELECT departed AS ${baselineColumns.time}, ${numericFeatures.join(', ')}, origin, destination,
        label, on_time AS "probabilities[0]", predicted.late AS "probabilities[1]", flight.late::TINYINT AS ${baselineColumns.truth}
      FROM (SELECT * FROM read_parquet(${textLiteral(store.file)}) WHERE ${january2001}) AS flight
      POSITIONAL JOIN predicted
    ) TO ${textLiteral(unfinished)} (FORMAT parquet, COMPRESSION zstd)`);
    await rename(unfinished, file);
  } finally {
    await rm(unfinished, { force: true });
  }
  return file;
}
