import { Client, credentials as grpcCredentials, Metadata, status } from '@grpc/grpc-js';
import type { RemoteCredentials } from './credentials.ts';
import { largestAnswer, RemoteFailure } from './remote-client.ts';

const asIs = (bytes: Buffer): Buffer => bytes;

/** The caller's mistakes. */
const refusedStatus: ReadonlySet<number> = new Set([status.INVALID_ARGUMENT, status.OUT_OF_RANGE]);
/** What whoever set this up, or time, can change. */
const unavailableStatus: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.RESOURCE_EXHAUSTED,
  status.CANCELLED,
  status.ABORTED,
  status.NOT_FOUND,
  status.UNIMPLEMENTED,
  status.FAILED_PRECONDITION,
  status.UNAUTHENTICATED,
  status.PERMISSION_DENIED,
]);

function failureOf(code: number, details: string): RemoteFailure {
  if (code === status.DEADLINE_EXCEEDED) return new RemoteFailure('broken', 'did not answer in time');
  if (code === status.UNAVAILABLE) {
    // So it says of a connection that could not be made; whatever was sent on one that broke has other words.
    if (/^No connection established|^Name resolution failed/.test(details))
      return new RemoteFailure('unsent', 'cannot be reached', { detail: details });
    if (/ECONNRESET|Connection dropped|Stream removed|GOAWAY|Received RST_STREAM/i.test(details))
      return new RemoteFailure('broken', 'broke off', { detail: details });
  }
  const kind = refusedStatus.has(code) ? 'refused' : unavailableStatus.has(code) ? 'unavailable' : 'failed';
  return new RemoteFailure(kind, `answered ${status[code] ?? code}`, { detail: details });
}

/** The gRPC connection to one server; messages are bytes. */
export class GrpcLine {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor(address: string, isEncrypted: boolean, credentials: RemoteCredentials) {
    const { authorization, certificateAuthority = null, certificate = null, key = null } = credentials;
    if (authorization !== undefined) this.#metadata.set('authorization', authorization);
    const channel = isEncrypted
      ? grpcCredentials.createSsl(certificateAuthority, key, certificate)
      : grpcCredentials.createInsecure();
    this.#client = new Client(address, channel, {
      'grpc.max_receive_message_length': largestAnswer,
      'grpc.max_send_message_length': -1,
      // A server that was away must be found again within a second, not after the two minutes that are usual.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      // Channels to one address are shared unless they ask not to; their settings and credentials differ.
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  /** @throws RemoteFailure */
  ask(method: string, request: Buffer, timeoutMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + timeoutMs };
      this.#client.makeUnaryRequest(method, asIs, asIs, request, this.#metadata, options, (error, answer) => {
        if (error === null && answer !== undefined) resolve(answer);
        else reject(failureOf(error?.code ?? status.UNKNOWN, error?.details ?? ''));
      });
    });
  }

  close(): void {
    this.#client.close();
  }
}
