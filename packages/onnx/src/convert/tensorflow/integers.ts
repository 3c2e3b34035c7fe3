import { dt } from './tf-graph.ts';
import type { TensorValue } from './tf-value.ts';

/** Constants read as numbers while converting are shapes, axes and the like. */
const maxElements = 4096;

/** Whole numbers of a small constant of an integer type, or undefined. */
export function integersOf(value: TensorValue): readonly number[] | undefined {
  const tensor = value.constant;
  if (tensor === undefined) return undefined;
  const { bytes } = tensor;
  const size = tensor.dtype === dt.int32 ? 4 : tensor.dtype === dt.int64 ? 8 : 0;
  if (size === 0 || bytes.length > maxElements * size) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / size }, (_, i) =>
    size === 4 ? view.getInt32(i * 4, true) : Number(view.getBigInt64(i * 8, true)),
  );
}

/** The number or truth value of a one-element constant, or undefined. */
export function scalarOf(value: TensorValue): number | undefined {
  const tensor = value.constant;
  if (tensor === undefined) return undefined;
  const { bytes } = tensor;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (tensor.dtype === dt.bool && bytes.length === 1) return bytes[0];
  if (tensor.dtype === dt.float && bytes.length === 4) return view.getFloat32(0, true);
  if (tensor.dtype === dt.double && bytes.length === 8) return view.getFloat64(0, true);
  return integersOf(value)?.length === 1 ? integersOf(value)?.[0] : undefined;
}
