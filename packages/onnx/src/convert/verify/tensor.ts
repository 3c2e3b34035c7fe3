import type { OipDatatype } from '../../model/element-type.ts';

/** Elements of a dense tensor; booleans as 0 and 1, float16 as raw bits, text as strings. */
export type TensorElements =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array
  | readonly string[];

/** A named dense tensor, row-major. */
export interface NamedTensor {
  readonly name: string;
  readonly datatype: Exclude<OipDatatype, 'BF16'>;
  readonly shape: readonly number[];
  readonly data: TensorElements;
}

/** Runs a model (ONNX bytes) on inputs; the library itself has no runtime. */
export type RunModel = (model: Uint8Array, inputs: readonly NamedTensor[]) => Promise<readonly NamedTensor[]>;

/** Puts plain numbers or texts into the storage of a dtype; a text for a numeric dtype is an error of the caller. */
export function elementsOf(datatype: NamedTensor['datatype'], values: readonly (number | string)[]): TensorElements {
  const number = (value: number | string): number => Number(value);
  const whole = (value: number | string): bigint => BigInt(Math.trunc(Number(value)));
  switch (datatype) {
    case 'BYTES':
      return values.map(String);
    case 'FP32':
      return Float32Array.from(values, number);
    case 'FP64':
      return Float64Array.from(values, number);
    case 'INT64':
      return BigInt64Array.from(values, whole);
    case 'UINT64':
      return BigUint64Array.from(values, whole);
    case 'INT32':
      return Int32Array.from(values, number);
    case 'UINT32':
      return Uint32Array.from(values, number);
    case 'INT16':
      return Int16Array.from(values, number);
    case 'UINT16':
      return Uint16Array.from(values, number);
    case 'INT8':
      return Int8Array.from(values, number);
    case 'UINT8':
    case 'BOOL':
      return Uint8Array.from(values, number);
    case 'FP16':
      return Uint16Array.from(values, value => halfBits(Number(value)));
    default:
      throw new TypeError(`unknown datatype ${String(datatype satisfies never)}`);
  }
}

/** The elements as plain numbers or texts; float16 decoded. */
export function plainElements(tensor: NamedTensor): readonly (number | string)[] {
  if (tensor.datatype === 'FP16' && tensor.data instanceof Uint16Array) return Array.from(tensor.data, halfValue);
  return Array.from<number | bigint | string, number | string>(tensor.data, value =>
    typeof value === 'bigint' ? Number(value) : value,
  );
}

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

/** Bits of the nearest float16, ties to even; beyond 65504 it is infinity. */
export function halfBits(value: number): number {
  floatView[0] = value;
  const bits = bitsView[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  const power = exponent - 127;
  if (power > 15) return sign | 0x7c00;
  if (power >= -14) {
    const kept = ((power + 15) << 10) | (fraction >>> 13);
    return sign | rounded(kept, fraction & 0x1fff, 0x1000);
  }
  if (power < -25) return sign;
  const whole = fraction | 0x800000;
  const shift = -power - 1;
  return sign | rounded(whole >>> shift, whole & ((1 << shift) - 1), 1 << (shift - 1));
}

function rounded(kept: number, rest: number, half: number): number {
  return kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0);
}

/** The number that float16 bits stand for. */
export function halfValue(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
