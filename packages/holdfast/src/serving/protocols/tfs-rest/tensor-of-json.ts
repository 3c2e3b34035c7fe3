import { isUtf8 } from 'node:buffer';
import {
  type Datatype,
  elementCount,
  integerRanges,
  type Tensor,
  type TensorData,
  type TensorSpec,
  typedArrayOf,
} from '@holdfast/api';
import type { JsonValue } from '../../json/json-cursor.ts';
import { textFault } from '../../json/tensor-elements.ts';
import { badRequest, type Refusal } from '../../refusal.ts';
import { base64Of, isList, quoteValue, typeNames, typeOf } from './json-values.ts';

type Element = number | bigint | string;

function wrongType(value: JsonValue, datatype: Datatype): Refusal {
  return badRequest(
    `JSON Value: ${quoteValue(value)} Type: ${typeOf(value)} is not of expected type: ${typeNames[datatype]}`,
  );
}

function textOf(value: JsonValue): string {
  if (typeof value === 'string') return value;
  const base64 = base64Of(value);
  if (base64 === undefined) throw wrongType(value, 'BYTES');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) throw badRequest(`Unable to base64 decode: ${base64.slice(0, 40)}`);
  const bytes = Buffer.from(base64, 'base64');
  if (!isUtf8(bytes)) throw badRequest('The bytes of a "b64" value are not valid UTF-8, which a string tensor needs.');
  return bytes.toString('utf8');
}

function carried(text: string): string {
  const why = textFault(text);
  if (why !== undefined) throw badRequest(`JSON Value: ${quoteValue(text)} ${why}`);
  return text;
}

function elementOf(value: JsonValue, datatype: Datatype): Element {
  switch (datatype) {
    case 'BYTES':
      return carried(textOf(value));
    case 'BOOL':
      if (typeof value !== 'boolean') throw wrongType(value, datatype);
      return value ? 1 : 0;
    case 'FP32':
    case 'FP64':
      if (typeof value !== 'number' && typeof value !== 'bigint') throw wrongType(value, datatype);
      return Number(value);
    default: {
      if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) throw wrongType(value, datatype);
      const whole = BigInt(Number.isSafeInteger(value) ? Number(value) : String(value));
      const [minimum, maximum] = integerRanges[datatype] ?? [0n, 0n];
      if (whole < minimum || whole > maximum) throw wrongType(value, datatype);
      return datatype === 'INT64' || datatype === 'UINT64' ? whole : Number(whole);
    }
  }
}

/** The shape of nested lists, told by their first elements. */
function shapeOf(value: JsonValue): number[] {
  const shape: number[] = [];
  for (let level: JsonValue | undefined = value; level !== undefined && isList(level); level = level[0]) {
    shape.push(level.length);
  }
  return shape;
}

function flatten(value: JsonValue, level: number, shape: readonly number[], datatype: Datatype, into: Element[]): void {
  if (level === shape.length) {
    if (isList(value)) throw badRequest(`Encountered list at unexpected level: ${level} expected < ${shape.length}`);
    into.push(elementOf(value, datatype));
    return;
  }
  if (!isList(value)) throw badRequest(`Encountered non-list at unexpected level: ${level} expected ${shape.length}`);
  if (value.length !== shape[level]) {
    throw badRequest(`Expecting tensor size: ${shape[level]} but got: ${value.length}`);
  }
  for (const inner of value) flatten(inner, level + 1, shape, datatype, into);
}

function typed(elements: readonly Element[], datatype: Datatype): TensorData {
  switch (datatype) {
    case 'BYTES':
      return elements.map(String);
    case 'INT64':
      return BigInt64Array.from(elements, BigInt);
    case 'UINT64':
      return BigUint64Array.from(elements, BigInt);
    default: {
      const array = new typedArrayOf[datatype](elements.length);
      for (let i = 0; i < elements.length; i++) array[i] = Number(elements[i]);
      return array;
    }
  }
}

/** A column of single values may be written without the last dimension of 1. */
export function fitShape(shape: readonly number[], spec: TensorSpec): readonly number[] {
  const missing = spec.shape.slice(shape.length);
  return shape.length > 0 && missing.length > 0 && missing.every(dim => dim === 1) ? [...shape, ...missing] : shape;
}

/**
 * A tensor from nested JSON lists.
 * @throws Refusal `bad_request` when lists are ragged or values of another type
 */
export function tensorOfJson(value: JsonValue, spec: TensorSpec): Tensor {
  const { name, datatype } = spec;
  if (datatype === 'FP16') {
    throw badRequest(`Input ${name} is of type half, which has no JSON form here; send it as binary tensor.`);
  }
  const shape = shapeOf(value);
  const elements: Element[] = [];
  flatten(value, 0, shape, datatype, elements);
  return { name, datatype, shape: fitShape(shape, spec), data: typed(elements, datatype) };
}

/** A float tensor from numbers that were read without a detour. */
export function tensorOfNumbers(values: readonly number[], shape: readonly number[], spec: TensorSpec): Tensor {
  const { name, datatype } = spec;
  const fitted = fitShape(shape, spec);
  const data = datatype === 'FP64' ? Float64Array.from(values) : Float32Array.from(values);
  if (data.length !== elementCount(fitted))
    throw badRequest(`Expecting tensor size: ${elementCount(fitted)} but got: ${data.length}`);
  return { name, datatype, shape: fitted, data };
}
