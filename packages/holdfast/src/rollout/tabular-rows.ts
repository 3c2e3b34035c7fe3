import {
  type Datatype,
  type Signature,
  type Tensor,
  type TensorData,
  type TensorSpec,
  typedArrayOf,
} from '@holdfast/api';

/** Column name to one value per row: numbers (NaN for missing) or texts (null for missing). */
export type RowColumns = ReadonlyMap<string, ArrayLike<number> | readonly (string | null)[]>;

function isWide(datatype: Datatype): boolean {
  return datatype === 'INT64' || datatype === 'UINT64';
}

function widthOf(tensor: TensorSpec): number {
  return tensor.shape.length > 1 ? tensor.shape[1]! : 1;
}

/** True when every input tensor is made of watched columns, so that a table can be fed to the model. */
export function isTabular(signature: Signature): boolean {
  return signature.inputs.every(tensor => {
    const columns = signature.columns.filter(column => column.role === 'input' && column.tensor === tensor.name);
    return (
      columns.length > 0 && columns.length === widthOf(tensor) && tensor.shape[0] === -1 && tensor.datatype !== 'FP16'
    );
  });
}

function textOf(value: number | string | null | undefined): string {
  return value === null || value === undefined ? '' : String(value);
}

function numberOf(value: number | string | null | undefined): number {
  if (value === null || value === undefined) return Number.NaN;
  if (value === 'true') return 1;
  if (value === 'false') return 0;
  return Number(value);
}

/** Whole-number tensors have no NaN: a missing value is 0 there, as it would be in the caller's own cast. */
function fill(datatype: Exclude<Datatype, 'BYTES'>, length: number, valueAt: (element: number) => number): TensorData {
  const data = new typedArrayOf[datatype](length);
  const isFloat = datatype === 'FP32' || datatype === 'FP64';
  for (let i = 0; i < length; i++) {
    const value = valueAt(i);
    const safe = isFloat || !Number.isNaN(value) ? value : 0;
    if (isWide(datatype)) Reflect.set(data, i, BigInt(Math.trunc(safe)));
    else Reflect.set(data, i, safe);
  }
  return data;
}

/** Rows `from` (inclusive) to `to` (exclusive) as the model's input tensors. The signature must be tabular. */
export function rowsToTensors(signature: Signature, columns: RowColumns, from: number, to: number): Tensor[] {
  const rows = to - from;
  return signature.inputs.map(tensor => {
    const width = widthOf(tensor);
    const sources = signature.columns
      .filter(column => column.role === 'input' && column.tensor === tensor.name)
      .sort((a, b) => a.index - b.index)
      .map(column => columns.get(column.name) ?? []);
    const cell = (element: number): number | string | null | undefined =>
      sources[element % width]?.[from + Math.floor(element / width)];
    const shape = tensor.shape.length > 1 ? [rows, width] : [rows];
    const { name, datatype } = tensor;
    const data =
      datatype === 'BYTES'
        ? Array.from({ length: rows * width }, (_, i) => textOf(cell(i)))
        : fill(datatype, rows * width, i => numberOf(cell(i)));
    return { name, datatype, shape, data };
  });
}

/** The watched output columns of an answer, by name. */
export function tensorsToColumns(
  signature: Signature,
  outputs: readonly Tensor[],
): Map<string, Float64Array | string[]> {
  const columns = new Map<string, Float64Array | string[]>();
  for (const column of signature.columns) {
    const tensor = column.role === 'output' ? outputs.find(output => output.name === column.tensor) : undefined;
    if (tensor === undefined) continue;
    const rows = tensor.shape[0] ?? 1;
    const width = rows === 0 ? 1 : tensor.data.length / rows;
    const at = (row: number) => tensor.data[row * width + column.index];
    columns.set(
      column.name,
      column.kind === 'numeric'
        ? Float64Array.from({ length: rows }, (_, row) => Number(at(row)))
        : Array.from({ length: rows }, (_, row) => String(at(row))),
    );
  }
  return columns;
}
