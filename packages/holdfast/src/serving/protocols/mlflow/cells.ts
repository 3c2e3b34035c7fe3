import { type Datatype, integerRanges, type TensorData, typedArrayOf } from '@holdfast/api';
import type { JsonValue } from '../../json/json-cursor.ts';
import { textFault } from '../../json/tensor-elements.ts';
import { badRequest, type Refusal } from '../../refusal.ts';

export type Element = number | bigint | string;

/** MLflow's names of the types of a signature, and NumPy's where it has none. */
const typeNames: Readonly<Record<Datatype, string>> = {
  FP32: 'float',
  FP64: 'double',
  FP16: 'float16',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'integer',
  INT64: 'long',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  BOOL: 'boolean',
  BYTES: 'string',
};

/** Where a value stands, for errors. */
export interface CellPlace {
  readonly column: string;
  readonly row: number;
}

const longestQuote = 60;

function shown(value: JsonValue): string {
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Map) return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length <= longestQuote ? text : `${text.slice(0, longestQuote)}...`;
}

const looksLikeTime = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}|$)/;

function incompatible(value: JsonValue, datatype: Datatype, { column, row }: CellPlace): Refusal {
  let hint = '';
  if (value === null) hint = ' This type has no missing values; fill them before asking.';
  else if (typeof value === 'string' && datatype !== 'BYTES' && looksLikeTime.test(value))
    hint = ' Dates and times are no tensor elements; send the number that the model was trained on.';
  return badRequest(
    `Incompatible input types for column ${column}. Can not safely convert ${shown(value)} in row ${row} to ${typeNames[datatype]}.${hint}`,
  );
}

function wholeOf(value: JsonValue): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : undefined;
}

/**
 * One value of a column as an element of a tensor, where nothing is lost by it: whole numbers fit every type whose range
 * holds them, booleans count as 0 and 1, a missing value is NaN in a float column and refused elsewhere.
 * @throws Refusal `bad_request` naming column and row
 */
export function elementOf(value: JsonValue, datatype: Datatype, place: CellPlace): Element {
  switch (datatype) {
    case 'BYTES': {
      if (typeof value !== 'string') throw incompatible(value, datatype, place);
      const why = textFault(value);
      if (why !== undefined) throw badRequest(`The text of column ${place.column} in row ${place.row} ${why}.`);
      return value;
    }
    case 'FP32':
    case 'FP64':
      if (value === null) return Number.NaN;
      if (typeof value === 'number') return value;
      if (typeof value === 'bigint' || typeof value === 'boolean') return Number(value);
      throw incompatible(value, datatype, place);
    case 'BOOL':
      if (value === true || value === 1) return 1;
      if (value === false || value === 0) return 0;
      throw incompatible(value, datatype, place);
    case 'FP16':
      throw badRequest(
        `Column ${place.column} is of type float16, which has no JSON or CSV form here; send it as a binary tensor.`,
      );
    default: {
      const whole = wholeOf(value);
      const [minimum, maximum] = integerRanges[datatype] ?? [0n, 0n];
      if (whole === undefined || whole < minimum || whole > maximum) throw incompatible(value, datatype, place);
      return datatype === 'INT64' || datatype === 'UINT64' ? whole : Number(whole);
    }
  }
}

/** Elements of one type as the storage of a tensor. */
export function storageOf(elements: readonly Element[], datatype: Datatype): TensorData {
  if (datatype === 'BYTES') return elements.map(String);
  if (datatype === 'INT64') return BigInt64Array.from(elements, BigInt);
  if (datatype === 'UINT64') return BigUint64Array.from(elements, BigInt);
  const array = new typedArrayOf[datatype](elements.length);
  for (let i = 0; i < elements.length; i++) array[i] = Number(elements[i]);
  return array;
}

/** The words that a data frame written as CSV has for a missing value. */
const missingWords = new Set(
  '|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null'.split('|'),
);
const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const infinity = /^([+-]?)inf(?:inity)?$/i;

/** The value that a cell of CSV stands for in a column of this type; what it cannot be stays text, and is refused. */
export function valueOfText(text: string, datatype: Datatype): JsonValue {
  if (datatype === 'BYTES') return text;
  const word = text.trim();
  if (missingWords.has(word)) return null;
  if (/^true$/i.test(word)) return true;
  if (/^false$/i.test(word)) return false;
  const infinite = infinity.exec(word);
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (!decimal.test(word)) return text;
  return /^[+-]?\d{16,}$/.test(word) ? BigInt(word.replace('+', '')) : Number(word);
}
