import { elementCount, type Tensor, tensorSpecSchema } from '@holdfast/api';
import { z } from 'zod';
import { JsonCursor, type JsonObject, type JsonValue } from '../json/json-cursor.ts';
import { elementWriters } from '../json/write-number.ts';
import { checkSize, isDatatype } from '../protocols/oip/datatypes.ts';
import { readBinary, writeBinary } from '../protocols/oip-rest/binary-tensors.ts';
import { isList, isObject } from '../protocols/tfs-rest/json-values.ts';
import { tensorOfJson } from '../protocols/tfs-rest/tensor-of-json.ts';
import type { HttpLine } from './http-line.ts';
import { type RemoteClient, RemoteFailure, type RemoteTensors, unreadable } from './remote-client.ts';
import type { RemoteSource } from './remote-source.ts';

const metadataSchema = z.object({
  inputs: z.array(tensorSpecSchema).min(1),
  outputs: z.array(tensorSpecSchema).min(1),
});
const serverSchema = z.object({ extensions: z.array(z.string()).default([]) });
const protocol = 'Open Inference Protocol';

function wholeOf(value: JsonValue | undefined): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new Error('a size is no whole number');
  return value;
}

/** Elements as JSON. @throws RemoteFailure for what has no JSON form */
function jsonOf({ name, datatype, data }: Tensor): string {
  if (datatype === 'FP16')
    throw new RemoteFailure('failed', `takes no bytes, and the FP16 tensor "${name}" has no other form`);
  return elementWriters[datatype](data, 0, data.length);
}

/** Open Inference Protocol over HTTP: tensors as bytes where the server lists that extension, else as JSON. */
export class OipHttpClient implements RemoteClient {
  readonly #line: HttpLine;
  readonly #model: string;
  readonly #path: string;
  /** Undefined until the server said it. */
  #takesBinary: boolean | undefined;

  constructor({ model, version }: RemoteSource, line: HttpLine) {
    this.#line = line;
    this.#model = model;
    const path = `/v2/models/${encodeURIComponent(model)}`;
    this.#path = version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
  }

  async describe(timeoutMs: number): Promise<RemoteTensors> {
    const { body } = await this.#line.ask({ method: 'GET', path: this.#path, timeoutMs });
    try {
      const { inputs, outputs } = metadataSchema.parse(JSON.parse(body.toString('utf8')));
      return { inputs, outputs };
    } catch (cause) {
      throw new RemoteFailure('failed', 'describes no tensors that can be served', { cause });
    }
  }

  async isReady(timeoutMs: number): Promise<boolean> {
    await this.#line.ask({ method: 'GET', path: `${this.#path}/ready`, timeoutMs });
    return true;
  }

  async infer(inputs: readonly Tensor[], timeoutMs: number): Promise<readonly Tensor[]> {
    this.#takesBinary ??= await this.#listsBinary(timeoutMs);
    const { headers, body } = this.#takesBinary ? binaryRequest(inputs) : jsonRequest(inputs);
    try {
      const path = `${this.#path}/infer`;
      const reply = await this.#line.ask({ method: 'POST', path, headers, body, timeoutMs });
      const length = reply.headers['inference-header-content-length'];
      return this.#outputs(reply.body, length === undefined ? reply.body.length : Number(length));
    } catch (error) {
      const failure = unreadable(protocol, error);
      // It may be another server by now, behind the same address.
      if (failure.kind === 'refused' || failure.kind === 'failed') this.#takesBinary = undefined;
      throw failure;
    }
  }

  async #listsBinary(timeoutMs: number): Promise<boolean> {
    try {
      const { body } = await this.#line.ask({ method: 'GET', path: '/v2', timeoutMs });
      return serverSchema.parse(JSON.parse(body.toString('utf8'))).extensions.includes('binary_tensor_data');
    } catch (error) {
      if (error instanceof RemoteFailure && (error.kind === 'unsent' || error.kind === 'broken')) throw error;
      return false;
    }
  }

  #outputs(body: Buffer, jsonBytes: number): readonly Tensor[] {
    if (!(jsonBytes >= 0 && jsonBytes <= body.length)) throw new Error('its header is longer than its body');
    const answer = new JsonCursor(body, 0, jsonBytes).value();
    const outputs = isObject(answer) ? answer.get('outputs') : undefined;
    if (outputs === undefined || !isList(outputs)) throw new Error('it has no outputs');
    let at = jsonBytes;
    return outputs.map(output => {
      if (!isObject(output)) throw new Error('an output is no object');
      const parameters = output.get('parameters');
      const size = parameters !== undefined && isObject(parameters) ? parameters.get('binary_data_size') : undefined;
      const from = at;
      if (size !== undefined) at += wholeOf(size);
      return this.#output(output, size === undefined ? undefined : body.subarray(from, at));
    });
  }

  #output(output: JsonObject, bytes: Buffer | undefined): Tensor {
    const [name, datatype, dims, data] = ['name', 'datatype', 'shape', 'data'].map(key => output.get(key));
    if (typeof name !== 'string' || typeof datatype !== 'string' || !isDatatype(datatype))
      throw new Error('an output has no name or datatype');
    if (dims === undefined || !isList(dims)) throw new Error(`output "${name}" has no shape`);
    const shape = dims.map(wholeOf);
    checkSize(name, datatype, shape);
    const count = elementCount(shape);
    const place = { input: name, model: this.#model };
    if (bytes !== undefined) return { name, datatype, shape, data: readBinary(bytes, datatype, count, place) };
    const tensor = tensorOfJson(data ?? [], { name, datatype, shape: [-1], optional: false });
    if (tensor.data.length !== count)
      throw new Error(`output "${name}" has ${tensor.data.length} elements for ${count}`);
    return { ...tensor, shape };
  }

  close(): void {
    this.#line.close();
  }
}

interface EncodedRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function binaryRequest(inputs: readonly Tensor[]): EncodedRequest {
  const binary = inputs.map(writeBinary);
  const described = inputs.map(({ name, datatype, shape }, i) => ({
    name,
    datatype,
    shape,
    parameters: { binary_data_size: binary[i]!.length },
  }));
  const json = Buffer.from(JSON.stringify({ inputs: described, parameters: { binary_data_output: true } }));
  return {
    headers: {
      'Content-Type': 'application/octet-stream',
      'Inference-Header-Content-Length': String(json.length),
    },
    body: Buffer.concat([json, ...binary]),
  };
}

function jsonRequest(inputs: readonly Tensor[]): EncodedRequest {
  const described = inputs.map(tensor => {
    const { name, datatype, shape } = tensor;
    return `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join(',')}],"data":[${jsonOf(tensor)}]}`;
  });
  return {
    headers: { 'Content-Type': 'application/json' },
    body: Buffer.from(`{"inputs":[${described.join(',')}]}`),
  };
}
