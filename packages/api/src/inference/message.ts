import { type Datatype, datatypes, elementCount } from '../datatype.ts';
import { bytesOfTensor, dataOfBytes } from './binary-codec.ts';
import { InferenceError } from './inference-error.ts';
import { dataOfJson, elementsAsJson, parseExactly } from './json-codec.ts';
import type { TypedTensor } from './tensor.ts';

/** What a request may say beside its tensors, in the protocol's own words. */
export type Parameters = Readonly<Record<string, string | number | boolean>>;

export interface RequestMessage {
  readonly id: string | undefined;
  readonly inputs: readonly (readonly [name: string, tensor: TypedTensor])[];
  /** Undefined asks for all. */
  readonly outputs: readonly string[] | undefined;
  readonly parameters: Parameters;
}

export interface EncodedMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | string;
}

const headerLength = 'inference-header-content-length';
/** Tensors start at a multiple of this many bytes, so that the server can take them as they lie. */
const alignment = 8;

/** An infer request of the Open Inference Protocol with the binary tensor extension. */
export function encodeBinary({ id, inputs, outputs, parameters }: RequestMessage): EncodedMessage {
  const parts = inputs.map(([, tensor]) => bytesOfTensor(tensor));
  const header = JSON.stringify({
    ...(id !== undefined && { id }),
    parameters: { ...parameters, ...(outputs === undefined && { binary_data_output: true }) },
    inputs: inputs.map(([name, { datatype, shape }], index) => ({
      name,
      datatype,
      shape,
      parameters: { binary_data_size: parts[index]?.length ?? 0 },
    })),
    ...(outputs !== undefined && { outputs: outputs.map(name => ({ name, parameters: { binary_data: true } })) }),
  });
  const json = new TextEncoder().encode(header);
  const jsonBytes = Math.ceil(json.length / alignment) * alignment;
  const body = new Uint8Array(parts.reduce((sum, { length }) => sum + length, jsonBytes));
  body.fill(0x20, json.length, jsonBytes);
  body.set(json);
  let at = jsonBytes;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return { headers: { 'content-type': 'application/octet-stream', [headerLength]: String(jsonBytes) }, body };
}

/** The same request as JSON, for servers without the extension. */
export function encodeJson({ id, inputs, outputs, parameters }: RequestMessage): EncodedMessage {
  const tensors = inputs.map(([name, tensor]) => {
    const head = JSON.stringify({ name, datatype: tensor.datatype, shape: tensor.shape });
    return `${head.slice(0, -1)},"data":${elementsAsJson(name, tensor)}}`;
  });
  const rest = JSON.stringify({
    ...(id !== undefined && { id }),
    ...(Object.keys(parameters).length > 0 && { parameters }),
    ...(outputs !== undefined && { outputs: outputs.map(name => ({ name })) }),
  }).slice(1);
  const body = `{"inputs":[${tensors.join(',')}]${rest === '}' ? '}' : `,${rest}`}`;
  return { headers: { 'content-type': 'application/json' }, body };
}

export interface AnswerMessage {
  readonly id: string | undefined;
  readonly modelName: string;
  readonly modelVersion: string | undefined;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, TypedTensor>>;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

function bad(why: string, cause?: unknown): InferenceError {
  return new InferenceError('bad_answer', `The server's answer is not of the Open Inference Protocol: ${why}.`, {
    cause,
  });
}

function isShape(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(dim => Number.isSafeInteger(dim) && dim >= 0);
}

function isDatatype(value: unknown): value is Datatype {
  const known: readonly unknown[] = datatypes;
  return known.includes(value);
}

/** Reads answers; the binary tensors follow the JSON in the order of the outputs. */
class AnswerReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at: number;

  constructor(bytes: Uint8Array<ArrayBuffer>, jsonBytes: number) {
    this.#bytes = bytes;
    this.#at = jsonBytes;
  }

  output(value: unknown): readonly [string, TypedTensor] {
    const { name, datatype, shape, data, parameters } = recordOf(value);
    if (typeof name !== 'string' || !isShape(shape)) throw bad('an output has no name or no shape');
    if (!isDatatype(datatype)) throw bad(`output "${name}" is of the unknown datatype ${String(datatype)}`);
    const size = recordOf(parameters).binary_data_size;
    const count = elementCount(shape);
    if (size === undefined) return [name, { datatype, shape, data: dataOfJson(data, datatype, count, name) }];
    const end = this.#at + Number(size);
    if (!Number.isSafeInteger(size) || Number(size) < 0 || end > this.#bytes.length)
      throw bad(`output "${name}" is cut off`);
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return [name, { datatype, shape, data: dataOfBytes(bytes, datatype, count, name) }];
  }
}

/**
 * Reads an infer answer, JSON or binary.
 * @param lengthHeader the header `Inference-Header-Content-Length`; null when all is JSON
 * @throws InferenceError `bad_answer`
 */
export function decodeAnswer(buffer: ArrayBuffer, lengthHeader: string | null): AnswerMessage {
  const bytes = new Uint8Array(buffer);
  const jsonBytes = lengthHeader === null ? bytes.length : Number(lengthHeader);
  if (!Number.isInteger(jsonBytes) || jsonBytes < 0 || jsonBytes > bytes.length)
    throw bad('its JSON part has no length');
  let parsed: unknown;
  try {
    parsed = parseExactly(new TextDecoder().decode(bytes.subarray(0, jsonBytes)));
  } catch (error) {
    throw bad('it is not JSON', error);
  }
  const { id, model_name: modelName, model_version: modelVersion, parameters, outputs } = recordOf(parsed);
  if (!Array.isArray(outputs)) throw bad('it has no outputs');
  const reader = new AnswerReader(bytes, jsonBytes);
  return {
    id: typeof id === 'string' ? id : undefined,
    modelName: typeof modelName === 'string' ? modelName : '',
    modelVersion: typeof modelVersion === 'string' ? modelVersion : undefined,
    parameters: recordOf(parameters),
    outputs: Object.fromEntries(outputs.map(output => reader.output(output))),
  };
}

export { headerLength as inferenceHeaderLength };
