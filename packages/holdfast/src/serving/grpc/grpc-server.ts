import { createServer, type Server as NetServer, type Socket } from 'node:net';
import {
  type ConnectionInjector,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { portOf } from '../http/listener.ts';
import { callerHeadersOf, type GrpcCaller, type GrpcOutcome, metadataNamed, timeLeft } from './grpc-call.ts';
import type { GrpcMethod } from './grpc-method.ts';
import type { MethodCodec, ProtoCatalog } from './proto-catalog.ts';
import type { GrpcStatus } from './status.ts';

export interface GrpcServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Lets several processes listen on the same port; the kernel spreads the connections. */
  readonly isShared: boolean;
  /** Connections beyond this many are closed at once. */
  readonly connections: number;
  /** Largest message that is accepted, after decompression. */
  readonly messageBytes: number;
  readonly methods: readonly GrpcMethod[];
  readonly protos: ProtoCatalog;
  /** Called around every call and every message of a stream. @throws Refusal when none is accepted now */
  readonly enter: (bytes: number) => void;
  readonly leave: (bytes: number) => void;
  /** Any error as the status that it is told by, counted and logged. */
  readonly statusOf: (error: unknown) => GrpcStatus;
}

/** A silent connection is asked for a sign of life after this long, and closed when none comes in time. */
const keepAliveMs = 60_000;
const keepAliveTimeoutMs = 20_000;
/** Calls at a time on one connection; peers queue further ones themselves. */
const streamsPerConnection = 1000;
/** Messages of one stream that are worked on at a time; reading pauses beyond. */
const messagesPerStream = 64;
/** Room that a peer may fill without waiting for us, so that large tensors travel at full speed. */
const flowControlBytes = 4_194_304;

const asIs = (bytes: Buffer): Buffer => bytes;

function statusObject({ code, details, retryAfterSeconds }: GrpcStatus): {
  code: number;
  details: string;
  metadata: Metadata;
} {
  const metadata = new Metadata();
  // What gRPC's retry policies read; the seconds of HTTP's Retry-After.
  if (retryAfterSeconds !== undefined) metadata.set('grpc-retry-pushback-ms', String(retryAfterSeconds * 1000));
  return { code, details, metadata };
}

/** gRPC over plain HTTP/2 on a port of its own. */
export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  readonly #sockets = new Set<Socket>();
  #listener: NetServer | undefined;

  private constructor(options: GrpcServerOptions) {
    this.#options = options;
    this.#server = new Server({
      'grpc.max_receive_message_length': options.messageBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': streamsPerConnection,
      'grpc.keepalive_time_ms': keepAliveMs,
      'grpc.keepalive_timeout_ms': keepAliveTimeoutMs,
      'grpc-node.flow_control_window': flowControlBytes,
      'grpc.enable_channelz': 0,
    });
    for (const method of options.methods) this.#register(method);
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Listens; rejects when the address cannot be had. */
  static async start(options: GrpcServerOptions): Promise<GrpcServer> {
    const server = new GrpcServer(options);
    await server.#listen();
    return server;
  }

  /** Own sockets, because the library cannot share a port between processes. */
  async #listen(): Promise<void> {
    const { host, port, isShared, connections } = this.#options;
    const listener = createServer({ noDelay: true }, socket => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.#injector.injectConnection(socket);
    });
    listener.maxConnections = connections;
    this.#listener = listener;
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen({ host, port, reusePort: isShared, backlog: 1024 }, () => {
        listener.off('error', reject);
        resolve();
      });
    });
  }

  get port(): number {
    return this.#listener === undefined ? 0 : portOf(this.#listener);
  }

  #register(method: GrpcMethod): void {
    const { path } = method;
    switch (method.kind) {
      case 'unary': {
        const codec = this.#options.protos.codecOf(path);
        this.#server.register(
          path,
          (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) =>
            void this.#answer(call.request, codec, method.answer, done),
          asIs,
          asIs,
          'unary',
        );
        return;
      }
      case 'prediction':
        this.#server.register(
          path,
          (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) =>
            void this.#predict(call, method.predict, done),
          asIs,
          asIs,
          'unary',
        );
        return;
      case 'prediction-stream':
        this.#server.register(
          path,
          (stream: ServerDuplexStream<Buffer, Buffer>) => this.#predictAll(stream, method.predict),
          asIs,
          asIs,
          'bidi',
        );
        return;
      case 'subscription': {
        const codec = this.#options.protos.codecOf(path);
        this.#server.register(
          path,
          (stream: ServerWritableStream<Buffer, Buffer>) => this.#subscribe(stream, codec, method.subscribe),
          asIs,
          asIs,
          'serverStream',
        );
        return;
      }
      case 'conversation': {
        const codec = this.#options.protos.codecOf(path);
        this.#server.register(
          path,
          (stream: ServerDuplexStream<Buffer, Buffer>) => this.#converse(stream, codec, method.answer),
          asIs,
          asIs,
          'bidi',
        );
        return;
      }
      default:
        method satisfies never;
    }
  }

  async #answer(
    body: Buffer,
    codec: MethodCodec,
    answer: (request: object) => object | Promise<object>,
    done: sendUnaryData<Buffer>,
  ): Promise<void> {
    try {
      done(null, codec.encodeAnswer(await answer(codec.decodeRequest(body))));
    } catch (error) {
      done(statusObject(this.#options.statusOf(error)));
    }
  }

  async #predict(
    call: ServerUnaryCall<Buffer, Buffer>,
    predict: Extract<GrpcMethod, { kind: 'prediction' }>['predict'],
    done: sendUnaryData<Buffer>,
  ): Promise<void> {
    const { request: body } = call;
    const caller: GrpcCaller = {
      headers: callerHeadersOf(call.metadata),
      header: name => metadataNamed(call.metadata, name),
      timeoutMs: timeLeft(call.getDeadline(), Date.now()),
      onGone: gone => call.once('cancelled', gone),
    };
    const settle = (outcome: GrpcOutcome): void => {
      if (outcome.kind === 'status') done(statusObject(outcome.status));
      else {
        call.sendMetadata(outcome.metadata);
        done(null, outcome.message);
      }
    };
    let entered = false;
    try {
      this.#options.enter(body.length);
      entered = true;
      await predict(body, caller, settle);
    } catch (error) {
      done(statusObject(this.#options.statusOf(error)));
    } finally {
      if (entered) this.#options.leave(body.length);
    }
  }

  /** Works on messages as they come and answers them in their order. */
  #predictAll(
    stream: ServerDuplexStream<Buffer, Buffer>,
    predict: Extract<GrpcMethod, { kind: 'prediction-stream' }>['predict'],
  ): void {
    const headers = callerHeadersOf(stream.metadata);
    const leavers = new Set<() => void>();
    let answered = Promise.resolve();
    let open = 0;
    stream.on('data', (body: Buffer) => {
      const own = new Set<() => void>();
      const caller: GrpcCaller = {
        headers,
        header: name => metadataNamed(stream.metadata, name),
        timeoutMs: timeLeft(stream.getDeadline(), Date.now()),
        onGone: gone => {
          own.add(gone);
          leavers.add(gone);
        },
      };
      open++;
      if (open >= messagesPerStream) stream.pause();
      const answering = predict(body, caller);
      answered = answered
        .then(() => answering)
        .then(answer => new Promise<void>(resolve => stream.write(answer, () => resolve())))
        .finally(() => {
          for (const gone of own) leavers.delete(gone);
          open--;
          stream.resume();
        });
      answered.catch((error: unknown) => stream.destroy(error instanceof Error ? error : undefined));
    });
    stream.on('end', () => void answered.then(() => stream.end()));
    stream.on('cancelled', () => {
      for (const gone of leavers) gone();
    });
  }

  #subscribe(
    stream: ServerWritableStream<Buffer, Buffer>,
    codec: MethodCodec,
    subscribe: Extract<GrpcMethod, { kind: 'subscription' }>['subscribe'],
  ): void {
    const ended = new AbortController();
    stream.on('cancelled', () => ended.abort());
    try {
      subscribe(codec.decodeRequest(stream.request), answer => stream.write(codec.encodeAnswer(answer)), ended.signal);
    } catch (error) {
      stream.emit('error', statusObject(this.#options.statusOf(error)));
    }
  }

  #converse(
    stream: ServerDuplexStream<Buffer, Buffer>,
    codec: MethodCodec,
    answer: Extract<GrpcMethod, { kind: 'conversation' }>['answer'],
  ): void {
    stream.on('data', (body: Buffer) => {
      try {
        // One question at a time: the answers to a peer that does not read them are not piled up.
        stream.pause();
        stream.write(codec.encodeAnswer(answer(codec.decodeRequest(body))), () => stream.resume());
      } catch (error) {
        stream.emit('error', statusObject(this.#options.statusOf(error)));
      }
    });
    stream.on('end', () => stream.end());
  }

  /** Takes no new connection or call; open ones end within the grace time, then they are cut. */
  async close(graceMs: number): Promise<void> {
    this.#injector.drain(graceMs);
    const closed = new Promise<void>(resolve => this.#listener?.close(() => resolve()) ?? resolve());
    const cut = setTimeout(() => {
      this.#server.forceShutdown();
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(cut);
    this.#server.forceShutdown();
  }
}
