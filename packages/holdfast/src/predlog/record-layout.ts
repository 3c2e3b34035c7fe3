import { identifier, literal } from './duck.ts';
import type { LogSchema, LogSchemaColumn } from './log-schema.ts';
import type { WhereColumn, WhereScope } from './where-clause.ts';

/** Columns of an export that are not the model's. */
const commonNames = ['prediction_id', 'key', 'version', 'event_time', 'received_time', 'latency_ms', 'tags', 'truth'];

export type CellFormat = 'csv' | 'parquet' | 'jsonl';

/** The columns of a schema under names that are unique whatever their case: `origin`, or `input.origin` where needed. */
export function publicNames(schema: LogSchema): string[] {
  const count = new Map<string, number>(commonNames.map(name => [name, 1]));
  for (const { name } of schema.columns) count.set(name.toLowerCase(), (count.get(name.toLowerCase()) ?? 0) + 1);
  const taken = new Set(commonNames);
  return schema.columns.map(column => {
    const base = count.get(column.name.toLowerCase()) === 1 ? column.name : `${column.role}.${column.name}`;
    let name = base;
    for (let n = 2; taken.has(name.toLowerCase()); n++) name = `${base}_${n}`;
    taken.add(name.toLowerCase());
    return name;
  });
}

function isFloat(column: LogSchemaColumn): boolean {
  return column.block !== undefined && column.datatype.startsWith('FP');
}

/** Column i as a value in which a missing number is null, not NaN, which SQL would call the largest of all. */
function presentValue(column: LogSchemaColumn, i: number): string {
  return isFloat(column) ? `case when isnan(c${i}) then null else c${i} end` : `c${i}`;
}

function exportValue(column: LogSchemaColumn, i: number, format: CellFormat): string {
  if (!isFloat(column) || format === 'parquet') return `c${i}`;
  if (format === 'csv') return presentValue(column, i);
  // JSON has no infinities; as texts they survive.
  return `case when isfinite(c${i}) then to_json(c${i}) when c${i} is null or isnan(c${i}) then null
    else to_json(case when c${i} > 0 then 'Infinity' else '-Infinity' end) end`;
}

function timeValue(column: string, format: CellFormat): string {
  const timestamp = `make_timestamp(cast(round(${column} * 1000) as bigint))`;
  return format === 'parquet' ? timestamp : `strftime(${timestamp}, '%Y-%m-%dT%H:%M:%S.%gZ')`;
}

/** The select list of an export of one layout; `truth` must be in scope. */
export function exportColumns(schema: LogSchema, format: CellFormat): string {
  const names = publicNames(schema);
  return [
    'prediction_id',
    'key',
    `${schema.version} as version`,
    `${timeValue('event_ms', format)} as event_time`,
    `${timeValue('received_ms', format)} as received_time`,
    'latency_us / 1000 as latency_ms',
    'tags',
    ...schema.columns.map((column, i) => `${exportValue(column, i, format)} as ${identifier(names[i]!)}`),
    ...(format === 'parquet'
      ? schema.raws.flatMap((raw, i) => [
          `r${i} as ${identifier(`${raw.role}.${raw.tensor}.bytes`)}`,
          `s${i} as ${identifier(`${raw.role}.${raw.tensor}.shape`)}`,
        ])
      : []),
    'truth',
  ].join(', ');
}

function commonColumn(schema: LogSchema, name: string): WhereColumn | undefined {
  switch (name) {
    case 'id':
    case 'prediction_id':
      return { sql: 'prediction_id', type: 'text' };
    case 'key':
      return { sql: 'key', type: 'text' };
    case 'version':
      return { sql: String(schema.version), type: 'number' };
    case 'event_time':
      return { sql: 'event_ms', type: 'time' };
    case 'received_time':
      return { sql: 'received_ms', type: 'time' };
    case 'latency_ms':
      return { sql: '(latency_us / 1000)', type: 'number' };
    case 'truth':
      return { sql: 'truth', type: 'text' };
    default:
      return undefined;
  }
}

/** A tag's value out of the `name=value` pairs as they were sent. */
function tagColumn(name: string): WhereColumn | undefined {
  if (!/^[\p{L}\p{N}_-]+$/u.test(name)) return undefined;
  return { sql: `nullif(regexp_extract(tags, ${literal(`(?:^|,)\\s*${name}=([^,]*)`)}, 1), '')`, type: 'text' };
}

function columnOf(schema: LogSchema, name: string, role: string | undefined): WhereColumn | undefined {
  const at = ['output', 'input']
    .filter(one => role === undefined || role === one)
    .map(one => schema.columns.findIndex(column => column.role === one && column.name === name))
    .find(index => index >= 0);
  if (at === undefined) return undefined;
  const column = schema.columns[at]!;
  const type = column.block === undefined ? 'text' : column.datatype === 'BOOL' ? 'boolean' : 'number';
  return { sql: `(${presentValue(column, at)})`, type };
}

/**
 * What a condition may name: the model's columns (an output before an input of the same name, or as `input.x` and
 * `output.x`), `tags.<name>`, and id, key, version, event_time, received_time, latency_ms and truth.
 */
export function whereScope(schema: LogSchema): WhereScope {
  return (name, qualifier) => {
    if (qualifier === 'tags') return tagColumn(name);
    if (qualifier !== undefined) return columnOf(schema, name, qualifier);
    return columnOf(schema, name, undefined) ?? commonColumn(schema, name.toLowerCase());
  };
}
