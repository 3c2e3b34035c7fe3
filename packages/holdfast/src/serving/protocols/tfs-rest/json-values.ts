import type { Datatype } from '@holdfast/api';
import type { JsonObject, JsonValue } from '../../json/json-cursor.ts';

/** TensorFlow's names of the element types, in errors and in metadata. */
export const typeNames: Readonly<Record<Datatype, string>> = {
  FP32: 'float',
  FP64: 'double',
  FP16: 'half',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  BOOL: 'bool',
  BYTES: 'string',
};

export function isObject(value: JsonValue): value is JsonObject {
  return value instanceof Map;
}

export function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** The base64 text of `{"b64": "..."}`; undefined for any other value. */
export function base64Of(value: JsonValue): string | undefined {
  if (!isObject(value) || value.size !== 1) return undefined;
  const text = value.get('b64');
  return typeof text === 'string' ? text : undefined;
}

/** A value's type in TensorFlow Serving's words. */
export function typeOf(value: JsonValue): string {
  if (value === null) return 'Null';
  if (isList(value)) return 'Array';
  if (isObject(value)) return 'Object';
  if (typeof value === 'string') return 'String';
  if (typeof value === 'boolean') return value ? 'Bool(True)' : 'Bool(False)';
  return 'Number';
}

const longestQuote = 200;

function written(value: JsonValue): string {
  if (isList(value)) return `[${value.map(written).join(',')}]`;
  if (isObject(value))
    return `{${[...value].map(([key, inner]) => `${JSON.stringify(key)}:${written(inner)}`).join(',')}}`;
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** A value as it is quoted in errors. */
export function quoteValue(value: JsonValue): string {
  const text = written(value);
  return text.length <= longestQuote ? text : `${text.slice(0, longestQuote)}...`;
}
