import { type IncomingHttpHeaders, request } from 'node:http';
import type { Signature, Tensor } from '@holdfast/api';
import { createLog, MetricRegistry } from '../telemetry/index.ts';
import type { ServingClock } from './clock.ts';
import type { ControlDoor } from './control-door.ts';
import { type FakeModel, FakeRunner } from './fake-runner.ts';
import { FakeSink } from './fake-sink.ts';
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts';
import { createPredictionIds } from './prediction-id.ts';
import type { RoutedModel, RoutedVersion } from './routing.ts';

export interface FakeReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as text. */
  readonly text: string;
  /** The body as JSON. */
  json(): unknown;
}

export interface FakeCall {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
}

/** Two numeric inputs and one output per row: `sum = a + b`. */
export const addition: Pick<Signature, 'inputs' | 'outputs'> = {
  inputs: [
    { name: 'a', datatype: 'FP32', shape: [-1, 2], optional: false },
    { name: 'b', datatype: 'FP32', shape: [-1, 2], optional: false },
  ],
  outputs: [{ name: 'sum', datatype: 'FP32', shape: [-1, 2], optional: false }],
};

export function addModel(inputs: readonly Tensor[]): readonly Tensor[] {
  const [a, b] = inputs.map(({ data }) => Array.from(data, Number));
  return [{ ...inputs[0]!, name: 'sum', data: Float32Array.from(a!, (value, i) => value + b![i]!) }];
}

/** Gives every input back under the name of the output at its place. */
export function echoModel(signature: Pick<Signature, 'outputs'>): FakeModel {
  return inputs => signature.outputs.map(({ name }, i) => ({ ...inputs[i]!, name }));
}

export function fakeSignature({ inputs, outputs }: Pick<Signature, 'inputs' | 'outputs'>): Signature {
  return { inputs, outputs, columns: [], task: { kind: 'none' } };
}

/** A gateway on a free port whose runners are in this process. */
export class FakeGateway implements AsyncDisposable {
  readonly sink = new FakeSink();
  readonly metrics = new MetricRegistry();
  /** By socket path. */
  readonly runners = new Map<string, FakeRunner>();
  readonly clock: ServingClock & { wall: number } = {
    wall: 1_000_000,
    wallMs: () => this.clock.wall,
    monotonicMs: () => performance.now(),
  };
  #gateway: Gateway | undefined;
  #generation = 0;

  static async start(
    limits: Partial<GatewayOptions['limits']> = {},
    {
      hasGrpc = false,
      control,
      corsOrigins = [],
      ports = { port: 0, grpcPort: 0 },
    }: {
      readonly hasGrpc?: boolean;
      readonly control?: ControlDoor;
      readonly corsOrigins?: readonly string[];
      readonly ports?: { readonly port: number; readonly grpcPort: number };
    } = {},
  ): Promise<FakeGateway> {
    const fake = new FakeGateway();
    fake.#gateway = await startGateway({
      host: '127.0.0.1',
      port: ports.port,
      grpcPort: hasGrpc ? ports.grpcPort : undefined,
      ...(control !== undefined && { control, mayControl: true }),
      corsOrigins,
      limits: { bodyBytes: 67_108_864, requestTimeout: 10_000, connections: 4096, ...limits },
      sink: fake.sink,
      labels: fake.sink,
      connect: async socket => {
        const runner = fake.runners.get(socket);
        if (runner === undefined) throw new Error(`nothing listens on ${socket}`);
        return runner;
      },
      metrics: fake.metrics,
      ids: createPredictionIds({ instance: 7, clock: fake.clock }),
      log: createLog('test', 'silent'),
      clock: fake.clock,
    });
    return fake;
  }

  get gateway(): Gateway {
    if (this.#gateway === undefined) throw new Error('not started');
    return this.#gateway;
  }

  /** A ready version with one runner of its own. */
  version(
    signature: Pick<Signature, 'inputs' | 'outputs'>,
    model: FakeModel,
    options: Partial<RoutedVersion> = {},
  ): RoutedVersion {
    const version = options.version ?? 1;
    const socket = `/run/${this.runners.size}-${version}.sock`;
    this.runners.set(socket, new FakeRunner(model));
    return {
      version,
      state: 'ready',
      reason: undefined,
      signature: fakeSignature(signature),
      sockets: [socket],
      batching: { maximumRows: 64, maximumDelayMs: 0 },
      hangTimeoutMs: 30_000,
      ...options,
    };
  }

  runnerOf(version: RoutedVersion): FakeRunner {
    return this.runners.get(version.sockets[0]!)!;
  }

  /** Routes these models, in the next generation. */
  route(...models: readonly RoutedModel[]): Promise<void> {
    this.#generation++;
    return this.gateway.applyRouting({ generation: this.#generation, models });
  }

  /** Routes one version of a model as its champion. */
  async serve(name: string, version: RoutedVersion): Promise<FakeRunner> {
    await this.route({ name, aliases: { champion: version.version }, versions: [version] });
    return this.runnerOf(version);
  }

  call(path: string, { method, headers, body }: FakeCall = {}): Promise<FakeReply> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: this.gateway.port,
          path,
          method: method ?? (body === undefined ? 'GET' : 'POST'),
          headers: headers ?? {},
        },
        response => {
          const chunks: Buffer[] = [];
          response.on('data', chunk => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const bytes = Buffer.concat(chunks);
            const text = bytes.toString('utf8');
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: bytes,
              text,
              json: () => JSON.parse(text),
            });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const runner of this.runners.values()) runner.release();
    await this.#gateway?.drain();
  }
}
