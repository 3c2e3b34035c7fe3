import { isUtf8 } from 'node:buffer';
import type { Signature, Tensor } from '@holdfast/api';
import {
  JsonCursor,
  JsonDepthError,
  type JsonObject,
  JsonSyntaxError,
  type JsonValue,
} from '../../json/json-cursor.ts';
import { badRequest, Refusal } from '../../refusal.ts';
import { isList, isObject } from '../tfs-rest/json-values.ts';
import { tableOfColumns, tableOfCsv, tableOfPlaces, tableOfRecords, tableOfSplit } from './column-table.ts';
import { tensorOfNested, tensorsOfTable } from './table-to-tensors.ts';

/** The forms of a body that the scoring server reads. */
export type InvocationFormat = 'json' | 'csv';

const fields = ['dataframe_split', 'dataframe_records', 'instances', 'inputs'] as const;
const required = `The input must be a JSON dictionary with exactly one of the input fields {${fields.map(field => `'${field}'`).join(', ')}}.`;

function unsupported(text: string): Refusal {
  return new Refusal('bad_request', text, { status: 415 });
}

/** @throws Refusal with status 415 for any content type but JSON and CSV in UTF-8 */
export function formatOf(contentType: string | undefined): InvocationFormat {
  const [type = '', ...parameters] = (contentType ?? '').split(';').map(part => part.trim());
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=').map(part => part.trim().toLowerCase());
    if (name === '') continue;
    if (name !== 'charset') throw unsupported(`Unrecognized content type parameters: ${name.slice(0, 40)}.`);
    if (value.replaceAll('"', '') !== 'utf-8') throw unsupported('The scoring server only supports UTF-8');
  }
  switch (type.toLowerCase()) {
    case 'application/json':
      return 'json';
    case 'text/csv':
      return 'csv';
    default:
      throw unsupported(
        `This predictor only supports the following content types: Types: ['text/csv', 'application/json']. Got '${(contentType ?? 'None').slice(0, 100)}'.`,
      );
  }
}

function parse(body: Buffer): JsonObject {
  let value: JsonValue;
  try {
    const cursor = new JsonCursor(body);
    value = cursor.value();
    if (cursor.peek() !== -1) cursor.fail('The document root must not be followed by other values.');
  } catch (error) {
    if (!(error instanceof JsonSyntaxError || error instanceof JsonDepthError)) throw error;
    throw badRequest(`Invalid input. Ensure that input is a valid JSON formatted string. Error: '${error.message}'`);
  }
  if (isObject(value)) return value;
  throw badRequest(`${required} Received ${isList(value) ? 'a list' : 'a single value'}.`);
}

/** `instances` and `inputs`: a tensor, rows by name, or columns by name. */
function readTensors(value: JsonValue, field: string, signature: Pick<Signature, 'inputs' | 'columns'>): Tensor[] {
  const [only] = signature.inputs;
  if (isObject(value)) {
    const isSingle = only !== undefined && signature.inputs.length === 1 && value.size === 1;
    const own = isSingle ? value.get(only.name) : undefined;
    if (own !== undefined && only !== undefined) return [tensorOfNested(own, only)];
    return tensorsOfTable(tableOfColumns(value, field), signature);
  }
  if (isList(value) && value.some(isObject)) return tensorsOfTable(tableOfRecords(value, field), signature);
  if (only !== undefined && signature.inputs.length === 1) return [tensorOfNested(value, only)];
  if (!isList(value)) throw badRequest(`Invalid input. '${field}' must be a list, or an object of lists.`);
  return tensorsOfTable(tableOfPlaces(value, field), signature);
}

function readJson(body: Buffer, signature: Pick<Signature, 'inputs' | 'columns'>): Tensor[] {
  const request = parse(body);
  const given = fields.filter(field => request.has(field));
  const [field] = given;
  if (field === undefined || given.length !== 1) {
    const keys = [...request.keys()].map(key => `'${key.slice(0, 60)}'`);
    throw badRequest(`${required} Received dictionary with input fields: [${keys.slice(0, 20).join(', ')}].`);
  }
  // No model here has parameters, so that MLflow, too, would ignore them.
  const params = request.get('params');
  if (params !== undefined && params !== null && !isObject(params))
    throw badRequest("Invalid input. 'params' must be a dictionary.");
  const value = request.get(field) ?? null;
  switch (field) {
    case 'dataframe_split':
      return tensorsOfTable(tableOfSplit(value), signature);
    case 'dataframe_records':
      return tensorsOfTable(tableOfRecords(value, field), signature);
    case 'instances':
    case 'inputs':
      return readTensors(value, field, signature);
    default:
      return field satisfies never;
  }
}

/** The inputs of a model from the body of an invocation. @throws Refusal `bad_request` */
export function readInvocation(
  body: Buffer,
  format: InvocationFormat,
  signature: Pick<Signature, 'inputs' | 'columns'>,
): Tensor[] {
  if (!isUtf8(body)) throw badRequest('Invalid input. The body is not valid UTF-8.');
  return format === 'json' ? readJson(body, signature) : tensorsOfTable(tableOfCsv(body.toString('utf8')), signature);
}
