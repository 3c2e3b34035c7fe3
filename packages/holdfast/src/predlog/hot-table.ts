import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DOUBLE,
  type DuckDBAppender,
  DuckDBBlobValue,
  DuckDBDataChunk,
  type DuckDBType,
  type DuckDBValue,
  FLOAT,
  INTEGER,
  SMALLINT,
  TINYINT,
  UBIGINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
  VARCHAR,
} from '@duckdb/node-api';
import type { Datatype } from '@holdfast/api';
import { halfToNumber } from './half.ts';
import { type LabelChunk, rowIdentity } from './log-chunk.ts';
import type { LogSchema } from './log-schema.ts';
import type { StoredBlock, StoredPredictions, StoredRaw, StoredTexts } from './stored-predictions.ts';

/** The column type that holds every value of a dtype exactly. */
const sqlTypeOf: Readonly<Record<Datatype, DuckDBType>> = {
  BOOL: BOOLEAN,
  UINT8: UTINYINT,
  UINT16: USMALLINT,
  UINT32: UINTEGER,
  UINT64: UBIGINT,
  INT8: TINYINT,
  INT16: SMALLINT,
  INT32: INTEGER,
  INT64: BIGINT,
  FP16: FLOAT,
  FP32: FLOAT,
  FP64: DOUBLE,
  BYTES: VARCHAR,
};

interface SqlColumn {
  readonly name: string;
  readonly type: DuckDBType;
}

/** What every prediction has, whatever its model. */
const commonColumns: readonly SqlColumn[] = [
  { name: 'prediction_id', type: VARCHAR },
  { name: 'key', type: VARCHAR },
  { name: 'event_ms', type: DOUBLE },
  { name: 'is_event_explicit', type: BOOLEAN },
  { name: 'received_ms', type: DOUBLE },
  { name: 'latency_us', type: DOUBLE },
  { name: 'tags', type: VARCHAR },
];

/**
 * The columns of a schema in a table or a Parquet file: the common ones, `c<i>` for column i, and `r<i>` and `s<i>` for
 * the bytes and the shape of raw tensor i. Users' names stay out of them, since SQL names fold case.
 */
export function sqlColumns(schema: LogSchema): SqlColumn[] {
  return [
    ...commonColumns,
    ...schema.columns.map((column, i) => ({
      name: `c${i}`,
      type: column.block === undefined ? VARCHAR : sqlTypeOf[column.datatype],
    })),
    ...schema.raws.flatMap((_, i) => [
      { name: `r${i}`, type: BLOB },
      { name: `s${i}`, type: VARCHAR },
    ]),
  ];
}

export function createTableSql(table: string, columns: readonly SqlColumn[]): string {
  return `create table ${table} (${columns.map(column => `${column.name} ${column.type}`).join(', ')})`;
}

/** Rows of one append; what DuckDB takes at a time. */
const vectorRows = 2048;

type ValueOf = (row: number) => DuckDBValue;

function appendRows(
  appender: DuckDBAppender,
  types: readonly DuckDBType[],
  values: readonly ValueOf[],
  rows: number,
): void {
  for (let start = 0; start < rows; start += vectorRows) {
    const count = Math.min(vectorRows, rows - start);
    const chunk = DuckDBDataChunk.create(types, count);
    for (let c = 0; c < values.length; c++) {
      const vector = chunk.getColumnVector(c);
      const cellAt = values[c]!;
      for (let i = 0; i < count; i++) vector.setItem(i, cellAt(start + i));
      vector.flush();
    }
    appender.appendDataChunk(chunk);
  }
}

function blockValue(block: StoredBlock, index: number): ValueOf {
  const { values, width, present, datatype } = block;
  const at = (row: number): DuckDBValue => {
    const value = values[row * width + index]!;
    if (datatype === 'BOOL') return value !== 0;
    return datatype === 'FP16' ? halfToNumber(Number(value)) : value;
  };
  return present === undefined ? at : row => (present[row] === 0 ? null : at(row));
}

function textValue(stored: StoredTexts): ValueOf {
  const { codes, texts } = stored;
  return row => {
    const code = codes[row]!;
    return code === 0 ? null : texts[code - 1]!;
  };
}

function rawValues(raw: StoredRaw): ValueOf[] {
  const { ends, codes, shapes, bytes } = raw;
  const bytesOf: ValueOf = row => {
    if (codes[row] === 0) return null;
    return new DuckDBBlobValue(bytes.subarray(row === 0 ? 0 : ends[row - 1], ends[row]));
  };
  return [bytesOf, row => (codes[row] === 0 ? null : shapes[codes[row]! - 1]!)];
}

/** The request of each row. */
function requestOfRow(chunk: StoredPredictions): Int32Array {
  const { count, firstRow } = chunk.requests;
  const requests = new Int32Array(chunk.rows);
  for (let r = 0; r < count; r++) requests.fill(r, firstRow[r], firstRow[r + 1]);
  return requests;
}

/** Appends a prediction chunk to a table that has the columns of its schema. */
export function appendPredictions(appender: DuckDBAppender, chunk: StoredPredictions): void {
  const { requests, schema } = chunk;
  const requestOf = requestOfRow(chunk);
  const { eventMs, receivedMs } = chunk;
  const identity =
    (texts: readonly (string | undefined)[]): ValueOf =>
    row => {
      const r = requestOf[row]!;
      const text = texts[r];
      const first = requests.firstRow[r]!;
      return text === undefined ? null : rowIdentity(text, requests.firstRow[r + 1]! - first, row - first);
    };
  let nextText = 0;
  const values: ValueOf[] = [
    identity(requests.ids),
    identity(requests.keys),
    row => eventMs[row]!,
    row => !Number.isNaN(chunk.requestEventMs[requestOf[row]!]!),
    row => receivedMs[row]!,
    row => requests.latencyUs[requestOf[row]!]!,
    row => requests.tags[requestOf[row]!] ?? null,
    ...schema.columns.map(column =>
      column.block === undefined
        ? textValue(chunk.texts[nextText++]!)
        : blockValue(chunk.blocks[column.block]!, column.index),
    ),
    ...chunk.raws.flatMap(rawValues),
  ];
  appendRows(
    appender,
    sqlColumns(schema).map(column => column.type),
    values,
    chunk.rows,
  );
}

/** A label as a table row; `segment` tells which part of the log it came from. */
export const labelColumns: readonly SqlColumn[] = [
  { name: 'model', type: VARCHAR },
  { name: 'prediction_id', type: VARCHAR },
  { name: 'key', type: VARCHAR },
  { name: 'value', type: VARCHAR },
  { name: 'event_ms', type: DOUBLE },
  { name: 'received_ms', type: DOUBLE },
  { name: 'segment', type: VARCHAR },
];

/** Appends a label chunk to a table with `labelColumns`. */
export function appendLabels(appender: DuckDBAppender, chunk: LabelChunk): void {
  const { model, predictionIds, keys, values, eventMs, receivedMs, place } = chunk;
  appendRows(
    appender,
    labelColumns.map(column => column.type),
    [
      () => model,
      row => predictionIds[row] ?? null,
      row => keys[row] ?? null,
      row => values[row]!,
      row => eventMs[row]!,
      () => receivedMs,
      () => place.segment,
    ],
    chunk.rows,
  );
}
