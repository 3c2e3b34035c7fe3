import { typedArrayOf } from '@holdfast/api';
import type { BodyReader } from './chunk-frame.ts';
import { halfToNumber } from './half.ts';
import type { ChunkPlace, ChunkRequests, LogColumn, PredictionChunk } from './log-chunk.ts';
import { isCategorical, type LogSchema, type LogSchemaColumn, logSchemaSchema } from './log-schema.ts';
import type { PredictionHeader } from './prediction-header.ts';
import { type FixedArray, type FixedDatatype, isWide } from './tensor-block.ts';
import { codesArray, elementText } from './text-column.ts';

/** A fixed-size tensor of a chunk, exactly as it was served. */
export interface StoredBlock {
  readonly datatype: FixedDatatype;
  readonly width: number;
  /** Row-major; a view into the bytes that were read. */
  readonly values: FixedArray;
  /** 1 per row that has values; undefined when all have. */
  readonly present: Uint8Array | undefined;
}

export interface StoredTexts {
  readonly texts: readonly string[];
  /** Per row, 0 for missing, or 1 + the position in `texts`. */
  readonly codes: Uint8Array | Uint16Array | Uint32Array;
}

/** A tensor without monitored columns, as little-endian bytes per row. */
export interface StoredRaw {
  readonly shapes: readonly string[];
  readonly codes: Uint32Array;
  readonly ends: Uint32Array;
  readonly bytes: Uint8Array;
}

/** Schemas repeat from chunk to chunk: each text is parsed once. */
export class SchemaCache {
  readonly #known = new Map<string, LogSchema>();

  parse(text: string): LogSchema {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#known.size >= 256) this.#known.clear();
    const schema = logSchemaSchema.parse(JSON.parse(text));
    this.#known.set(text, schema);
    return schema;
  }
}

/**
 * A prediction chunk over the bytes that were read. Everything derived is computed at first use, so that a consumer pays
 * for what it looks at.
 */
export class StoredPredictions implements PredictionChunk {
  readonly kind = 'predictions';
  readonly place: ChunkPlace;
  readonly schema: LogSchema;
  /** The schema as it stands in the log: equal text, equal layout. */
  readonly schemaText: string;
  readonly rows: number;
  readonly explicitEventRows: number;
  readonly minEventMs: number;
  readonly maxEventMs: number;
  readonly requests: ChunkRequests;
  readonly requestReceivedMs: Float64Array;
  /** NaN where the caller gave no event time. */
  readonly requestEventMs: Float64Array;
  readonly blocks: readonly StoredBlock[];
  /** One per column without a block, in the order of the schema's columns. */
  readonly texts: readonly StoredTexts[];
  readonly raws: readonly StoredRaw[];
  #eventMs: Float64Array | undefined;
  #receivedMs: Float64Array | undefined;
  #columns: readonly LogColumn[] | undefined;

  constructor(place: ChunkPlace, header: PredictionHeader, schema: LogSchema, schemaText: string, body: BodyReader) {
    this.place = place;
    this.schema = schema;
    this.schemaText = schemaText;
    this.rows = header.rows;
    this.explicitEventRows = header.explicitRows;
    this.minEventMs = header.minEventMs;
    this.maxEventMs = header.maxEventMs;
    const count = header.requests;
    const rowCounts = body.array(Uint32Array, count);
    this.requestReceivedMs = body.array(Float64Array, count);
    this.requestEventMs = body.array(Float64Array, count);
    const latencyUs = body.array(Float64Array, count);
    const ids = body.texts(count).map(id => id ?? '');
    const keys = header.hasKeys ? body.texts(count) : new Array<undefined>(count).fill(undefined);
    const tags = readTexts(body, count);
    this.requests = {
      count,
      firstRow: firstRows(rowCounts),
      ids,
      keys,
      tags: Array.from(tags.codes, code => (code === 0 ? undefined : tags.texts[code - 1])),
      latencyUs,
    };
    this.blocks = schema.blocks.map((spec, i) => {
      if (spec.datatype === 'BYTES') throw new TypeError('texts are no block');
      const present = header.masks[i] === true ? body.array(Uint8Array, header.rows) : undefined;
      const values = body.array<FixedArray>(typedArrayOf[spec.datatype], header.rows * spec.width);
      return { datatype: spec.datatype, width: spec.width, values, present };
    });
    this.texts = schema.columns.filter(column => column.block === undefined).map(() => readTexts(body, header.rows));
    this.raws = schema.raws.map(() => {
      const [distinct = 0] = body.array(Uint32Array, 1);
      const shapes = body.texts(distinct).map(shape => shape ?? '');
      const codes = body.array(Uint32Array, header.rows);
      const ends = body.array(Uint32Array, header.rows);
      return { shapes, codes, ends, bytes: body.array(Uint8Array, ends[header.rows - 1]!) };
    });
  }

  get model(): string {
    return this.schema.model;
  }

  get version(): number {
    return this.schema.version;
  }

  get eventMs(): Float64Array {
    this.#eventMs ??= this.perRow(r => {
      const given = this.requestEventMs[r]!;
      return Number.isNaN(given) ? this.requestReceivedMs[r]! : given;
    });
    return this.#eventMs;
  }

  get receivedMs(): Float64Array {
    this.#receivedMs ??= this.perRow(r => this.requestReceivedMs[r]!);
    return this.#receivedMs;
  }

  get columns(): readonly LogColumn[] {
    if (this.#columns !== undefined) return this.#columns;
    const asDoubles = this.blocks.map(block => toDoubles(block));
    let nextText = 0;
    this.#columns = this.schema.columns.map(column => {
      if (column.block === undefined) return textColumn(column, this.texts[nextText++]!);
      const block = this.blocks[column.block]!;
      if (isCategorical(column)) return categoricalOfBlock(column, block, this.rows);
      return numericOfBlock(column, block, asDoubles[column.block]!, this.rows);
    });
    return this.#columns;
  }

  /** A number per request, repeated for each of its rows. */
  perRow(of: (request: number) => number): Float64Array {
    const { count, firstRow } = this.requests;
    const values = new Float64Array(this.rows);
    for (let r = 0; r < count; r++) {
      const value = of(r);
      const end = firstRow[r + 1]!;
      for (let row = firstRow[r]!; row < end; row++) values[row] = value;
    }
    return values;
  }
}

function readTexts(body: BodyReader, count: number): StoredTexts {
  const [distinct = 0] = body.array(Uint32Array, 1);
  const texts = body.texts(distinct).map(text => text ?? '');
  return { texts, codes: body.array<StoredTexts['codes']>(codesArray(distinct), count) };
}

function firstRows(rowCounts: Uint32Array): Int32Array {
  const firstRow = new Int32Array(rowCounts.length + 1);
  for (let r = 0; r < rowCounts.length; r++) firstRow[r + 1] = firstRow[r]! + rowCounts[r]!;
  return firstRow;
}

/** All values of a block as doubles: one native conversion, so that the loops over them see a single array type. */
function toDoubles(block: StoredBlock): Float64Array {
  const { values, datatype } = block;
  if (isWide(values)) {
    const doubles = new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) doubles[i] = Number(values[i]);
    return doubles;
  }
  const doubles = new Float64Array(values);
  if (datatype === 'FP16') for (let i = 0; i < doubles.length; i++) doubles[i] = halfToNumber(doubles[i]!);
  return doubles;
}

function numericOfBlock(column: LogSchemaColumn, block: StoredBlock, doubles: Float64Array, rows: number): LogColumn {
  const values = new Float64Array(rows);
  const { width, present } = block;
  const { index } = column;
  let missing = 0;
  for (let row = 0; row < rows; row++) {
    const value = present !== undefined && present[row] === 0 ? Number.NaN : doubles[row * width + index]!;
    values[row] = value;
    if (Number.isNaN(value)) missing += 1;
  }
  return { kind: 'numeric', name: column.name, role: column.role, values, missing };
}

function categoricalOfBlock(column: LogSchemaColumn, block: StoredBlock, rows: number): LogColumn {
  const { values, width, present, datatype } = block;
  const codes = new Int32Array(rows);
  const codeOf = new Map<number | bigint, number>();
  const dictionary: string[] = [];
  let missing = 0;
  for (let row = 0; row < rows; row++) {
    const at = row * width + column.index;
    const value = present !== undefined && present[row] === 0 ? undefined : values[at];
    let code = value === undefined ? -1 : codeOf.get(value);
    if (code === undefined) {
      const text = elementText(values, datatype, at);
      code = text === undefined ? -1 : dictionary.push(text) - 1;
      if (value !== undefined) codeOf.set(value, code);
    }
    if (code < 0) missing += 1;
    codes[row] = code;
  }
  return { kind: 'categorical', name: column.name, role: column.role, dictionary, codes, missing };
}

function textColumn(column: LogSchemaColumn, stored: StoredTexts): LogColumn {
  const codes = new Int32Array(stored.codes.length);
  let missing = 0;
  for (let row = 0; row < codes.length; row++) {
    const code = stored.codes[row]! - 1;
    codes[row] = code;
    if (code < 0) missing += 1;
  }
  return { kind: 'categorical', name: column.name, role: column.role, dictionary: stored.texts, codes, missing };
}
