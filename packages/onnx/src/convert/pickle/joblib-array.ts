import { OnnxError } from '../../onnx-error.ts';
import { numpyType } from './numpy-build.ts';
import type { UnpickledStream } from './pickle-machine.ts';
import { NumpyArray, PyList, type PyObject, PyTuple } from './python-values.ts';

/**
 * Reads the raw array that joblib writes straight after a NumpyArrayWrapper: optionally one byte with the length of
 * the padding and the padding itself, then the elements; object arrays are a nested pickle instead.
 */
export function readJoblibArray(
  wrapper: PyObject,
  bytes: Uint8Array,
  at: number,
  nested: (at: number) => UnpickledStream,
): { array: NumpyArray; end: number } {
  const array = new NumpyArray();
  const shape = wrapper.attribute('shape');
  array.type = numpyType(wrapper.attribute('dtype'));
  array.shape = shape instanceof PyTuple || shape instanceof PyList ? shape.items.map(Number) : [];
  array.isFortran = wrapper.attribute('order') === 'F';
  if (array.type.letter === 'O') {
    const inner = nested(at);
    if (!(inner.value instanceof NumpyArray))
      throw new OnnxError(
        'source_malformed',
        'The joblib file holds an object array that is not an array; save the model again.',
      );
    return { array: inner.value, end: inner.end };
  }
  const alignment = wrapper.attribute('numpy_array_alignment_bytes');
  const start = typeof alignment === 'bigint' ? at + 1 + (bytes[at] ?? 0) : at;
  const end = start + array.length * array.type.itemBytes;
  if (!(array.length >= 0) || !(end <= bytes.length)) {
    throw new OnnxError(
      'truncated',
      `The joblib file is truncated: an array needs ${end} bytes, the file has ${bytes.length}; copy or download it again.`,
    );
  }
  array.bytes = bytes.subarray(start, end);
  return { array, end };
}
