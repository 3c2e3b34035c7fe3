import type { Tensor, TensorSpec } from '@holdfast/api';
import { WireReader } from '../grpc/wire-reader.ts';
import { WireWriter } from '../grpc/wire-writer.ts';
import { datatypeOf, readTensorProto, writeTensorProto } from '../protocols/tfs-grpc/tensor-proto.ts';
import type { GrpcLine } from './grpc-line.ts';
import { type RemoteClient, RemoteFailure, type RemoteTensors, unreadable } from './remote-client.ts';
import type { RemoteSource } from './remote-source.ts';

const prediction = '/tensorflow.serving.PredictionService';
const protocol = "TensorFlow Serving's";
const signatureName = 'serving_default';
/** `ModelVersionStatus.State.AVAILABLE` */
const available = 30;

/** The values of a map from texts to messages. */
function addEntry(entry: WireReader, into: Map<string, WireReader>): void {
  let name = '';
  let value: WireReader | undefined;
  for (let field = entry.nextField(); field !== 0; field = entry.nextField()) {
    if (field === 1) name = entry.text();
    else if (field === 2) value = entry.nested();
    else entry.skip();
  }
  if (value !== undefined) into.set(name, value);
}

/** The map that stands in one field of a message. */
function mapOf(reader: WireReader, wanted: number): Map<string, WireReader> {
  const entries = new Map<string, WireReader>();
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === wanted) addEntry(reader.nested(), entries);
    else reader.skip();
  }
  return entries;
}

/** The message that stands in one field of another. */
function messageIn(reader: WireReader | undefined, wanted: number): WireReader | undefined {
  let found: WireReader | undefined;
  if (reader === undefined) return undefined;
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === wanted) found = reader.nested();
    else reader.skip();
  }
  return found;
}

function dimOf(reader: WireReader): number {
  let size = 0;
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 1) size = reader.int64();
    else reader.skip();
  }
  return size;
}

/** Undefined when the rank is not known. */
function shapeOf(reader: WireReader): number[] | undefined {
  const shape: number[] = [];
  let isUnknown = false;
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 2) shape.push(dimOf(reader.nested()));
    else if (field === 3) isUnknown = reader.boolean();
    else reader.skip();
  }
  return isUnknown ? undefined : shape;
}

/** A `TensorInfo`. */
function specOf(name: string, reader: WireReader): TensorSpec {
  let dtype = 0;
  let shape: number[] | undefined = [];
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 2) dtype = reader.uint64();
    else if (field === 3) shape = shapeOf(reader.nested());
    else reader.skip();
  }
  const datatype = datatypeOf.get(dtype);
  if (datatype === undefined || shape === undefined)
    throw new RemoteFailure('failed', `has the tensor "${name}" of type ${dtype}, which is not served`);
  return { name, datatype, shape, optional: false };
}

/** TensorFlow Serving over gRPC. */
export class TfsGrpcClient implements RemoteClient {
  readonly #line: GrpcLine;
  readonly #source: RemoteSource;

  constructor(source: RemoteSource, line: GrpcLine) {
    this.#source = source;
    this.#line = line;
  }

  /** The `ModelSpec` in the first field of every request. */
  #writeSpec(writer: WireWriter): void {
    const { model, version } = this.#source;
    writer.nested(1, () => {
      writer.text(1, model);
      if (version !== undefined && /^[0-9]{1,15}$/.test(version))
        writer.nested(2, () => writer.unsigned(1, Number(version)));
      else if (version !== undefined) writer.text(4, version);
    });
  }

  async describe(timeoutMs: number): Promise<RemoteTensors> {
    const writer = new WireWriter();
    this.#writeSpec(writer);
    writer.text(2, 'signature_def');
    const answer = await this.#line.ask(`${prediction}/GetModelMetadata`, writer.finish(), timeoutMs);
    try {
      const definition = mapOf(new WireReader(answer), 2).get('signature_def');
      const signatures = messageIn(definition, 2);
      const signature = signatures && mapOf(signatures, 1).get(signatureName);
      if (signature === undefined) throw new RemoteFailure('failed', `describes no signature "${signatureName}"`);
      const tensors = (field: number): TensorSpec[] => {
        const { bytes, at, end } = signature;
        return [...mapOf(new WireReader(bytes, at, end), field)].map(([name, info]) => specOf(name, info));
      };
      return { inputs: tensors(1), outputs: tensors(2) };
    } catch (error) {
      throw unreadable(protocol, error);
    }
  }

  async isReady(timeoutMs: number): Promise<boolean> {
    const writer = new WireWriter();
    this.#writeSpec(writer);
    const answer = await this.#line.ask('/tensorflow.serving.ModelService/GetModelStatus', writer.finish(), timeoutMs);
    let isReady = false;
    try {
      const reader = new WireReader(answer);
      for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
        if (field !== 1) {
          reader.skip();
          continue;
        }
        const status = reader.nested();
        for (let inner = status.nextField(); inner !== 0; inner = status.nextField()) {
          if (inner === 2) isReady = status.uint64() === available || isReady;
          else status.skip();
        }
      }
    } catch (error) {
      throw unreadable(protocol, error);
    }
    return isReady;
  }

  async infer(inputs: readonly Tensor[], timeoutMs: number): Promise<readonly Tensor[]> {
    const bytes = inputs.reduce((sum, { data }) => sum + (ArrayBuffer.isView(data) ? data.byteLength : 0), 512);
    const writer = new WireWriter(bytes);
    this.#writeSpec(writer);
    for (const tensor of inputs) {
      writer.nested(2, () => {
        writer.text(1, tensor.name);
        writer.nested(2, () => writeTensorProto(writer, tensor));
      });
    }
    const answer = await this.#line.ask(`${prediction}/Predict`, writer.finish(), timeoutMs);
    try {
      const outputs = mapOf(new WireReader(answer), 1);
      return [...outputs].map(([name, tensor]) => ({ ...readTensorProto(tensor, name, this.#source.model), name }));
    } catch (error) {
      throw unreadable(protocol, error);
    }
  }

  close(): void {
    this.#line.close();
  }
}
