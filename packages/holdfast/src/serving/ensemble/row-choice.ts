import { type StepCondition, type Tensor, type TensorData, typedArrayOf } from '@holdfast/api';

/** Elements of one row. */
function widthOf({ shape, data }: Tensor): number {
  const rows = shape[0] ?? 1;
  return rows === 0 ? 0 : data.length / rows;
}

function isTexts(data: TensorData): data is readonly string[] {
  return Array.isArray(data);
}

/** Rows `indices` of a tensor, in their order. */
export function pickRows(tensor: Tensor, indices: readonly number[]): Tensor {
  const width = widthOf(tensor);
  const { data, datatype } = tensor;
  const shape = [indices.length, ...tensor.shape.slice(1)];
  if (isTexts(data) || datatype === 'BYTES') {
    const texts = indices.flatMap(row => Array.from(data.slice(row * width, (row + 1) * width), String));
    return { ...tensor, shape, data: texts };
  }
  const picked = new typedArrayOf[datatype](indices.length * width);
  for (const [at, row] of indices.entries())
    Reflect.apply(picked.set, picked, [data.subarray(row * width, (row + 1) * width), at * width]);
  return { ...tensor, shape, data: picked };
}

/** Tensors of which each gives some rows, put together: part `i` gives the rows `indices` of the whole. */
export function placeRows(
  parts: readonly { readonly tensor: Tensor; readonly indices: readonly number[] }[],
  rows: number,
): Tensor {
  const first = parts[0]!.tensor;
  const width = widthOf(parts.find(({ tensor }) => tensor.shape[0] !== 0)?.tensor ?? first);
  const shape = [rows, ...first.shape.slice(1)];
  if (first.datatype === 'BYTES') {
    const texts = Array.from({ length: rows * width }, () => '');
    for (const { tensor, indices } of parts)
      for (const [at, row] of indices.entries())
        for (let i = 0; i < width; i++) texts[row * width + i] = String(tensor.data[at * width + i]);
    return { ...first, shape, data: texts };
  }
  const whole = new typedArrayOf[first.datatype](rows * width);
  for (const { tensor, indices } of parts) {
    const { data } = tensor;
    if (isTexts(data)) continue;
    for (const [at, row] of indices.entries())
      Reflect.apply(whole.set, whole, [data.subarray(at * width, (at + 1) * width), row * width]);
  }
  return { ...first, shape, data: whole };
}

/** The value of a half-precision number. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Whether the condition holds for one element. Numbers are compared as numbers, texts as texts. */
export function holds(condition: StepCondition, { data, datatype }: Tensor, row: number): boolean {
  const element = data[row];
  if (element === undefined) return false;
  const value = datatype === 'FP16' ? halfValue(Number(element)) : element;
  const isEqual = (wanted: string | number | boolean): boolean => {
    if (typeof value === 'string') return value === String(wanted);
    if (typeof wanted === 'string' && wanted.trim() === '') return false;
    return typeof value === 'bigint' && Number.isSafeInteger(wanted)
      ? value === BigInt(Number(wanted))
      : Number(value) === Number(wanted);
  };
  const { equals, in: any, below, atLeast } = condition;
  if (equals !== undefined) return isEqual(equals);
  if (any !== undefined) return any.some(isEqual);
  const number = typeof value === 'string' && value.trim() === '' ? Number.NaN : Number(value);
  return below !== undefined ? number < below : number >= (atLeast ?? Number.NaN);
}
