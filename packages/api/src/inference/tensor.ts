import { type Datatype, elementCount, type TensorData, typedArrayOf } from '../datatype.ts';
import { InferenceError } from './inference-error.ts';

/** The storage of each datatype: FP16 as raw bits, BOOL as 0 and 1, BYTES as text. */
export interface DataByDatatype {
  readonly BOOL: Uint8Array;
  readonly UINT8: Uint8Array;
  readonly UINT16: Uint16Array;
  readonly UINT32: Uint32Array;
  readonly UINT64: BigUint64Array;
  readonly INT8: Int8Array;
  readonly INT16: Int16Array;
  readonly INT32: Int32Array;
  readonly INT64: BigInt64Array;
  readonly FP16: Uint16Array;
  readonly FP32: Float32Array;
  readonly FP64: Float64Array;
  readonly BYTES: readonly string[];
}

/** A dense, row-major tensor; `data` has exactly the product of `shape` elements. */
export interface TypedTensor<D extends Datatype = Datatype> {
  readonly datatype: D;
  readonly shape: readonly number[];
  readonly data: DataByDatatype[D];
}

/** Whether these elements can be a tensor of the datatype. */
export function isDataOf<D extends Datatype>(datatype: D, data: TensorData): data is DataByDatatype[D] & TensorData {
  return datatype === 'BYTES' ? Array.isArray(data) : data instanceof typedArrayOf[datatype as Exclude<D, 'BYTES'>];
}

/**
 * A tensor that borrows `data`, without a copy: `tensor('FP32', [2, 1], Float32Array.of(3, 40))`.
 * @throws InferenceError `invalid_request` when the number of elements is not the product of the shape
 */
export function tensor<D extends Datatype>(
  datatype: D,
  shape: readonly number[],
  data: DataByDatatype[D],
): TypedTensor<D> {
  const count = elementCount(shape);
  const { length }: { readonly length: number } = data;
  if (length !== count) {
    throw new InferenceError(
      'invalid_request',
      `A tensor of shape [${shape.join(',')}] has ${count} elements, not ${length}.`,
    );
  }
  return { datatype, shape, data };
}
