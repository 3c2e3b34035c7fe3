import { isUtf8 } from 'node:buffer';
import { elementCount, type Tensor, type TensorData } from '@holdfast/api';
import { JsonCursor, JsonDepthError, JsonSyntaxError } from '../../json/json-cursor.ts';
import { ElementError, readElements } from '../../json/tensor-elements.ts';
import { badRequest, Refusal } from '../../refusal.ts';
import type { SequenceParameters } from '../../sequences/sequence-book.ts';
import { checkSize, isDatatype } from '../oip/datatypes.ts';
import {
  booleanParameter,
  checkParameters,
  notA,
  queueTerms,
  type RequestParameters,
  unparsable,
  unsupported,
  wholeParameter,
} from '../oip/parameters.ts';
import { readBinary } from './binary-tensors.ts';

export interface RequestedOutput {
  readonly name: string;
  /** Undefined follows the request's `binary_data_output`. */
  readonly isBinary: boolean | undefined;
  /** The parameter `classification`: how many of the largest elements to answer, as text. */
  readonly classes: number | undefined;
}

/** @throws Refusal `bad_request`, or 501 for an extension that is not served */
export function readRequestedOutput(name: string, parameters: RequestParameters | undefined): RequestedOutput {
  if (parameters?.has('shared_memory_region') === true) throw unsupported('shared memory');
  return {
    name,
    isBinary: booleanParameter(parameters, 'binary_data'),
    classes: parameters === undefined ? undefined : wholeParameter(parameters, 'classification'),
  };
}

/** An infer request, its tensors typed and complete, not yet compared with any model. */
export interface InferRequest {
  readonly id: string | undefined;
  readonly inputs: readonly Tensor[];
  /** Undefined asks for all. */
  readonly outputs: readonly RequestedOutput[] | undefined;
  readonly isBinaryOutput: boolean;
  /** Longest wait in the queue, from the parameter `timeout` (microseconds). */
  readonly queueTimeoutMs: number | undefined;
  /** The parameter `priority`: 1 is the most urgent; 0 and nothing mean the model's default. */
  readonly priority: number | undefined;
  /** The parameters `sequence_id`, `sequence_start` and `sequence_end`. */
  readonly sequence: SequenceParameters | undefined;
}

function absent(field: string): Refusal {
  return unparsable(field, `attempt to access non-existing object member '${field}'`);
}

function onlyBinary(datatype: string, input: string): Refusal {
  return badRequest(
    `receiving ${datatype} data via JSON is not supported. Please use the binary data format for input ${input}`,
  );
}

function readText(cursor: JsonCursor, field: string): string {
  if (cursor.peek() !== 0x22) throw notA(field, 'string');
  return cursor.string();
}

/** @throws Refusal when it is no object of strings, numbers and booleans */
function readParameters(cursor: JsonCursor): RequestParameters {
  const value = cursor.value();
  if (!(value instanceof Map)) throw notA('parameters', 'object');
  return checkParameters(value);
}

function readShape(cursor: JsonCursor): number[] {
  if (cursor.peek() !== 0x5b) throw notA('shape', 'array');
  cursor.at++;
  const shape: number[] = [];
  while (cursor.nextElement(shape.length === 0)) {
    const byte = cursor.bytes[cursor.at]!;
    if (byte < 0x30 || byte > 0x39) throw notA('shape', 'unsigned-integer');
    const dim = cursor.number();
    if (!cursor.isWhole) throw notA('shape', 'unsigned-integer');
    shape.push(dim);
    // Far more than any model has; a longer list is an attack.
    if (shape.length > 64) throw unparsable('shape', 'more than 64 dimensions');
  }
  return shape;
}

/** Reads infer requests; one instance per request. */
class InferReader {
  readonly #body: Buffer;
  readonly #cursor: JsonCursor;
  readonly #model: string;
  /** Where the next binary tensor starts. */
  #binaryAt: number;
  #inputs: Tensor[] | undefined;
  #outputs: RequestedOutput[] | undefined;
  #parameters: RequestParameters | undefined;
  #id: string | undefined;

  constructor(body: Buffer, jsonBytes: number, model: string) {
    this.#body = body;
    this.#cursor = new JsonCursor(body, 0, jsonBytes);
    this.#binaryAt = jsonBytes;
    this.#model = model;
  }

  read(): InferRequest {
    const cursor = this.#cursor;
    const first = cursor.peek();
    if (first === -1) cursor.fail('The document is empty.');
    if (first !== 0x7b) {
      cursor.skip();
      throw notA('inputs', 'object');
    }
    cursor.beginObject();
    for (let key = cursor.nextKey(true); key !== undefined; key = cursor.nextKey(false)) this.#field(key);
    if (cursor.peek() !== -1) cursor.fail('The document root must not be followed by other values.');
    if (this.#inputs === undefined) throw absent('inputs');
    if (this.#binaryAt < this.#body.length) {
      throw badRequest(
        `unexpected additional input data for model '${this.#model}': ${this.#body.length - this.#binaryAt} bytes`,
      );
    }
    const parameters = this.#parameters;
    return {
      id: this.#id,
      inputs: this.#inputs,
      outputs: this.#outputs,
      isBinaryOutput: booleanParameter(parameters, 'binary_data_output') ?? false,
      ...queueTerms(parameters),
    };
  }

  #field(key: string): void {
    const cursor = this.#cursor;
    switch (key) {
      case 'id':
        this.#id = readText(cursor, 'id');
        return;
      case 'inputs':
        this.#readInputs();
        return;
      case 'outputs':
        this.#readOutputs();
        return;
      case 'parameters':
        this.#parameters = readParameters(cursor);
        return;
      default:
        cursor.skip(1);
    }
  }

  #readInputs(): void {
    const cursor = this.#cursor;
    if (cursor.peek() !== 0x5b) throw notA('inputs', 'array');
    cursor.at++;
    const inputs: Tensor[] = [];
    while (cursor.nextElement(inputs.length === 0)) {
      const tensor = this.#readInput();
      if (inputs.some(({ name }) => name === tensor.name))
        throw badRequest(`input '${tensor.name}' already exists in request`);
      inputs.push(tensor);
    }
    this.#inputs = inputs;
  }

  #readInput(): Tensor {
    const cursor = this.#cursor;
    if (cursor.peek() !== 0x7b) throw notA('inputs', 'object');
    cursor.at++;
    let name: string | undefined;
    let datatype: string | undefined;
    let shape: number[] | undefined;
    let parameters: RequestParameters | undefined;
    let data: TensorData | undefined;
    let dataAt = -1;
    for (let key = cursor.nextKey(true); key !== undefined; key = cursor.nextKey(false)) {
      if (key === 'name') name = readText(cursor, 'name');
      else if (key === 'datatype') datatype = readText(cursor, 'datatype');
      else if (key === 'shape') shape = readShape(cursor);
      else if (key === 'parameters') parameters = readParameters(cursor);
      else if (key === 'data') {
        cursor.peek();
        dataAt = cursor.at;
        // Usually name, type and shape come first and the data can be read in place.
        if (name !== undefined && datatype !== undefined && shape !== undefined) {
          data = this.#readData(name, datatype, shape);
        } else cursor.skip(2);
      } else cursor.skip(2);
    }
    if (name === undefined) throw absent('name');
    if (shape === undefined) throw absent('shape');
    if (datatype === undefined) throw absent('datatype');
    if (dataAt >= 0 && data === undefined) {
      const after = cursor.at;
      cursor.at = dataAt;
      data = this.#readData(name, datatype, shape);
      cursor.at = after;
    }
    return this.#tensor(name, datatype, shape, data, parameters);
  }

  #readData(name: string, datatype: string, shape: readonly number[]): TensorData {
    if (datatype === 'BF16') throw onlyBinary(datatype, name);
    if (!isDatatype(datatype))
      throw unparsable('datatype', `'${datatype.slice(0, 40)}' of input '${name}' is not known`);
    checkSize(name, datatype, shape);
    if (datatype === 'FP16') throw onlyBinary(datatype, name);
    try {
      return readElements(this.#cursor, datatype, shape);
    } catch (error) {
      if (!(error instanceof ElementError) || error.index === undefined) throw error;
      throw badRequest(`element ${error.index} of input '${name}' for model '${this.#model}' ${error.message}`);
    }
  }

  #tensor(
    name: string,
    datatype: string,
    shape: number[],
    data: TensorData | undefined,
    parameters: RequestParameters | undefined,
  ): Tensor {
    if (!isDatatype(datatype))
      throw unparsable('datatype', `'${datatype.slice(0, 40)}' of input '${name}' is not known`);
    if (parameters?.has('shared_memory_region') === true) throw unsupported('shared memory');
    const bytes = parameters === undefined ? undefined : wholeParameter(parameters, 'binary_data_size');
    if (data !== undefined && bytes === undefined) return { name, datatype, shape, data };
    if (bytes === undefined || data !== undefined) {
      const set = data === undefined ? 'no field is set' : "set 'data' 'binary_data_size'";
      throw badRequest(
        "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', " +
          `'shared_memory_region' in 'parameters'. But ${set}`,
      );
    }
    checkSize(name, datatype, shape);
    const from = this.#binaryAt;
    const available = this.#body.length - from;
    if (bytes > available) {
      throw badRequest(
        `unexpected size for input '${name}', expecting ${bytes - available} additional bytes for model '${this.#model}'`,
      );
    }
    this.#binaryAt = from + bytes;
    const place = { input: name, model: this.#model };
    return {
      name,
      datatype,
      shape,
      data: readBinary(this.#body.subarray(from, from + bytes), datatype, elementCount(shape), place),
    };
  }

  #readOutputs(): void {
    const cursor = this.#cursor;
    if (cursor.peek() !== 0x5b) throw notA('outputs', 'array');
    cursor.at++;
    const outputs: RequestedOutput[] = [];
    while (cursor.nextElement(outputs.length === 0)) {
      const output = this.#readOutput();
      if (outputs.some(({ name }) => name === output.name)) {
        throw badRequest(`output '${output.name}' already exists in request`);
      }
      outputs.push(output);
    }
    this.#outputs = outputs.length === 0 ? undefined : outputs;
  }

  #readOutput(): RequestedOutput {
    const cursor = this.#cursor;
    if (cursor.peek() !== 0x7b) throw notA('outputs', 'object');
    cursor.at++;
    let name: string | undefined;
    let parameters: RequestParameters | undefined;
    for (let key = cursor.nextKey(true); key !== undefined; key = cursor.nextKey(false)) {
      if (key === 'name') name = readText(cursor, 'name');
      else if (key === 'parameters') parameters = readParameters(cursor);
      else cursor.skip(2);
    }
    if (name === undefined) throw absent('name');
    return readRequestedOutput(name, parameters);
  }
}

/** What is no JSON is refused as such, before anything that its beginning says is. */
function readOrComplain(body: Buffer, jsonBytes: number, model: string): InferRequest {
  try {
    return new InferReader(body, jsonBytes, model).read();
  } catch (error) {
    if (error instanceof Refusal) new JsonCursor(body, 0, jsonBytes).skip();
    throw error;
  }
}

/**
 * Reads an infer request: `jsonBytes` of JSON, then the binary tensors in the order of the JSON's inputs.
 * @throws Refusal `bad_request`
 */
export function readInferRequest(body: Buffer, jsonBytes: number, model: string): InferRequest {
  if (!isUtf8(jsonBytes === body.length ? body : body.subarray(0, jsonBytes))) {
    throw badRequest('failed to parse the request JSON buffer: Invalid encoding in string.');
  }
  try {
    return readOrComplain(body, jsonBytes, model);
  } catch (error) {
    if (error instanceof JsonSyntaxError) {
      throw badRequest(`failed to parse the request JSON buffer: ${error.reason} at ${error.offset}`);
    }
    if (error instanceof ElementError || error instanceof JsonDepthError) throw badRequest(error.message);
    throw error;
  }
}
