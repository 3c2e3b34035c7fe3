import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readChunk, type StoredChunk } from './chunk-codec.ts';
import { claimedBytes, frameBytes } from './chunk-frame.ts';
import { type PredictionHeader, predictionHeaderSchema } from './prediction-header.ts';
import { bySegmentAge, parseSegmentFile, type SegmentFile } from './segment-name.ts';
import { SchemaCache } from './stored-predictions.ts';

const labelHeadSchema = z.object({ kind: z.literal('labels'), model: z.string() });
const headSchema = z.union([predictionHeaderSchema, labelHeadSchema, z.object({ kind: z.string() })]);

/** A chunk of the log of which only the first line of its header was read. */
export interface ChunkRef<H> {
  readonly header: H;
  /** Reads and checks the whole chunk; undefined when it is damaged. */
  decode(): StoredChunk | undefined;
}

/** What of one model is in the log and not yet in sealed files. */
export interface UnsealedLog {
  readonly predictions: readonly ChunkRef<PredictionHeader>[];
  readonly labels: readonly ChunkRef<z.infer<typeof labelHeadSchema>>[];
}

function headOf(bytes: Buffer, at: number): unknown {
  const start = at + frameBytes;
  const end = bytes.indexOf(0x0a, start);
  const headerEnd = start + bytes.readUInt32LE(at + 4);
  try {
    return JSON.parse(bytes.toString('utf8', start, end < 0 || end > headerEnd ? headerEnd : end));
  } catch {
    return undefined;
  }
}

async function readSegment(directory: string, file: SegmentFile): Promise<Buffer | undefined> {
  for (const state of ['open', 'log']) {
    try {
      return await readFile(join(directory, `${file.segment}.${state}`));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  return undefined;
}

/** Looks at every chunk's header in the log; bodies are decoded when asked for. */
export async function readUnsealed(
  directory: string,
  model: string,
  isSealed: (segment: string) => boolean,
): Promise<UnsealedLog> {
  const schemas = new SchemaCache();
  const predictions: ChunkRef<PredictionHeader>[] = [];
  const labels: ChunkRef<z.infer<typeof labelHeadSchema>>[] = [];
  const files = (await readdir(directory)).flatMap(name => parseSegmentFile(name) ?? []).sort(bySegmentAge);
  const segments = new Map(files.map(file => [file.segment, file]));
  for (const file of segments.values()) {
    const bytes = isSealed(file.segment) ? undefined : await readSegment(directory, file);
    if (bytes === undefined) continue;
    for (let at = 0; ; ) {
      const claimed = claimedBytes(bytes, at);
      if (claimed === undefined || at + claimed > bytes.length) break;
      const offset = at;
      const decode = (): StoredChunk | undefined => readChunk(bytes, offset, file.segment, 0, schemas);
      const head = headSchema.safeParse(headOf(bytes, at)).data;
      if (head !== undefined && 'model' in head && head.model === model) {
        if (head.kind === 'predictions') predictions.push({ header: head, decode });
        else labels.push({ header: head, decode });
      }
      at += claimed;
    }
  }
  return { predictions, labels };
}
