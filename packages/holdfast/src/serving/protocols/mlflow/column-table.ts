import type { Datatype } from '@holdfast/api';
import type { JsonValue } from '../../json/json-cursor.ts';
import { badRequest } from '../../refusal.ts';
import { isList, isObject } from '../tfs-rest/json-values.ts';
import { valueOfText } from './cells.ts';
import { readCsv } from './csv.ts';

/** A data frame: columns of equal length, one value per row. */
export interface ColumnTable {
  readonly rows: number;
  /** In the order given; undefined when the columns have a place only. */
  readonly names: readonly string[] | undefined;
  /** One list of values per column, for a type of element. */
  column(index: number, datatype: Datatype): readonly JsonValue[];
  readonly width: number;
}

function duplicateOf(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}

function tableOf(names: readonly string[] | undefined, columns: readonly (readonly JsonValue[])[]): ColumnTable {
  return {
    rows: columns[0]?.length ?? 0,
    names,
    width: columns.length,
    column: index => columns[index] ?? [],
  };
}

function transposed(rows: readonly (readonly JsonValue[])[], width: number): JsonValue[][] {
  return Array.from({ length: width }, (_, index) => rows.map(row => row[index] ?? null));
}

/** `[[1, 2], [3, 4]]`: rows without names. */
function tableOfRows(rows: readonly JsonValue[], field: string, names: readonly string[] | undefined): ColumnTable {
  const lists: (readonly JsonValue[])[] = [];
  let width = names?.length;
  for (const [index, row] of rows.entries()) {
    if (!isList(row)) throw badRequest(`Invalid input. Row ${index} of '${field}' is not a list of values.`);
    width ??= row.length;
    if (row.length !== width) {
      throw badRequest(
        `Invalid input. Row ${index} of '${field}' has ${row.length} values, but there are ${width} columns.`,
      );
    }
    lists.push(row);
  }
  return { ...tableOf(names, transposed(lists, width ?? 0)), rows: rows.length };
}

/** `{"columns": [...], "data": [[...], ...]}`, as `DataFrame.to_dict(orient="split")` gives. @throws Refusal */
export function tableOfSplit(value: JsonValue): ColumnTable {
  const rows = isObject(value) ? value.get('data') : undefined;
  if (!isObject(value) || rows === undefined || !isList(rows)) {
    throw badRequest(
      "Invalid input. 'dataframe_split' must be an object with a list 'columns' and a list of rows 'data', as DataFrame.to_dict(orient='split') gives.",
    );
  }
  const columns = value.get('columns');
  if (columns === undefined || columns === null) return tableOfRows(rows, 'dataframe_split', undefined);
  if (!isList(columns)) throw badRequest("Invalid input. 'columns' of 'dataframe_split' must be a list of names.");
  const isNumbered = columns.every((name, index) => name === index);
  const names = columns.map(name => {
    if (typeof name === 'string' || typeof name === 'number') return String(name);
    throw badRequest("Invalid input. 'columns' of 'dataframe_split' must be a list of names.");
  });
  const twice = duplicateOf(names);
  if (twice !== undefined) throw badRequest(`Invalid input. Column ${twice} is in 'dataframe_split' more than once.`);
  const table = tableOfRows(rows, 'dataframe_split', names);
  return isNumbered ? { ...table, names: undefined } : table;
}

/** `[{"a": 1}, {"a": 2}]`; a name that a row leaves out is missing there. @throws Refusal */
export function tableOfRecords(value: JsonValue, field: string): ColumnTable {
  if (!isList(value)) throw badRequest(`Invalid input. '${field}' must be a list of objects, one per row.`);
  const columns = new Map<string, JsonValue[]>();
  for (const [index, row] of value.entries()) {
    if (!isObject(row)) throw badRequest(`Invalid input. Row ${index} of '${field}' is not an object.`);
    for (const [name, cell] of row) {
      let column = columns.get(name);
      if (column === undefined) {
        column = new Array<JsonValue>(value.length).fill(null);
        columns.set(name, column);
      }
      column[index] = cell;
    }
  }
  return { ...tableOf([...columns.keys()], [...columns.values()]), rows: value.length };
}

/** `{"a": [1, 2]}`: columns, or whole tensors, by name. @throws Refusal */
export function tableOfColumns(value: ReadonlyMap<string, JsonValue>, field: string): ColumnTable {
  const columns = [...value].map(([name, column]) => {
    if (!isList(column)) throw badRequest(`Invalid input. '${name}' of '${field}' is not a list.`);
    return column;
  });
  return tableOf([...value.keys()], columns);
}

/** Rows that are lists, or single values, for a model whose columns have no names in the request. @throws Refusal */
export function tableOfPlaces(value: readonly JsonValue[], field: string): ColumnTable {
  return value.some(isList) ? tableOfRows(value, field, undefined) : tableOf(undefined, [value]);
}

/** A data frame as `DataFrame.to_csv()` writes it; the column without a name is its index. @throws Refusal */
export function tableOfCsv(text: string): ColumnTable {
  const { names: all, rows } = readCsv(text);
  const kept = all.flatMap((name, index) => (name === '' ? [] : [index]));
  const names = kept.map(index => all[index]!);
  const twice = duplicateOf(names);
  if (twice !== undefined) throw badRequest(`Invalid input. Column ${twice} is in the CSV more than once.`);
  return {
    rows: rows.length,
    names,
    width: names.length,
    column: (index, datatype) => rows.map(row => valueOfText(row[kept[index]!] ?? '', datatype)),
  };
}
