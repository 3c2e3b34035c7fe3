import { type Datatype, elementBytes, type Tensor, type TensorData, typedArrayOf } from '@holdfast/api';

export type FixedDatatype = Exclude<Datatype, 'BYTES'>;
export type FixedArray = Exclude<TensorData, readonly string[]>;
type WideArray = BigInt64Array | BigUint64Array;
type NarrowArray = Exclude<FixedArray, WideArray>;

export function isWide(values: FixedArray): values is WideArray {
  return values instanceof BigInt64Array || values instanceof BigUint64Array;
}

export function isText(values: Tensor['data']): values is readonly string[] {
  return Array.isArray(values);
}

/** Below this many elements a loop is faster than `TypedArray.set`. */
const fewElements = 12;

function copyNarrow(target: NarrowArray, at: number, source: NarrowArray): void {
  if (source.length > fewElements) {
    target.set(source, at);
    return;
  }
  for (let i = 0; i < source.length; i++) target[at + i] = source[i]!;
}

/** The rows of one fixed-size tensor, row-major, waiting to be written. */
export class TensorBlock {
  readonly datatype: FixedDatatype;
  readonly width: number;
  /** Positions in a row that must not reach the disk. */
  readonly #masked: readonly number[];
  #values: FixedArray;
  /** 1 per row that has values; absent while all rows have. */
  #present: Uint8Array | undefined;
  #capacity = 0;

  constructor(datatype: FixedDatatype, width: number, masked: readonly number[]) {
    this.datatype = datatype;
    this.width = width;
    this.#masked = masked;
    this.#values = new typedArrayOf[datatype](0);
  }

  get rowBytes(): number {
    return this.width * elementBytes[this.datatype];
  }

  get values(): FixedArray {
    return this.#values;
  }

  get present(): Uint8Array | undefined {
    return this.#present;
  }

  /** Makes room for `capacity` rows, keeping the first `rows`. */
  resize(capacity: number, rows: number): void {
    const larger = new typedArrayOf[this.datatype](capacity * this.width);
    const kept = this.#values.subarray(0, rows * this.width);
    if (isWide(larger)) {
      if (isWide(kept)) larger.set(kept);
    } else if (!isWide(kept)) larger.set(kept);
    this.#values = larger;
    if (this.#present !== undefined) {
      const present = new Uint8Array(capacity);
      present.set(this.#present.subarray(0, rows));
      this.#present = present;
    }
    this.#capacity = capacity;
  }

  /** Takes `count` rows at row `at`; false, with these rows missing, when the tensor has another size or type. */
  take(tensor: Tensor, at: number, count: number): boolean {
    const source = tensor.data;
    const target = this.#values;
    if (tensor.datatype !== this.datatype || isText(source) || source.length !== count * this.width) {
      this.miss(at, count);
      return false;
    }
    if (isWide(target)) {
      if (isWide(source)) target.set(source, at * this.width);
    } else if (!isWide(source)) copyNarrow(target, at * this.width, source);
    if (this.#masked.length > 0) this.#mask(at, count);
    if (this.#present !== undefined) this.#present.fill(1, at, at + count);
    return true;
  }

  /** Rows for which the tensor was left out. */
  miss(at: number, count: number): void {
    this.#present ??= new Uint8Array(this.#capacity).fill(1, 0, at);
    this.#present.fill(0, at, at + count);
    const values = this.#values;
    if (isWide(values)) values.fill(0n, at * this.width, (at + count) * this.width);
    else values.fill(0, at * this.width, (at + count) * this.width);
  }

  clear(): void {
    this.#present = undefined;
  }

  #mask(at: number, count: number): void {
    for (let row = at; row < at + count; row++) {
      for (const index of this.#masked) {
        const values = this.#values;
        if (isWide(values)) values[row * this.width + index] = 0n;
        else values[row * this.width + index] = 0;
      }
    }
  }
}
