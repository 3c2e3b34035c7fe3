import { elementCount, type Signature, type Tensor, type TensorSpec } from '@holdfast/api';
import type { JsonValue } from '../../json/json-cursor.ts';
import { badRequest } from '../../refusal.ts';
import { isList } from '../tfs-rest/json-values.ts';
import { fitShape } from '../tfs-rest/tensor-of-json.ts';
import { type Element, elementOf, storageOf } from './cells.ts';
import type { ColumnTable } from './column-table.ts';

type Inputs = Pick<Signature, 'inputs' | 'columns'>;

function pythonList(names: readonly string[]): string {
  return `[${names.map(name => `'${name}'`).join(', ')}]`;
}

/** Names of the scalar columns of an input, by their place in its rows. */
function columnNamesOf({ name }: TensorSpec, { columns }: Inputs): string[] {
  return columns
    .filter(({ role, tensor }) => role === 'input' && tensor === name)
    .toSorted((a, b) => a.index - b.index)
    .map(column => column.name);
}

/** Scalars in a row of an input; undefined when that is open. */
function widthOf({ shape }: TensorSpec): number | undefined {
  const rest = shape.slice(1);
  return rest.includes(-1) ? undefined : elementCount(rest);
}

function collect(
  value: JsonValue,
  level: number,
  shape: readonly number[],
  spec: TensorSpec,
  row: number,
  into: Element[],
): void {
  const place = { column: spec.name, row };
  if (level === shape.length) {
    into.push(elementOf(value, spec.datatype, place));
    return;
  }
  if (!isList(value) || value.length !== shape[level]) {
    throw badRequest(
      `Incompatible shape for column ${spec.name}: all rows must be of shape (${shape.slice(1).join(', ')}), but row ${row} is not.`,
    );
  }
  for (const inner of value) collect(inner, level + 1, shape, spec, row, into);
}

/** A tensor from nested lists of any depth; its shape is told by the first element at each level. @throws Refusal */
export function tensorOfNested(value: JsonValue, spec: TensorSpec): Tensor {
  const { name, datatype } = spec;
  const shape: number[] = [];
  for (let level: JsonValue | undefined = value; level !== undefined && isList(level); level = level[0])
    shape.push(level.length);
  const elements: Element[] = [];
  if (isList(value)) for (const [row, inner] of value.entries()) collect(inner, 1, shape, spec, row, elements);
  else elements.push(elementOf(value, datatype, { column: name, row: 0 }));
  const isEmpty = shape[0] === 0;
  const rest = spec.shape.slice(1).map(dim => Math.max(dim, 1));
  return {
    name,
    datatype,
    shape: isEmpty ? [0, ...rest] : fitShape(shape, spec),
    data: storageOf(elements, datatype),
  };
}

/** A tensor whose rows are made of one scalar of every column. */
function tensorOfColumns(
  sources: readonly { readonly column: string; readonly values: readonly JsonValue[] }[],
  rows: number,
  spec: TensorSpec,
): Tensor {
  const { name, datatype } = spec;
  const elements: Element[] = [];
  for (let row = 0; row < rows; row++) {
    for (const { column, values } of sources) elements.push(elementOf(values[row] ?? null, datatype, { column, row }));
  }
  const rest = spec.shape.length === 2 ? [sources.length] : spec.shape.slice(1);
  return { name, datatype, shape: [rows, ...rest], data: storageOf(elements, datatype) };
}

/**
 * True when columns are taken by their place: they have no names, or the model has none for them (a file that names no
 * feature leaves `tensor[0]`, `tensor[1]`, ...) and the request uses none of the names we made up.
 */
function isByPlace(table: ColumnTable, { inputs, columns }: Inputs): boolean {
  const { names } = table;
  if (names === undefined) return true;
  const [only] = inputs;
  if (only === undefined || inputs.length !== 1 || table.width !== widthOf(only) || table.width < 2) return false;
  const own = columnNamesOf(only, { inputs, columns });
  const isMadeUp = own.every((name, index) => name === `${only.name}[${index}]`);
  return isMadeUp && !names.some(name => name === only.name || own.includes(name));
}

function tensorsByPlace(table: ColumnTable, signature: Inputs): Tensor[] {
  const inputs = signature.inputs.filter(({ optional }) => !optional);
  const [only] = inputs;
  const widths = inputs.map(spec => widthOf(spec) ?? (inputs.length === 1 ? table.width : Number.NaN));
  const expected = widths.reduce((sum, width) => sum + width, 0);
  if (only === undefined || table.width !== expected) {
    throw badRequest(
      `The input has ${table.width} columns without names, but the model takes ${Number.isNaN(expected) ? 'rows of open length' : expected}: ${pythonList(expectedNames(signature))}. Name the columns, or give them all in this order.`,
    );
  }
  let from = 0;
  return inputs.map((spec, index) => {
    const first = from;
    from += widths[index]!;
    const own = columnNamesOf(spec, signature);
    const sources = Array.from({ length: widths[index]! }, (_, place) => ({
      column: own[place] ?? `${spec.name}[${place}]`,
      values: table.column(first + place, spec.datatype),
    }));
    if (sources.length === 1) return tensorOfNested(sources[0]!.values, spec);
    return tensorOfColumns(sources, table.rows, spec);
  });
}

function expectedNames(signature: Inputs): string[] {
  return signature.inputs
    .filter(({ optional }) => !optional)
    .flatMap(spec => {
      const own = columnNamesOf(spec, signature);
      return own.length === 0 ? [spec.name] : own;
    });
}

/**
 * The inputs of a model from a data frame. A column is named like an input, which it then fills alone, or like one of the
 * scalar columns of an input. Order does not matter, extra columns are ignored, optional inputs may be left out.
 * @throws Refusal `bad_request` naming what is missing or cannot be converted
 */
export function tensorsOfTable(table: ColumnTable, signature: Inputs): Tensor[] {
  if (isByPlace(table, signature)) return tensorsByPlace(table, signature);
  const places = new Map((table.names ?? []).map((name, index) => [name, index]));
  const missing: string[] = [];
  const used = new Set<string>();
  const tensors = signature.inputs.flatMap(spec => {
    const whole = places.get(spec.name);
    const own = columnNamesOf(spec, signature);
    const isWhole = whole !== undefined && (own.length <= 1 || !own.includes(spec.name));
    const names = isWhole || own.length === 0 ? [spec.name] : own;
    for (const name of names) used.add(name);
    const lacking = names.filter(name => !places.has(name));
    if (lacking.length > 0) {
      if (!(spec.optional && lacking.length === names.length)) missing.push(...lacking);
      return [];
    }
    const sources = names.map(column => ({ column, values: table.column(places.get(column)!, spec.datatype) }));
    if (spec.optional && sources.every(({ values }) => values.every(value => value === null))) return [];
    const first = sources[0]!;
    return sources.length === 1 ? tensorOfNested(first.values, spec) : tensorOfColumns(sources, table.rows, spec);
  });
  if (missing.length > 0) {
    const extra = (table.names ?? []).filter(name => !used.has(name));
    const note = extra.length === 0 ? '' : ` Note that there were extra inputs: ${pythonList(extra)}`;
    throw badRequest(`Model is missing inputs ${pythonList(missing)}.${note}`);
  }
  return tensors;
}
