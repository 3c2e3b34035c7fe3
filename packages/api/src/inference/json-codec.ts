import { type Datatype, typedArrayOf } from '../datatype.ts';
import { checked } from './binary-codec.ts';
import { InferenceError } from './inference-error.ts';
import type { DataByDatatype, TypedTensor } from './tensor.ts';

function writeNumber(value: number): string {
  return Object.is(value, -0) ? '-0.0' : String(value);
}

/**
 * The elements of a tensor as JSON: 64-bit integers exact, NaN and Infinity as the bare words that servers of this
 * protocol read.
 * @throws InferenceError `invalid_request` for FP16, which has no JSON form
 */
export function elementsAsJson(name: string, { datatype, data }: TypedTensor): string {
  if (datatype === 'FP16') {
    throw new InferenceError(
      'invalid_request',
      `Input "${name}" is FP16, which has no JSON form, and this server does not take binary tensors.`,
    );
  }
  if (!ArrayBuffer.isView(data)) return JSON.stringify(data);
  const texts: string[] = [];
  for (const value of data) {
    if (datatype === 'BOOL') texts.push(value ? 'true' : 'false');
    else if (typeof value === 'number') texts.push(writeNumber(value));
    else texts.push(String(value));
  }
  return `[${texts.join(',')}]`;
}

const tokens = /"(?:[^"\\]|\\.)*"|-?(?:Infinity|NaN)|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** Digits after a point are a fraction, which plain parsing reads as well as anything. */
const needsCare = /NaN|Infinity|(?<![\d.])\d{16}/;

/** Parses JSON with what plain parsing would lose (integers of 16 digits and more, NaN, Infinity) as text. */
export function parseExactly(text: string): unknown {
  if (!needsCare.test(text)) return JSON.parse(text);
  return JSON.parse(text.replace(tokens, token => (/^-?(?:\d{16,}|NaN|Infinity)$/.test(token) ? `"${token}"` : token)));
}

function flattenInto(value: unknown, into: unknown[]): void {
  if (Array.isArray(value)) for (const inner of value) flattenInto(inner, into);
  else into.push(value);
}

/** Most servers send flat lists, which are taken as they are. */
function flat(value: unknown): readonly unknown[] {
  if (Array.isArray(value) && !value.some(Array.isArray)) return value;
  const elements: unknown[] = [];
  flattenInto(value, elements);
  return elements;
}

/** What {@link parseExactly} leaves of a number; undefined for what is none. */
function numberIn(element: unknown): number | undefined {
  if (typeof element === 'number' || typeof element === 'boolean') return Number(element);
  if (typeof element !== 'string') return undefined;
  return /^-?(?:\d{16,}|NaN|Infinity)$/.test(element) ? Number(element) : undefined;
}

/**
 * Elements of a tensor from JSON, flat or nested; null, which some servers write for NaN, is NaN in a float tensor.
 * @throws InferenceError `bad_answer`
 */
export function dataOfJson<D extends Datatype>(
  value: unknown,
  datatype: D,
  count: number,
  name: string,
): DataByDatatype[D] {
  const elements = flat(value);
  const fail = (why: string, cause?: unknown): never => {
    throw new InferenceError('bad_answer', `Output "${name}": ${why}.`, { cause });
  };
  if (!Array.isArray(value) || elements.length !== count) fail(`${elements.length} elements came instead of ${count}`);
  const known: Datatype = datatype;
  switch (known) {
    case 'BYTES':
      if (!elements.every(element => typeof element === 'string')) fail('its elements are not text');
      return checked(datatype, elements.map(String), name);
    case 'INT64':
    case 'UINT64':
      try {
        const whole = elements.map(element => BigInt(String(element)));
        return checked(datatype, known === 'INT64' ? BigInt64Array.from(whole) : BigUint64Array.from(whole), name);
      } catch (error) {
        return fail('its elements are not whole numbers', error);
      }
    case 'FP16':
      return fail('FP16 has no JSON form');
    default: {
      const data = new typedArrayOf[known](count);
      const isFloat = known === 'FP32' || known === 'FP64';
      for (const [index, element] of elements.entries()) {
        const number = isFloat && element === null ? Number.NaN : numberIn(element);
        if (number === undefined) fail(`element ${index} is no number`);
        else data[index] = number;
      }
      return checked(datatype, data, name);
    }
  }
}
