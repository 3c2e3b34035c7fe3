import { elementCount, type Tensor, type TensorSpec } from '@holdfast/api';
import { WireReader, wireTypes } from '../grpc/wire-reader.ts';
import { WireWriter } from '../grpc/wire-writer.ts';
import { checkSize, isDatatype } from '../protocols/oip/datatypes.ts';
import { readBinary, writeBinary } from '../protocols/oip-rest/binary-tensors.ts';
import type { GrpcLine } from './grpc-line.ts';
import { type RemoteClient, RemoteFailure, type RemoteTensors, unreadable } from './remote-client.ts';
import type { RemoteSource } from './remote-source.ts';

const service = '/inference.GRPCInferenceService';
const protocol = 'Open Inference Protocol';

interface Head {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** The first three fields of a tensor's metadata and of an output tensor alike. */
function readHead(reader: WireReader): Head {
  let [name, datatype] = ['', ''];
  const shape: number[] = [];
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 1) name = reader.text();
    else if (field === 2) datatype = reader.text();
    else if (field === 3 && reader.wireType === wireTypes.bytes) {
      const dims = reader.nested();
      while (dims.at < dims.end) {
        dims.packedVarint();
        shape.push((dims.high | 0) * 4_294_967_296 + dims.low);
      }
    } else if (field === 3) shape.push(reader.int64());
    else reader.skip();
  }
  return { name, datatype, shape };
}

function specOf({ name, datatype, shape }: Head): TensorSpec {
  if (name === '' || !isDatatype(datatype))
    throw new RemoteFailure('failed', `has the tensor "${name}" of ${datatype}, which is not served`);
  return { name, datatype, shape: [...shape], optional: false };
}

/** Open Inference Protocol over gRPC, raw contents. */
export class OipGrpcClient implements RemoteClient {
  readonly #line: GrpcLine;
  readonly #source: RemoteSource;

  constructor(source: RemoteSource, line: GrpcLine) {
    this.#source = source;
    this.#line = line;
  }

  async describe(timeoutMs: number): Promise<RemoteTensors> {
    const answer = await this.#line.ask(`${service}/ModelMetadata`, this.#modelRequest(), timeoutMs);
    const inputs: TensorSpec[] = [];
    const outputs: TensorSpec[] = [];
    try {
      const reader = new WireReader(answer);
      for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
        if (field === 4) inputs.push(specOf(readHead(reader.nested())));
        else if (field === 5) outputs.push(specOf(readHead(reader.nested())));
        else reader.skip();
      }
    } catch (error) {
      throw unreadable(protocol, error);
    }
    if (inputs.length === 0 || outputs.length === 0)
      throw new RemoteFailure('failed', 'describes a model without tensors');
    return { inputs, outputs };
  }

  async isReady(timeoutMs: number): Promise<boolean> {
    const answer = await this.#line.ask(`${service}/ModelReady`, this.#modelRequest(), timeoutMs);
    let isReady = false;
    try {
      const reader = new WireReader(answer);
      for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
        if (field === 1) isReady = reader.boolean();
        else reader.skip();
      }
    } catch (error) {
      throw unreadable(protocol, error);
    }
    return isReady;
  }

  /** Name and version stand in the first two fields of every request. */
  #writeModel(writer: WireWriter): void {
    writer.text(1, this.#source.model);
    if (this.#source.version !== undefined) writer.text(2, this.#source.version);
  }

  #modelRequest(): Buffer {
    const writer = new WireWriter();
    this.#writeModel(writer);
    return writer.finish();
  }

  async infer(inputs: readonly Tensor[], timeoutMs: number): Promise<readonly Tensor[]> {
    const raw = inputs.map(writeBinary);
    const writer = new WireWriter(raw.reduce((sum, { length }) => sum + length + 16, 256));
    this.#writeModel(writer);
    for (const { name, datatype, shape } of inputs) {
      writer.nested(5, () => {
        writer.text(1, name);
        writer.text(2, datatype);
        writer.nested(3, () => {
          for (const dim of shape) writer.packedUnsigned(dim);
        });
      });
    }
    for (const bytes of raw) writer.bytes(7, bytes);
    const answer = await this.#line.ask(`${service}/ModelInfer`, writer.finish(), timeoutMs);
    try {
      return this.#outputs(new WireReader(answer));
    } catch (error) {
      throw unreadable(protocol, error);
    }
  }

  #outputs(reader: WireReader): readonly Tensor[] {
    const heads: Head[] = [];
    const raw: Buffer[] = [];
    for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
      if (field === 5) heads.push(readHead(reader.nested()));
      else if (field === 6) raw.push(reader.view());
      else reader.skip();
    }
    if (raw.length !== heads.length) throw new Error('its outputs are not raw, as they were asked for');
    return heads.map(({ name, datatype, shape }, i) => {
      if (!isDatatype(datatype)) throw new Error(`output "${name}" is of ${datatype}`);
      if (shape.some(dim => dim < 0)) throw new Error(`output "${name}" has a negative dimension`);
      checkSize(name, datatype, shape);
      const place = { input: name, model: this.#source.model };
      return { name, datatype, shape, data: readBinary(raw[i]!, datatype, elementCount(shape), place) };
    });
  }

  close(): void {
    this.#line.close();
  }
}
