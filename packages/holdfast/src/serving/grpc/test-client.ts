import { join } from 'node:path';
import {
  type Client,
  type ClientDuplexStream,
  type ClientUnaryCall,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** What a call came back with. */
export interface GrpcReply {
  readonly message: Record<string, unknown>;
  readonly metadata: Metadata;
}

const folder = join(import.meta.dirname, '../../../proto');

const definitions = new Map<string, ReturnType<typeof loadSync>>();

function definitionOf(file: string): ReturnType<typeof loadSync> {
  const known = definitions.get(file);
  if (known !== undefined) return known;
  const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
  const definition = loadSync(file, { includeDirs: [folder], ...options });
  definitions.set(file, definition);
  return definition;
}

/**
 * A client as its users have it: the .proto files read by gRPC's own loader, nothing of the code under test. Numbers
 * of 64 bits are text, enums their names, bytes buffers.
 */
export class TestClient implements Disposable {
  readonly #client: Client;

  /** @param service full name, such as `inference.GRPCInferenceService` */
  constructor(address: string, file: string, service: string, options: Readonly<Record<string, string | number>> = {}) {
    const definition = definitionOf(file);
    const found = service
      .split('.')
      .reduce<unknown>((at, part) => Reflect.get(Object(at), part), loadPackageDefinition(definition));
    if (typeof found !== 'function') throw new Error(`${file} has no service ${service}`);
    this.#client = Reflect.construct(found, [
      address,
      credentials.createInsecure(),
      { 'grpc.max_receive_message_length': -1, ...options },
    ]);
  }

  /** One call; rejects with the ServiceError of a status that is not OK. */
  call(
    method: string,
    request: object = {},
    { metadata = {}, timeoutMs }: { metadata?: Readonly<Record<string, string>>; timeoutMs?: number } = {},
  ): Promise<GrpcReply> & { cancel(): void } {
    const sent = new Metadata();
    for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
    let cancel = (): void => {};
    const reply = new Promise<GrpcReply>((resolve, reject) => {
      let received = new Metadata();
      const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
      const done = (error: ServiceError | null, message: Record<string, unknown>): void =>
        error === null ? resolve({ message, metadata: received }) : reject(error);
      const call: ClientUnaryCall = Reflect.apply(Reflect.get(this.#client, method), this.#client, [
        request,
        sent,
        options,
        done,
      ]);
      call.on('metadata', (initial: Metadata) => {
        received = initial;
      });
      cancel = () => call.cancel();
    });
    return Object.assign(reply, { cancel: () => cancel() });
  }

  /** Sends bytes as they are to a path; resolves with the bytes that come back. */
  raw(path: string, bytes: Buffer): Promise<Buffer> {
    const asIs = (message: Buffer): Buffer => message;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, asIs, asIs, bytes, (error, answer) => {
        if (error === null && answer !== undefined) resolve(answer);
        else reject(error);
      });
    });
  }

  /** Opens a stream in both directions, or one that answers a request. */
  stream(method: string, request?: object): ClientDuplexStream<object, Record<string, unknown>> {
    return Reflect.apply(Reflect.get(this.#client, method), this.#client, request === undefined ? [] : [request]);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
