import { type Datatype, elementCount, type Tensor, type TensorSpec } from '@holdfast/api';
import { z } from 'zod';
import { JsonCursor, type JsonValue } from '../json/json-cursor.ts';
import { isObject } from '../protocols/tfs-rest/json-values.ts';
import { plainWriterOf, writeColumns } from '../protocols/tfs-rest/predict-response.ts';
import { tensorOfJson } from '../protocols/tfs-rest/tensor-of-json.ts';
import type { HttpLine } from './http-line.ts';
import { type RemoteClient, RemoteFailure, type RemoteTensors, unreadable } from './remote-client.ts';
import type { RemoteSource } from './remote-source.ts';

const protocol = "TensorFlow Serving's";

const datatypeOf: Readonly<Record<string, Datatype>> = {
  DT_FLOAT: 'FP32',
  DT_DOUBLE: 'FP64',
  DT_INT8: 'INT8',
  DT_INT16: 'INT16',
  DT_INT32: 'INT32',
  DT_INT64: 'INT64',
  DT_UINT8: 'UINT8',
  DT_UINT16: 'UINT16',
  DT_UINT32: 'UINT32',
  DT_UINT64: 'UINT64',
  DT_BOOL: 'BOOL',
  DT_STRING: 'BYTES',
};

const tensorSchema = z.object({
  dtype: z.string(),
  tensor_shape: z.object({
    dim: z.array(z.object({ size: z.coerce.number().int().min(-1) })).default([]),
    unknown_rank: z.boolean().default(false),
  }),
});
const signatureSchema = z.object({
  inputs: z.record(z.string(), tensorSchema),
  outputs: z.record(z.string(), tensorSchema),
});
const metadataSchema = z.object({
  metadata: z.object({ signature_def: z.object({ signature_def: z.record(z.string(), z.unknown()) }) }),
});
const statusSchema = z.object({ model_version_status: z.array(z.object({ state: z.string() })) });

function specsOf(tensors: z.output<typeof signatureSchema>['inputs']): TensorSpec[] {
  return Object.entries(tensors).map(([name, { dtype, tensor_shape: shape }]) => {
    const datatype = datatypeOf[dtype];
    if (datatype === undefined || shape.unknown_rank)
      throw new RemoteFailure('failed', `has the tensor "${name}" of ${dtype}, which is not served`);
    return { name, datatype, shape: shape.dim.map(({ size }) => size), optional: false };
  });
}

/** TensorFlow Serving over HTTP, tensors by column as JSON. */
export class TfsHttpClient implements RemoteClient {
  readonly #line: HttpLine;
  readonly #path: string;
  /** What is read of an answer, which does not say it itself; asked for once. */
  #tensors: RemoteTensors | undefined;

  constructor({ model, version }: RemoteSource, line: HttpLine) {
    this.#line = line;
    const path = `/v1/models/${encodeURIComponent(model)}`;
    const kind = version !== undefined && /^[0-9]+$/.test(version) ? 'versions' : 'labels';
    this.#path = version === undefined ? path : `${path}/${kind}/${encodeURIComponent(version)}`;
  }

  async #look<S extends z.ZodType>(path: string, schema: S, timeoutMs: number): Promise<z.output<S>> {
    const { body } = await this.#line.ask({ method: 'GET', path, timeoutMs });
    try {
      return schema.parse(JSON.parse(body.toString('utf8')));
    } catch (cause) {
      throw new RemoteFailure('failed', `gave an answer that is not ${protocol}`, { cause });
    }
  }

  async describe(timeoutMs: number): Promise<RemoteTensors> {
    const { metadata } = await this.#look(`${this.#path}/metadata`, metadataSchema, timeoutMs);
    const signature = signatureSchema.safeParse(metadata.signature_def.signature_def.serving_default);
    if (!signature.success) throw new RemoteFailure('failed', 'describes no signature "serving_default"');
    this.#tensors = { inputs: specsOf(signature.data.inputs), outputs: specsOf(signature.data.outputs) };
    return this.#tensors;
  }

  async isReady(timeoutMs: number): Promise<boolean> {
    const { model_version_status: versions } = await this.#look(this.#path, statusSchema, timeoutMs);
    return versions.some(({ state }) => state === 'AVAILABLE');
  }

  async infer(inputs: readonly Tensor[], timeoutMs: number): Promise<readonly Tensor[]> {
    const { outputs } = this.#tensors ?? (await this.describe(timeoutMs));
    const body = Buffer.from(`{"inputs":${writeColumns(inputs, plainWriterOf)}}`);
    const headers = { 'Content-Type': 'application/json' };
    try {
      const reply = await this.#line.ask({ method: 'POST', path: `${this.#path}:predict`, headers, body, timeoutMs });
      const answer = new JsonCursor(reply.body).value();
      const given = isObject(answer) ? answer.get('outputs') : undefined;
      if (given === undefined) throw new Error('it has no "outputs"');
      return outputs.map(spec => outputOf(given, spec, outputs.length === 1));
    } catch (error) {
      // After a restart it may be another model.
      this.#tensors = undefined;
      throw unreadable(protocol, error);
    }
  }

  close(): void {
    this.#line.close();
  }
}

function outputOf(given: JsonValue, spec: TensorSpec, isOnly: boolean): Tensor {
  const value = isOnly ? given : isObject(given) ? given.get(spec.name) : undefined;
  if (value === undefined) throw new Error(`it has no output "${spec.name}"`);
  const tensor = tensorOfJson(value, spec);
  if (tensor.data.length !== elementCount(tensor.shape)) throw new Error(`output "${spec.name}" is not filled`);
  return tensor;
}
