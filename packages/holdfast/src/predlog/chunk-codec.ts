import { z } from 'zod';
import { type Frame, readFrame } from './chunk-frame.ts';
import { errorHeaderSchema } from './failure-counts.ts';
import type { ChunkPlace, ErrorChunk, LabelChunk } from './log-chunk.ts';
import { predictionHeaderSchema } from './prediction-header.ts';
import { type SchemaCache, StoredPredictions } from './stored-predictions.ts';

/** A chunk with everything that the log holds of it; consumers outside this room see it as a `LogChunk`. */
export type StoredChunk = StoredPredictions | ErrorChunk | LabelChunk;

const labelHeaderSchema = z.object({
  kind: z.literal('labels'),
  model: z.string(),
  rows: z.int().min(1),
  receivedMs: z.number(),
});
const headerSchema = z.discriminatedUnion('kind', [predictionHeaderSchema, errorHeaderSchema, labelHeaderSchema]);

function decodeFrame(frame: Frame, place: ChunkPlace, schemas: SchemaCache): StoredChunk {
  const [headerLine = '', schemaLine = ''] = frame.header;
  const header = headerSchema.parse(JSON.parse(headerLine));
  const { body } = frame;
  switch (header.kind) {
    case 'predictions':
      return new StoredPredictions(place, header, schemas.parse(schemaLine), schemaLine, body);
    case 'errors':
      return { kind: 'errors', place, counts: header.counts };
    case 'labels': {
      const { model, rows, receivedMs } = header;
      const predictionIds = body.texts(rows);
      const keys = body.texts(rows);
      const values = body.texts(rows).map(value => value ?? '');
      return {
        kind: 'labels',
        place,
        model,
        rows,
        predictionIds,
        keys,
        values,
        eventMs: body.array(Float64Array, rows),
        receivedMs,
      };
    }
    default:
      return header satisfies never;
  }
}

/**
 * The chunk at `offset` of `bytes`, which were read from `segment` at `fileOffset`; undefined when it is incomplete or
 * damaged. The bytes must not change while the chunk is in use.
 */
export function readChunk(
  bytes: Buffer,
  offset: number,
  segment: string,
  fileOffset: number,
  schemas: SchemaCache,
): StoredChunk | undefined {
  const frame = readFrame(bytes, offset);
  if (frame === undefined) return undefined;
  const start = fileOffset + offset;
  return decodeFrame(frame, { segment, offset: start, end: start + frame.bytes }, schemas);
}
