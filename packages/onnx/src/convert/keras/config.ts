import { OnnxError } from '../../onnx-error.ts';

/** A parsed JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** @throws OnnxError `source_malformed` when the text is no JSON */
export function parseJson(text: string, what: string): Json {
  try {
    // Keras writes Infinity and NaN, which JSON does not have.
    const value: Json = JSON.parse(text.replaceAll(/([[:,]\s*)(-?Infinity|NaN)(?=\s*[,\]}])/g, '$1"$2"'));
    return value;
  } catch (cause) {
    throw new OnnxError('source_malformed', `The ${what} is no valid JSON; save the model again.`, { cause });
  }
}

/** Options that only concern training, or that were used up when the model was built. */
const withoutEffect =
  /^(name|trainable|dtype|batch_input_shape|batch_shape|build_config|_.*|seed|implementation|unroll|autocast|(.*_)?(initializer|regularizer|constraint)|(.*_)?dropout|synchronized|momentum|.*_momentum|renorm_clipping|input_dtype|ragged|sparse|registered_name|quantization_config|lora_rank|lora_alpha|virtual_batch_size|adjustment)$/;

/** The options of one layer. Every option must be read, so that one a layer does not know is noticed. */
export class Config {
  readonly #values: JsonObject;
  readonly #read = new Set<string>();
  readonly #layer: string;

  /** @param layer how messages call the layer */
  constructor(values: JsonObject, layer: string) {
    this.#values = values;
    this.#layer = layer;
  }

  raw(key: string): Json | undefined {
    this.#read.add(key);
    return Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
  }

  has(key: string): boolean {
    const value = this.raw(key);
    return value !== undefined && value !== null;
  }

  number(key: string, otherwise?: number): number {
    const value = numeric(this.raw(key));
    if (typeof value === 'number' && !Number.isNaN(value)) return value;
    if ((value === undefined || value === null) && otherwise !== undefined) return otherwise;
    return this.refuse(key, 'a number');
  }

  /** A whole number from 0 to 2^31. */
  whole(key: string, otherwise?: number): number {
    const value = this.number(key, otherwise);
    return Number.isInteger(value) && value >= 0 && value <= 2 ** 31 ? value : this.refuse(key, 'a whole number');
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.raw(key);
    if (value === undefined || value === null) return otherwise;
    return typeof value === 'boolean' ? value : this.refuse(key, 'true or false');
  }

  text(key: string, otherwise?: string): string {
    const value = this.raw(key);
    if (typeof value === 'string') return value;
    if ((value === undefined || value === null) && otherwise !== undefined) return otherwise;
    return this.refuse(key, 'a text');
  }

  /** One of the given words. */
  word<T extends string>(key: string, words: readonly T[], otherwise?: T): T {
    const value = this.text(key, otherwise);
    return words.find(word => word === value) ?? this.refuse(key, `one of ${words.join(', ')}`);
  }

  /** Numbers; a single one is repeated `length` times when a length is given. */
  numbers(key: string, length?: number): number[] {
    const value = this.raw(key);
    const list = (isList(value) ? value : length === undefined ? [value] : Array(length).fill(value)).map(numeric);
    const found = list.filter(item => typeof item === 'number');
    if (found.length !== list.length || (length !== undefined && found.length !== length))
      return this.refuse(key, length === undefined ? 'a list of numbers' : `${length} numbers`);
    return found;
  }

  /** Whole numbers from 0 on, such as a kernel size. */
  sizes(key: string, length: number, otherwise?: number): number[] {
    if (otherwise !== undefined && !this.has(key)) return new Array<number>(length).fill(otherwise);
    const found = this.numbers(key, length);
    return found.every(size => Number.isInteger(size) && size >= 0 && size <= 2 ** 31)
      ? found
      : this.refuse(key, 'whole numbers');
  }

  /** Marks options as known to have no effect here. */
  ignore(...keys: readonly string[]): void {
    for (const key of keys) this.#read.add(key);
  }

  /** Options with a value that nobody read. */
  unread(): string[] {
    return Object.keys(this.#values).filter(
      key => !this.#read.has(key) && this.#values[key] !== null && !withoutEffect.test(key),
    );
  }

  refuse(key: string, wanted: string): never {
    const value = JSON.stringify(this.#values[key] ?? null).slice(0, 80);
    throw new OnnxError(
      'unsupported_source',
      `${this.#layer} has the option ${key} = ${value}, which is not supported; expected ${wanted}.`,
      { node: this.#layer, unsupported: [`${this.#layer}: ${key}`] },
    );
  }
}

function numeric(value: Json | undefined): Json | undefined {
  // Some versions keep a number as an array object or a special text.
  if (value === 'Infinity') return Number.POSITIVE_INFINITY;
  if (value === '-Infinity') return Number.NEGATIVE_INFINITY;
  if (isObject(value) && (value.class_name === '__numpy__' || value.class_name === '__tensor__')) {
    const inner = isObject(value.config ?? null) ? value.config : undefined;
    return isObject(inner) ? numeric(inner.value) : undefined;
  }
  return value;
}
