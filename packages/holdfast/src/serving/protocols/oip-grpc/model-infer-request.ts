import { type Datatype, elementCount, type Tensor, type TensorData, typedArrayOf } from '@holdfast/api';
import { WireReader, wireTypes } from '../../grpc/wire-reader.ts';
import { badRequest } from '../../refusal.ts';
import { checkSize, isDatatype } from '../oip/datatypes.ts';
import { checkParameters, queueTerms, type RequestParameters, unsupported } from '../oip/parameters.ts';
import { readBinary, readText } from '../oip-rest/binary-tensors.ts';
import { type InferRequest, readRequestedOutput } from '../oip-rest/infer-request.ts';

/** Elements as they came in an `InferTensorContents`: the number of its field, and the part of it. */
interface Contents {
  readonly field: number;
  readonly parts: readonly WireReader[];
  /** Elements that came one by one, which old encoders do with numbers too. */
  readonly single: readonly WireElement[];
}

/** An element outside a packed field: a number with its high half, or bytes. */
type WireElement =
  | { readonly low: number; readonly high: number }
  | { readonly float: number }
  | { readonly bytes: Buffer };

interface WireInput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters: RequestParameters | undefined;
  readonly contents: Contents | undefined;
}

interface WireOutput {
  readonly name: string;
  readonly parameters: RequestParameters | undefined;
}

/** A `ModelInferRequest` whose tensors are still views into the message. */
export interface ModelInferRequest {
  readonly model: string;
  /** Empty means the champion. */
  readonly version: string;
  readonly id: string;
  readonly parameters: RequestParameters | undefined;
  readonly inputs: readonly WireInput[];
  readonly outputs: readonly WireOutput[];
  readonly raw: readonly Buffer[];
}

type Parameter = string | number | bigint | boolean;

function readParameter(reader: WireReader): Parameter | undefined {
  let value: Parameter | undefined;
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 1) value = reader.boolean();
    else if (field === 2) value = exact(reader.int64(), () => BigInt.asIntN(64, wide(reader)));
    else if (field === 3) value = reader.text();
    else if (field === 4) value = reader.double();
    else if (field === 5) value = exact(reader.uint64(), () => wide(reader));
    else reader.skip();
  }
  return value;
}

function wide({ low, high }: WireReader): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

function exact(value: number, large: () => bigint): number | bigint {
  return Number.isSafeInteger(value) ? value : large();
}

/** Adds one entry of a parameter map. */
function addParameter(reader: WireReader, parameters: Map<string, Parameter>): void {
  let name = '';
  let value: Parameter | undefined;
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 1) name = reader.text();
    else if (field === 2) value = readParameter(reader.nested());
    else reader.skip();
  }
  if (value === undefined) {
    throw badRequest(`parameter '${name}' has invalid type. It should be either 'int', 'bool', 'double' or 'string'.`);
  }
  parameters.set(name, value);
}

function readShape(reader: WireReader, shape: number[]): void {
  if (reader.wireType === wireTypes.varint) shape.push(reader.int64());
  else {
    const packed = reader.nested();
    while (packed.at < packed.end) {
      packed.packedVarint();
      shape.push((packed.high | 0) * 4_294_967_296 + packed.low);
    }
  }
  // Far more than any model has; a longer list is an attack.
  if (shape.length > 64) throw badRequest("Unable to parse 'shape': more than 64 dimensions");
}

function readSingle(reader: WireReader): WireElement {
  if (reader.wireType === wireTypes.fixed32) return { float: reader.float() };
  if (reader.wireType === wireTypes.fixed64) return { float: reader.double() };
  reader.varint();
  return { low: reader.low, high: reader.high };
}

const textField = 8;

function readContents(reader: WireReader, input: string): Contents | undefined {
  let used = 0;
  const parts: WireReader[] = [];
  const single: WireElement[] = [];
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field > textField) {
      reader.skip();
      continue;
    }
    if (used !== 0 && used !== field) throw badRequest(`contents of input '${input}' use more than one field`);
    used = field;
    if (field === textField) single.push({ bytes: reader.view() });
    else if (reader.wireType === wireTypes.bytes) parts.push(reader.nested());
    else single.push(readSingle(reader));
  }
  return used === 0 ? undefined : { field: used, parts, single };
}

function readInput(reader: WireReader): WireInput {
  let name = '';
  let datatype = '';
  const shape: number[] = [];
  let parameters: Map<string, Parameter> | undefined;
  let body: WireReader | undefined;
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 1) name = reader.text();
    else if (field === 2) datatype = reader.text();
    else if (field === 3) readShape(reader, shape);
    else if (field === 4) {
      parameters ??= new Map();
      addParameter(reader.nested(), parameters);
    } else if (field === 5) body = reader.nested();
    else reader.skip();
  }
  return {
    name,
    datatype,
    shape,
    parameters: parameters === undefined ? undefined : checkParameters(parameters),
    contents: body === undefined ? undefined : readContents(body, name),
  };
}

function readOutput(reader: WireReader): WireOutput {
  let name = '';
  let parameters: Map<string, Parameter> | undefined;
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 1) name = reader.text();
    else if (field === 2) {
      parameters ??= new Map();
      addParameter(reader.nested(), parameters);
    } else reader.skip();
  }
  return { name, parameters: parameters === undefined ? undefined : checkParameters(parameters) };
}

/** Reads the frame of a request; its elements are read when the model is known. @throws Refusal `bad_request` */
export function readModelInferRequest(bytes: Buffer): ModelInferRequest {
  const reader = new WireReader(bytes);
  let model = '';
  let version = '';
  let id = '';
  let parameters: Map<string, Parameter> | undefined;
  const inputs: WireInput[] = [];
  const outputs: WireOutput[] = [];
  const raw: Buffer[] = [];
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 1) model = reader.text();
    else if (field === 2) version = reader.text();
    else if (field === 3) id = reader.text();
    else if (field === 4) {
      parameters ??= new Map();
      addParameter(reader.nested(), parameters);
    } else if (field === 5) inputs.push(readInput(reader.nested()));
    else if (field === 6) outputs.push(readOutput(reader.nested()));
    else if (field === 7) raw.push(reader.view());
    else reader.skip();
  }
  const checked = parameters === undefined ? undefined : checkParameters(parameters);
  return { model, version, id, parameters: checked, inputs, outputs, raw };
}

/** The field of `InferTensorContents` that carries each datatype; undefined where only bytes can. */
const fieldOf: Readonly<Record<Datatype, { readonly field: number; readonly name: string } | undefined>> = {
  BOOL: { field: 1, name: 'bool_contents' },
  INT8: { field: 2, name: 'int_contents' },
  INT16: { field: 2, name: 'int_contents' },
  INT32: { field: 2, name: 'int_contents' },
  INT64: { field: 3, name: 'int64_contents' },
  UINT8: { field: 4, name: 'uint_contents' },
  UINT16: { field: 4, name: 'uint_contents' },
  UINT32: { field: 4, name: 'uint_contents' },
  UINT64: { field: 5, name: 'uint64_contents' },
  FP16: undefined,
  FP32: { field: 6, name: 'fp32_contents' },
  FP64: { field: 7, name: 'fp64_contents' },
  BYTES: { field: 8, name: 'bytes_contents' },
};

/** Most elements there can be: each takes a byte at least. */
function capacityOf({ parts, single }: Contents): number {
  return parts.reduce((sum, { at, end }) => sum + end - at, single.length);
}

/** Numbers that travel as varints. */
function readVarints(contents: Contents, datatype: Exclude<Datatype, 'BYTES'>, name: string): TensorData {
  const wide = datatype === 'INT64' || datatype === 'UINT64';
  const isSigned = contents.field === 2 || contents.field === 3;
  // Pairs of halves, low first: a 64-bit number as the machine lays it out.
  const halves = new Uint32Array(2 * capacityOf(contents));
  let count = 0;
  const add = (low: number, high: number): void => {
    halves[2 * count] = low;
    halves[2 * count + 1] = high;
    count++;
  };
  for (const part of contents.parts) {
    while (part.at < part.end) {
      part.packedVarint();
      add(part.low, part.high);
    }
  }
  for (const element of contents.single) if ('low' in element) add(element.low, element.high);
  if (wide) return new (datatype === 'INT64' ? BigInt64Array : BigUint64Array)(halves.buffer, 0, count);
  const numbers = new typedArrayOf[datatype](count);
  for (let i = 0; i < count; i++) {
    const low = halves[2 * i]!;
    const value = datatype === 'BOOL' ? Number((low | halves[2 * i + 1]!) !== 0) : isSigned ? low | 0 : low;
    numbers[i] = value;
    if (Number(numbers[i]) !== value) throw badRequest(`element ${i} of input '${name}' does not fit into ${datatype}`);
  }
  return numbers;
}

/** Numbers that travel as their IEEE 754 bytes. */
function readFloats({ parts, single }: Contents, datatype: 'FP32' | 'FP64', name: string): TensorData {
  const size = datatype === 'FP32' ? 4 : 8;
  const bytes = parts.reduce((sum, { at, end }) => sum + end - at, 0);
  if (parts.some(({ at, end }) => (end - at) % size !== 0)) {
    throw badRequest(`the contents of input '${name}' are not whole ${datatype} elements`);
  }
  const memory = new Uint8Array(bytes + single.length * size);
  let at = 0;
  for (const { bytes: source, at: from, end } of parts) {
    memory.set(source.subarray(from, end), at);
    at += end - from;
  }
  const floats = datatype === 'FP32' ? new Float32Array(memory.buffer) : new Float64Array(memory.buffer);
  for (const element of single) {
    if (!('float' in element)) throw badRequest(`the contents of input '${name}' are not ${datatype} elements`);
    floats[at / size] = element.float;
    at += size;
  }
  return floats;
}

function readTyped({ name, contents }: WireInput, datatype: Datatype, model: string): TensorData {
  if (contents === undefined) return datatype === 'BYTES' ? [] : new typedArrayOf[datatype](0);
  const wanted = fieldOf[datatype];
  if (wanted === undefined) {
    throw badRequest(`${datatype} data of input '${name}' for model '${model}' must be sent in raw_input_contents`);
  }
  if (contents.field !== wanted.field) {
    throw badRequest(
      `unexpected explicit tensor data for input tensor '${name}' for model '${model}' of type '${datatype}'; expected ${wanted.name}`,
    );
  }
  if (datatype === 'BYTES') {
    return contents.single.map((element, index) =>
      'bytes' in element ? readText(element.bytes, index, { input: name, model }) : '',
    );
  }
  if (datatype === 'FP32' || datatype === 'FP64') return readFloats(contents, datatype, name);
  return readVarints(contents, datatype, name);
}

function readTensor(input: WireInput, raw: Buffer | undefined, model: string): Tensor {
  const { name, datatype, shape, parameters, contents } = input;
  if (!isDatatype(datatype)) {
    throw badRequest(`Unable to parse 'datatype': '${datatype.slice(0, 40)}' of input '${name}' is not known`);
  }
  if (parameters?.has('shared_memory_region') === true) throw unsupported('shared memory');
  if (shape.some(dim => dim < 0)) {
    throw badRequest(`unexpected shape for input '${name}' for model '${model}': a dimension is negative`);
  }
  checkSize(name, datatype, shape);
  if (raw === undefined) return { name, datatype, shape, data: readTyped(input, datatype, model) };
  if (contents !== undefined) {
    throw badRequest(
      `contents field must not be specified when using raw_input_contents for '${name}' for model '${model}'`,
    );
  }
  return { name, datatype, shape, data: readBinary(raw, datatype, elementCount(shape), { input: name, model }) };
}

/**
 * The request with its tensors: raw contents are views where they are aligned.
 * @param needsRaw whether an output has no typed form, so that the answer must be raw whatever the request was
 * @throws Refusal `bad_request`
 */
export function inferRequestOf(request: ModelInferRequest, model: string, needsRaw: boolean): InferRequest {
  const { id, parameters, inputs, outputs, raw } = request;
  const isRaw = raw.length > 0;
  if (isRaw && raw.length !== inputs.length) {
    throw badRequest(
      `unexpected number of raw_input_contents for model '${model}': expected ${inputs.length}, one per input, got ${raw.length}`,
    );
  }
  const tensors: Tensor[] = [];
  for (let i = 0; i < inputs.length; i++) {
    const tensor = readTensor(inputs[i]!, isRaw ? raw[i] : undefined, model);
    if (tensors.some(({ name }) => name === tensor.name)) {
      throw badRequest(`input '${tensor.name}' already exists in request`);
    }
    tensors.push(tensor);
  }
  const asked = new Set(outputs.map(({ name }) => name));
  if (asked.size !== outputs.length) {
    const again = outputs.find(({ name }, i) => outputs.findIndex(other => other.name === name) !== i);
    throw badRequest(`output '${again?.name}' already exists in request`);
  }
  return {
    id: id === '' ? undefined : id,
    inputs: tensors,
    // An answer is raw or typed as a whole here, whatever a client copies from its requests over REST.
    outputs:
      outputs.length === 0
        ? undefined
        : outputs.map(output => ({ ...readRequestedOutput(output.name, output.parameters), isBinary: undefined })),
    isBinaryOutput: isRaw || needsRaw,
    ...queueTerms(parameters),
  };
}
