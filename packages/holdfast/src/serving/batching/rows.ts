import { type Tensor, type TensorData, typedArrayOf } from '@holdfast/api';

/** Elements of one row. */
function rowElements(shape: readonly number[]): number {
  let count = 1;
  for (let axis = 1; axis < shape.length; axis++) count *= shape[axis]!;
  return count;
}

function joinText(parts: readonly (readonly Tensor[])[], index: number): string[] {
  const joined: string[] = [];
  for (const part of parts) for (const text of part[index]!.data) joined.push(String(text));
  return joined;
}

function joinNumbers(parts: readonly (readonly Tensor[])[], index: number, count: number): TensorData {
  const { datatype } = parts[0]![index]!;
  if (datatype === 'BYTES') return joinText(parts, index);
  const joined = new typedArrayOf[datatype](count);
  let at = 0;
  const isBig = joined instanceof BigInt64Array || joined instanceof BigUint64Array;
  for (const part of parts) {
    const { data } = part[index]!;
    const { length } = data;
    // For few elements a loop is cheaper than a call into the engine.
    if (!isBig && length <= 8) for (let i = 0; i < length; i++) joined[at + i] = Number(data[i]);
    // The dtype is the same in all parts, so their array kinds agree.
    else Reflect.apply(joined.set, joined, [data, at]);
    at += length;
  }
  return joined;
}

/** One batch of the rows of several requests, whose tensors agree in names, dtypes and all dimensions but the first. */
export function joinRows(parts: readonly (readonly Tensor[])[], rows: number): readonly Tensor[] {
  return parts[0]!.map(({ name, datatype, shape }, index) => {
    const joinedShape = shape.slice();
    joinedShape[0] = rows;
    return { name, datatype, shape: joinedShape, data: joinNumbers(parts, index, rows * rowElements(shape)) };
  });
}

function repeatLast<T>(values: readonly T[], count: number, size: number): T[] {
  const padded = values.slice();
  while (padded.length < count) padded.push(...values.slice(values.length - size));
  return padded;
}

/** The batch with its last row repeated until it has `rows` rows: values that the model can surely take. */
export function padRows(tensors: readonly Tensor[], rows: number): readonly Tensor[] {
  return tensors.map(tensor => {
    const { name, datatype, shape, data } = tensor;
    const size = rowElements(shape);
    const paddedShape = shape.slice();
    paddedShape[0] = rows;
    if (datatype === 'BYTES') {
      return { name, datatype, shape: paddedShape, data: repeatLast(Array.from(data, String), rows * size, size) };
    }
    const padded = new typedArrayOf[datatype](rows * size);
    const set = (values: TensorData, at: number): void => {
      // The dtype is the same, so the array kinds agree.
      Reflect.apply(padded.set, padded, [values, at]);
    };
    set(data, 0);
    const last = part(data, data.length - size, data.length);
    for (let at = data.length; at < padded.length; at += size) set(last, at);
    return { name, datatype, shape: paddedShape, data: padded };
  });
}

/** Whether every tensor has exactly this many rows, so that they can be given back to their requests. */
export function haveRows(tensors: readonly Tensor[], rows: number): boolean {
  return tensors.every(({ shape }) => shape.length > 0 && shape[0] === rows);
}

/** Rows `from` to `from + rows` of a batch's outputs, without copying numbers. */
export function sliceRows(tensors: readonly Tensor[], from: number, rows: number): readonly Tensor[] {
  return tensors.map(({ name, datatype, shape, data }) => {
    const size = rowElements(shape);
    const ownShape = shape.slice();
    ownShape[0] = rows;
    const begin = from * size;
    const end = begin + rows * size;
    return {
      name,
      datatype,
      shape: ownShape,
      data: Array.isArray(data) ? data.slice(begin, end) : part(data, begin, end),
    };
  });
}

function part(data: TensorData, begin: number, end: number): TensorData {
  return ArrayBuffer.isView(data) ? data.subarray(begin, end) : data.slice(begin, end);
}
