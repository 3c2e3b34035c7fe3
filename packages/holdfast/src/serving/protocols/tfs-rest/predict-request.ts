import { isUtf8 } from 'node:buffer';
import type { Signature, Tensor, TensorSpec } from '@holdfast/api';
import { JsonCursor, JsonDepthError, JsonSyntaxError, type JsonValue } from '../../json/json-cursor.ts';
import { badRequest, Refusal } from '../../refusal.ts';
import { base64Of, isList, isObject, quoteValue } from './json-values.ts';
import { type NumberTree, readNumberTree } from './number-tree.ts';
import { tensorOfJson, tensorOfNumbers } from './tensor-of-json.ts';

export interface PredictRequest {
  readonly inputs: readonly Tensor[];
  /** `row` was asked with `instances`, `column` with `inputs`; the answer has the same form. */
  readonly form: 'row' | 'column';
}

/** The one signature that a model has here. */
export const signatureName = 'serving_default';

type Field =
  | { readonly kind: 'numbers'; readonly tree: NumberTree }
  | { readonly kind: 'json'; readonly value: JsonValue };

interface Fields {
  signature: JsonValue | undefined;
  instances: Field | undefined;
  inputs: Field | undefined;
}

function readField(cursor: JsonCursor, isFloat: boolean): Field {
  const tree = isFloat ? readNumberTree(cursor) : undefined;
  return tree === undefined ? { kind: 'json', value: cursor.value(1) } : { kind: 'numbers', tree };
}

/** Reads the top-level object; what follows it is ignored, as TensorFlow Serving does. */
function readFields(body: Buffer, specs: readonly TensorSpec[]): Fields {
  const cursor = new JsonCursor(body);
  const isFloat = specs.length === 1 && (specs[0]!.datatype === 'FP32' || specs[0]!.datatype === 'FP64');
  const fields: Fields = { signature: undefined, instances: undefined, inputs: undefined };
  if (cursor.peek() === -1) throw badRequest('JSON Parse error: The document is empty');
  if (cursor.peek() !== 0x7b) {
    const value = cursor.value();
    throw badRequest(`JSON Value: ${quoteValue(value)} Type: is not of expected type: object`);
  }
  cursor.beginObject();
  for (let key = cursor.nextKey(true); key !== undefined; key = cursor.nextKey(false)) {
    if (key === 'instances') fields.instances = readField(cursor, isFloat);
    else if (key === 'inputs') fields.inputs = readField(cursor, isFloat);
    else if (key === 'signature_name') fields.signature = cursor.value(1);
    else cursor.skip(1);
  }
  return fields;
}

/** @throws Refusal `bad_request` when another signature than ours is named */
export function checkSignature(name: JsonValue | undefined): void {
  if (name === undefined) return;
  if (typeof name !== 'string') throw badRequest("'signature_name' key must be a string value.");
  if (name !== '' && name !== signatureName) {
    throw badRequest(`Serving signature name: "${name}" not found in signature def`);
  }
}

/** Columns from a list of rows. */
function readInstances(field: Field, specs: readonly TensorSpec[]): Tensor[] {
  if (field.kind === 'numbers') return [tensorOfNumbers(field.tree.values, field.tree.shape, specs[0]!)];
  const { value } = field;
  if (!isList(value)) throw badRequest("Expecting 'instances' to be an list/array");
  const first = value[0];
  if (first === undefined) throw badRequest("No values in 'instances' array");
  const isNamed = isObject(first) && base64Of(first) === undefined;
  if (isNamed) return readNamedRows(value, specs);
  if (specs.length !== 1) {
    throw badRequest(
      'instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map',
    );
  }
  return [tensorOfRows(value, specs[0]!)];
}

/** Rows as one tensor; an error names the row that made it. */
function tensorOfRows(rows: readonly JsonValue[], spec: TensorSpec): Tensor {
  try {
    return tensorOfJson(rows, spec);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw inElement(culprit(rows, spec), error);
  }
}

/** The first row that cannot stand beside the first one. */
function culprit(rows: readonly JsonValue[], spec: TensorSpec): number {
  for (let i = 0; i < rows.length; i++) {
    try {
      tensorOfJson([rows[0]!, rows[i]!], spec);
    } catch {
      return i;
    }
  }
  return 0;
}

function inElement(index: number, error: Refusal): Refusal {
  return badRequest(
    `Failed to process element: ${index} of 'instances' list. Error: INVALID_ARGUMENT: ${error.message}`,
  );
}

function readNamedRows(rows: readonly JsonValue[], specs: readonly TensorSpec[]): Tensor[] {
  const columns = new Map(specs.map(({ name }) => [name, [] as JsonValue[]]));
  for (const [index, row] of rows.entries()) {
    if (!isObject(row)) throw inElement(index, badRequest(`JSON Value: ${quoteValue(row)} is not an object`));
    for (const [name, value] of row) {
      const column = columns.get(name);
      if (column === undefined) throw inElement(index, badRequest(`JSON object: has unexpected named input: ${name}`));
      column.push(value);
    }
    for (const { name, optional } of specs) {
      const isComplete = columns.get(name)!.length === index + 1;
      const isLeftOut = optional && columns.get(name)!.length === 0;
      if (!isComplete && !isLeftOut) {
        throw inElement(index, badRequest(`JSON object: does not have named input: ${name}`));
      }
    }
  }
  return specs.flatMap(spec => {
    const column = columns.get(spec.name)!;
    return column.length === 0 ? [] : tensorOfRows(column, spec);
  });
}

function readColumns(field: Field, specs: readonly TensorSpec[]): Tensor[] {
  if (field.kind === 'numbers') return [tensorOfNumbers(field.tree.values, field.tree.shape, specs[0]!)];
  const { value } = field;
  if (!isObject(value) || base64Of(value) !== undefined) {
    if (specs.length === 1) return [tensorOfJson(value, specs[0]!)];
    throw badRequest(
      'inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map',
    );
  }
  return specs.flatMap(spec => {
    const column = value.get(spec.name);
    if (column !== undefined) return tensorOfJson(column, spec);
    if (spec.optional) return [];
    throw badRequest(`Missing named input: ${spec.name} in 'inputs' object.`);
  });
}

function readRequest(body: Buffer, { inputs: specs }: Pick<Signature, 'inputs'>): PredictRequest {
  const { signature, instances, inputs } = readFields(body, specs);
  checkSignature(signature);
  if (instances !== undefined && inputs !== undefined) {
    const whole = new JsonCursor(body).value();
    throw badRequest(
      `JSON Value: ${quoteValue(whole)} Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist `,
    );
  }
  if (instances !== undefined) return { inputs: readInstances(instances, specs), form: 'row' };
  if (inputs !== undefined) return { inputs: readColumns(inputs, specs), form: 'column' };
  throw badRequest("Missing 'inputs' or 'instances' key");
}

/** Reads a predict request in row or column form. @throws Refusal `bad_request` */
export function readPredictRequest(body: Buffer, signature: Pick<Signature, 'inputs'>): PredictRequest {
  if (!isUtf8(body)) throw badRequest('JSON Parse error: Invalid encoding in string.');
  try {
    return readRequest(body, signature);
  } catch (error) {
    if (error instanceof JsonSyntaxError) {
      throw badRequest(
        error.reason === 'The document is empty.'
          ? 'JSON Parse error: The document is empty'
          : `JSON Parse error: ${error.reason} at offset: ${error.offset}`,
      );
    }
    if (error instanceof JsonDepthError) throw badRequest(error.message);
    throw error;
  }
}
