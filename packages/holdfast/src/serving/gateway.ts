import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { champion, fault } from '@holdfast/api';
import type { CallersConfig, Config } from '../config/index.ts';
import { type Log, type MetricRegistry, prometheusContentType } from '../telemetry/index.ts';
import { CallerGate } from './admission/caller-gate.ts';
import { type ServingClock, systemClock } from './clock.ts';
import type { ControlDoor, Question } from './control-door.ts';
import { Feedback, matchFeedback, refuseFeedback } from './feedback/feedback.ts';
import type { ArmReport, ServingCounts } from './gateway-report.ts';
import { GrpcServer } from './grpc/grpc-server.ts';
import { healthMethods } from './grpc/health-service.ts';
import { ProtoCatalog } from './grpc/proto-catalog.ts';
import { reflectionMethods } from './grpc/reflection-service.ts';
import { statusOf } from './grpc/status.ts';
import { CorsPolicy } from './http/cors.ts';
import { Exchange, type ListenerState, type Reply } from './http/exchange.ts';
import { listen, portOf } from './http/listener.ts';
import { BodyReader } from './large-body/body-reader.ts';
import { ServingMetrics } from './metrics.ts';
import type { PredictionIds } from './prediction-id.ts';
import { PredictionPath } from './prediction-path.ts';
import type { LabelSink, PredictionSink } from './prediction-sink.ts';
import { MlflowRest, refuseMlflow } from './protocols/mlflow/mlflow.ts';
import { type MlflowRoute, matchMlflow } from './protocols/mlflow/routes.ts';
import { OipControl } from './protocols/oip/control-calls.ts';
import { oipGrpcMethods } from './protocols/oip-grpc/oip-grpc.ts';
import { OipRest } from './protocols/oip-rest/oip.ts';
import { refuseOip } from './protocols/oip-rest/predict.ts';
import { matchOip, type OipRoute } from './protocols/oip-rest/routes.ts';
import { tfsGrpcMethods } from './protocols/tfs-grpc/tfs-grpc.ts';
import { matchTfs, type TfsRoute } from './protocols/tfs-rest/routes.ts';
import { TfsRest } from './protocols/tfs-rest/tfs.ts';
import { refuseTfs } from './protocols/tfs-rest/words.ts';
import { asRefusal, Refusal } from './refusal.ts';
import type { RoutingTable } from './routing.ts';
import type { VersionStatistics } from './statistics.ts';
import type { Connect } from './traffic/runner-links.ts';
import { Traffic } from './traffic/traffic.ts';

export interface GatewayOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** 0 takes a free one; undefined serves no gRPC. */
  readonly grpcPort?: number | undefined;
  /** Lets several gateways listen on the same ports. @default false */
  readonly isShared?: boolean;
  readonly limits: Pick<Config['limits'], 'bodyBytes' | 'requestTimeout' | 'connections'> & {
    readonly callers?: CallersConfig | undefined;
  };
  /** Asks control; without one, what needs it is answered for this gateway alone or not at all. */
  readonly control?: ControlDoor;
  /** Whether clients may load and unload models and change settings. @default false */
  readonly mayControl?: boolean;
  /** Origins whose pages may ask over HTTP and read the answers; `*` is every one. @default none */
  readonly corsOrigins?: readonly string[];
  readonly sink: PredictionSink;
  readonly labels: LabelSink;
  /** Opens the link to a runner process; `connectRunner` of the runtime room. */
  readonly connect: Connect;
  readonly metrics: MetricRegistry;
  readonly ids: PredictionIds;
  readonly log: Log;
  /** @default the system's clock */
  readonly clock?: ServingClock;
  /** What the server metadata says. @default 0.1.0 */
  readonly serverVersion?: string;
}

export interface Gateway extends AsyncDisposable {
  readonly port: number;
  /** Undefined when no gRPC is served. */
  readonly grpcPort: number | undefined;
  /**
   * Puts a routing table in force without failing a request: settles when every new request goes by it and the
   * versions and runners it dropped have none in flight. An older generation than the one in force changes nothing.
   */
  applyRouting(table: RoutingTable): Promise<void>;
  /** What every version did since the start. */
  statistics(): readonly VersionStatistics[];
  /** Counts since the start, and the latencies since the last call. */
  report(): readonly ServingCounts[];
  /** What the arms of deployments did since the last call. */
  takeArms(): readonly ArmReport[];
  /** Not ready from now on: finishes what is in flight, refuses the rest with `draining`, closes every connection. */
  drain(): Promise<void>;
}

/** What is in flight gets this long before its connection is cut. */
const drainTimeoutMs = 25_000;
/** Connections that answered everything get this long to close by themselves. */
const closeGraceMs = 1000;
/** Bodies of the largest size that are held at a time. */
const heldBodies = 8;
/** Paths remembered with their route; beyond this many the memory starts anew. */
const rememberedRoutes = 1000;

type Route =
  | { readonly protocol: 'oip'; readonly route: OipRoute }
  | { readonly protocol: 'tfs'; readonly route: TfsRoute }
  | { readonly protocol: 'mlflow'; readonly route: MlflowRoute }
  | { readonly protocol: 'feedback'; readonly model: string }
  | { readonly protocol: 'metrics' }
  | { readonly protocol: 'none' };

function matchRoute(path: string): Route {
  if (path === '/metrics') return { protocol: 'metrics' };
  if (path.startsWith('/v2')) {
    const route = matchOip(path);
    if (route !== undefined) return { protocol: 'oip', route };
  }
  const model = matchFeedback(path);
  if (model !== undefined) return { protocol: 'feedback', model };
  if (/^\/v1\//i.test(path)) return { protocol: 'tfs', route: matchTfs(path) };
  const scoring = matchMlflow(path);
  return scoring === undefined ? { protocol: 'none' } : { protocol: 'mlflow', route: scoring };
}

/** Errors in the words of the protocol that the path belongs to. */
const refusers: Readonly<Record<Route['protocol'], (refusal: Refusal) => Reply>> = {
  oip: refuseOip,
  tfs: refuseTfs,
  mlflow: refuseMlflow,
  feedback: refuseFeedback,
  metrics: refuseOip,
  none: refuseOip,
};

/** True when the method fits; else the answer is 405. */
function isAllowed(exchange: Exchange, method: 'GET' | 'POST', other?: 'POST'): boolean {
  if (exchange.method === method || exchange.method === other || (method === 'GET' && exchange.method === 'HEAD'))
    return true;
  exchange.reply({
    status: 405,
    contentType: 'application/json',
    headers: ['Allow', other === undefined ? method : `${method}, ${other}`],
    body: '{"error":"Method Not Allowed"}',
  });
  return false;
}

class HttpGateway implements Gateway {
  readonly #options: GatewayOptions;
  readonly #clock: ServingClock;
  readonly #traffic: Traffic;
  readonly #metrics: ServingMetrics;
  readonly #oip: OipRest;
  readonly #tfs: TfsRest;
  readonly #mlflow: MlflowRest;
  readonly #feedback: Feedback;
  readonly #bodies: BodyReader;
  readonly #control: OipControl;
  readonly #door: ControlDoor;
  readonly #path: PredictionPath;
  #grpc: GrpcServer | undefined;
  readonly #routes = new Map<string, Route>();
  #server: Server | undefined;
  #port = 0;
  readonly #state: ListenerState;
  #active = 0;
  #idle: PromiseWithResolvers<void> | undefined;
  #draining: Promise<void> | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const clock = options.clock ?? systemClock;
    const { sink, ids, log, limits, connect } = options;
    const metrics = new ServingMetrics(options.metrics);
    const { corsOrigins = [] } = options;
    this.#state = {
      isClosing: false,
      heldBytes: 0,
      heldBytesLimit: heldBodies * limits.bodyBytes,
      cors: corsOrigins.length === 0 ? undefined : new CorsPolicy(corsOrigins),
    };
    const traffic = new Traffic({ connect, metrics, clock, log, registry: options.metrics });
    const path = new PredictionPath({
      traffic,
      sink,
      metrics,
      clock,
      ids,
      log,
      bodyBytes: limits.bodyBytes,
      callers: limits.callers && new CallerGate({ callers: limits.callers, clock, registry: options.metrics }),
      requestTimeoutMs: limits.requestTimeout,
    });
    this.#clock = clock;
    this.#path = path;
    this.#traffic = traffic;
    this.#metrics = metrics;
    const bodies = new BodyReader();
    this.#bodies = bodies;
    this.#door = options.control ?? { ask: async question => this.#answerAlone(question) };
    this.#control = new OipControl({
      traffic,
      control: this.#door,
      mayControl: options.mayControl ?? false,
    });
    this.#oip = new OipRest({
      control: this.#control,
      bodyBytes: limits.bodyBytes,
      bodies,
      path,
      traffic,
      serverVersion: options.serverVersion ?? '0.1.0',
      isReady: () => this.#isReady(),
    });
    this.#tfs = new TfsRest({ path, traffic, bodies });
    this.#mlflow = new MlflowRest({
      path,
      traffic,
      bodies,
      serverVersion: options.serverVersion ?? '0.1.0',
      isReady: () => this.#isReady(),
    });
    this.#feedback = new Feedback({ labels: options.labels, traffic, bodies, clock, bodyBytes: limits.bodyBytes });
  }

  async listen(): Promise<void> {
    const { host, port, limits, isShared } = this.#options;
    this.#server = await listen({
      host,
      port,
      isShared: isShared ?? false,
      connections: limits.connections,
      handle: (request, response) => void this.#handle(request, response),
    });
    this.#port = portOf(this.#server);
    await this.#listenGrpc();
  }

  async #listenGrpc(): Promise<void> {
    const { host, grpcPort, limits, isShared, serverVersion } = this.#options;
    if (grpcPort === undefined) return;
    const calls = {
      enter: (bytes: number) => this.#enter(bytes),
      leave: (bytes: number) => this.#leave(bytes),
      statusOf: (error: unknown) => statusOf(this.#told(error)),
    };
    const protos = await ProtoCatalog.load();
    const isReady = (): boolean => this.#isReady();
    this.#grpc = await GrpcServer.start({
      ...calls,
      host,
      port: grpcPort,
      isShared: isShared ?? false,
      connections: limits.connections,
      messageBytes: limits.bodyBytes,
      protos,
      methods: [
        ...oipGrpcMethods({
          ...calls,
          path: this.#path,
          traffic: this.#traffic,
          control: this.#control,
          clock: this.#clock,
          serverVersion: serverVersion ?? '0.1.0',
          isReady,
        }),
        ...tfsGrpcMethods({
          path: this.#path,
          traffic: this.#traffic,
          clock: this.#clock,
          protos,
          control: this.#door,
          mayControl: this.#options.mayControl ?? false,
        }),
        ...healthMethods(protos.serviceNames(), isReady),
        ...reflectionMethods(protos),
      ],
    });
  }

  get port(): number {
    return this.#port;
  }

  get grpcPort(): number | undefined {
    return this.#grpc?.port;
  }

  applyRouting(table: RoutingTable): Promise<void> {
    return this.#traffic.apply(table);
  }

  /** A model that is still loading holds readiness back; one in quarantine does not take the others down. */
  #isReady(): boolean {
    if (this.#state.isClosing || this.#traffic.generation < 0) return false;
    for (const { aliases, versions } of this.#traffic.models.values()) {
      const number = aliases.get(champion);
      if (number !== undefined && versions.get(number)?.state === 'loading') return false;
    }
    return true;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#active++;
    const url = request.url ?? '/';
    const query = url.indexOf('?');
    const path = query < 0 ? url : url.slice(0, query);
    const matched = this.#route(path);
    let exchange: Exchange | undefined;
    try {
      const arrival = { path, receivedMs: this.#clock.wallMs(), startedMs: this.#clock.monotonicMs() };
      exchange = new Exchange(request, response, arrival, this.#state);
      if (!exchange.answerPreflight()) await this.#dispatch(exchange, matched);
    } catch (error) {
      this.#refuse(exchange, response, matched, error);
    } finally {
      exchange?.release();
      this.#left();
    }
  }

  #left(): void {
    this.#active--;
    if (this.#active === 0) this.#idle?.resolve();
  }

  /** A gRPC message of this size is here. @throws Fault when it cannot be taken now */
  #enter(bytes: number): void {
    this.#checkAccepting();
    if (this.#state.heldBytes + bytes > this.#state.heldBytesLimit) throw fault('overloaded', 1000);
    this.#state.heldBytes += bytes;
    this.#active++;
  }

  #leave(bytes: number): void {
    this.#state.heldBytes -= bytes;
    this.#left();
  }

  /** @throws Fault `draining`, `starting` */
  #checkAccepting(): void {
    if (this.#state.isClosing) throw fault('draining');
    // A restarted gateway listens before control has told it the models; that a model is unknown would be untrue.
    if (this.#traffic.generation < 0) throw fault('starting');
  }

  #route(path: string): Route {
    const known = this.#routes.get(path);
    if (known !== undefined) return known;
    const route = matchRoute(path);
    if (this.#routes.size >= rememberedRoutes) this.#routes.clear();
    this.#routes.set(path, route);
    return route;
  }

  /** Answers at once, or later when it returns a promise. @throws Refusal, Fault */
  #dispatch(exchange: Exchange, matched: Route): Promise<void> | undefined {
    if (exchange.method === 'POST') this.#checkAccepting();
    switch (matched.protocol) {
      case 'oip':
        return isAllowed(exchange, matched.route.method, matched.route.other)
          ? this.#oip.answer(exchange, matched.route)
          : undefined;
      case 'tfs':
        return this.#tfs.answer(exchange, matched.route);
      case 'mlflow':
        return isAllowed(exchange, matched.route.kind === 'invocations' ? 'POST' : 'GET')
          ? this.#mlflow.answer(exchange, matched.route)
          : undefined;
      case 'feedback':
        return isAllowed(exchange, 'POST') ? this.#feedback.answer(exchange, matched.model) : undefined;
      case 'metrics':
        if (isAllowed(exchange, 'GET')) this.#showMetrics(exchange);
        return undefined;
      case 'none':
        throw new Refusal('route_not_found', 'Not Found');
      default:
        return matched satisfies never;
    }
  }

  #showMetrics(exchange: Exchange): void {
    for (const served of this.#traffic.versions()) served.publish();
    exchange.reply({ status: 200, contentType: prometheusContentType, body: this.#options.metrics.render() });
  }

  /** Where there is no control, as in tests of this room. @throws Fault */
  #answerAlone({ kind }: Question): readonly VersionStatistics[] {
    if (kind === 'statistics') return this.statistics();
    throw fault('control_disabled');
  }

  /** Any error as what its caller is told, counted and, when it is ours, logged. */
  #told(error: unknown): Refusal {
    const errorId = this.#options.ids.next();
    const refusal = asRefusal(error, errorId);
    if (refusal.code === 'internal') this.#options.log.error({ error, errorId }, 'serving.failed');
    this.#metrics.refused(refusal.code);
    return refusal;
  }

  #refuse(exchange: Exchange | undefined, response: ServerResponse, matched: Route, error: unknown): void {
    const reply = refusers[matched.protocol](this.#told(error));
    if (exchange !== undefined) exchange.reply(reply);
    else {
      const headers = ['Content-Type', reply.contentType, 'Content-Length', String(Buffer.byteLength(reply.body))];
      response.writeHead(reply.status, [...headers, 'Connection', 'close']).end(reply.body);
    }
  }

  statistics(): readonly VersionStatistics[] {
    return [...this.#traffic.versions()].map(({ model, version, numbers }) => numbers.statistics.read(model, version));
  }

  report(): readonly ServingCounts[] {
    return [...this.#traffic.versions()].map(({ model, version, numbers, inFlight }) => {
      const recent = numbers.takeRecent();
      const { requests, rows, errors } = numbers;
      return { model, version, requests, rows, errors, inFlight, latency: recent.toSparse(), latencySum: recent.sum };
    });
  }

  takeArms(): readonly ArmReport[] {
    return this.#traffic.takeArms();
  }

  drain(): Promise<void> {
    this.#state.isClosing = true;
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async #drain(): Promise<void> {
    const server = this.#server;
    const closed = new Promise<void>(resolve => (server === undefined ? resolve() : server.close(() => resolve())));
    server?.closeIdleConnections();
    if (this.#active > 0) {
      this.#idle = Promise.withResolvers();
      const timer = setTimeout(() => this.#idle?.resolve(), drainTimeoutMs);
      await this.#idle.promise;
      clearTimeout(timer);
    }
    // Answers that were just written leave before their connections are closed.
    await new Promise(resolve => setImmediate(resolve));
    const grpcClosed = this.#grpc?.close(closeGraceMs);
    server?.closeIdleConnections();
    const cut = setTimeout(() => server?.closeAllConnections(), closeGraceMs);
    await closed;
    await grpcClosed;
    clearTimeout(cut);
    await this.#bodies[Symbol.asyncDispose]();
    await this.#traffic.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }
}

/** Starts the inference listener. It answers 404 for every model until the first routing table is in force. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const gateway = new HttpGateway(options);
  await gateway.listen();
  return gateway;
}
