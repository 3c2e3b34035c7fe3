import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import fastifyStatic from '@fastify/static';
import { type Alias, Fault, fault, isFault, parseAlias, parseModelName, type RouteName, routes } from '@holdfast/api';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { z } from 'zod';
import { isDatabaseAway } from '../storage/index.ts';
import { type Log, prometheusContentType } from '../telemetry/index.ts';
import type { HttpHandler } from './control-listener.ts';
import type { ControlServices } from './control-services.ts';
import { streamEvents } from './live-stream.ts';
import { guardOrigin } from './origin-guard.ts';
import { parse } from './parse-request.ts';
import { studyHandlers } from './study-handlers.ts';

export interface ControlApiOptions {
  /** Host names answered besides the loopback ones. */
  readonly hosts: readonly string[];
  /** The console's built page; without it only the API is served. */
  readonly pageDirectory: string | undefined;
  readonly artifactBytes: number;
  readonly services: ControlServices;
  readonly log: Log;
}

export interface ControlApi extends AsyncDisposable {
  readonly handler: HttpHandler;
}

const routeNames = Object.keys(routes).filter((name): name is RouteName => name in routes);

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

const paramsSchema = z.record(z.string(), z.string());
const exportContentType = {
  csv: 'text/csv; charset=utf-8',
  jsonl: 'application/x-ndjson',
  parquet: 'application/vnd.apache.parquet',
};

function param(request: FastifyRequest, name: string): string {
  return paramsSchema.parse(request.params)[name] ?? '';
}

function versionParam(request: FastifyRequest): number {
  const raw = param(request, 'version');
  const version = Number(raw);
  if (!Number.isSafeInteger(version) || version < 1) {
    throw fault('version_not_found', param(request, 'model').slice(0, 80), raw.slice(0, 20));
  }
  return version;
}

/** Who asked, for the history: the name of the local user when the caller gives one. */
function actorOf(request: FastifyRequest): string {
  const given = request.headers['x-holdfast-actor'];
  return typeof given === 'string' && /^[\w.@ -]{1,80}$/.test(given) ? given : 'console';
}

/** One handler per row of the route table; the compiler checks that none is missing. */
function handlersOf(services: ControlServices): Record<RouteName, Handler> {
  const model = (request: FastifyRequest) => parseModelName(param(request, 'model'));
  const alias = (request: FastifyRequest): Alias => parseAlias(param(request, 'alias'));
  const change = (request: FastifyRequest, reason: string) => ({ actor: actorOf(request), reason });
  return {
    status: () => services.status(),
    listModels: () => services.summaries(),
    readModel: request => services.model(model(request)),
    uploadArtifact: async (request, reply) => {
      reply.code(201);
      return services.storeArtifact(request.raw);
    },
    createVersion: async (request, reply) => {
      const body = parse(routes.createVersion.body, request.body);
      const answer = await services.publish(model(request), body, change(request, ''));
      reply.code(answer.created ? 201 : 200);
      return answer;
    },
    readVersion: request => services.version(model(request), versionParam(request)),
    readConversion: request => services.conversion(model(request), versionParam(request)),
    removeVersion: async request => {
      await services.removeVersion(model(request), versionParam(request));
      return {};
    },
    removeModel: async request => {
      await services.removeModel(model(request));
      return {};
    },
    moveAlias: async request => {
      const body = parse(routes.moveAlias.body, request.body);
      const { version, expectedGeneration, reason } = body;
      return services.moveAlias(model(request), alias(request), version, {
        ...change(request, reason),
        expectedGeneration,
      });
    },
    removeAlias: request => services.removeAlias(model(request), alias(request), change(request, '')),
    rollback: request => {
      const { reason } = parse(routes.rollback.body, request.body ?? {});
      return services.rollback(model(request), change(request, reason));
    },
    readDeployment: request => services.deployment(model(request)),
    setDeployment: request => {
      const { deployment, reason } = parse(routes.setDeployment.body, request.body);
      return services.setDeployment(model(request), deployment ?? undefined, change(request, reason));
    },
    startRollout: async (request, reply) => {
      const body = parse(routes.startRollout.body, request.body);
      const rollout = await services.startRollout(model(request), body, actorOf(request));
      reply.code(201);
      return rollout;
    },
    actOnRollout: request => {
      const { action, reason } = parse(routes.actOnRollout.body, request.body);
      return services.actOnRollout(model(request), action, change(request, reason));
    },
    listRollouts: request => services.rollouts(model(request)),
    readRollout: request => {
      const id = Number(param(request, 'rollout'));
      if (!Number.isSafeInteger(id)) throw fault('not_found', `Rollout ${param(request, 'rollout').slice(0, 20)}`);
      return services.rollout(model(request), id);
    },
    traffic: request => {
      const { points, ...range } = parse(routes.traffic.query, request.query);
      return services.traffic(model(request), range, points);
    },
    performance: request => services.performance(model(request), parse(routes.performance.query, request.query)),
    drift: request => services.driftCells(model(request), parse(routes.drift.query, request.query)),
    driftDetail: request => services.driftDetail(model(request), parse(routes.driftDetail.query, request.query)),
    verdicts: request => services.verdicts(model(request), parse(routes.verdicts.query, request.query)),
    recentPredictions: request => {
      const { format: _, ...filter } = parse(routes.recentPredictions.query, request.query);
      return services.recentPredictions(model(request), { ...filter, limit: Math.min(filter.limit ?? 50, 1000) });
    },
    exportPredictions: async (request, reply) => {
      const { format = 'csv', ...filter } = parse(routes.exportPredictions.query, request.query);
      const name = model(request);
      const file = await services.exportPredictions(name, filter, format);
      reply.raw.once('close', () => void file[Symbol.asyncDispose]());
      reply.header('content-type', exportContentType[format]);
      reply.header('content-disposition', `attachment; filename="${name}.${format}"`);
      return createReadStream(file.path);
    },
    alerts: request => services.alerts(parse(routes.alerts.query, request.query)),
    ...studyHandlers(services.studies),
    events: async (_, reply) => {
      reply.hijack();
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(name, value);
      streamEvents(reply.raw, listener => services.subscribe(listener));
    },
  };
}

function answerError(cause: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): void {
  const error = isDatabaseAway(cause) ? fault('database_unavailable') : cause;
  if (isFault(error)) {
    if (error.httpStatus === 503) reply.header('retry-after', '1');
    reply.code(error.httpStatus).send(error.toJSON());
    return;
  }
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (status >= 400 && status < 500 && error instanceof Error) {
    reply.code(status).send(new Fault('bad_request', [error.message]).toJSON());
    return;
  }
  log.error({ error, request: request.id, route: request.routeOptions.url }, 'console.request_failed');
  reply.code(500).send(fault('internal', request.id).toJSON());
}

/** Makes what answers the control API and serves the console's page, to be put behind a door. */
export async function makeControlApi(options: ControlApiOptions): Promise<ControlApi> {
  const { services, log } = options;
  let handler: HttpHandler = () => {};
  const app: FastifyInstance = fastify({
    bodyLimit: 1_048_576,
    serverFactory: answer => {
      handler = answer;
      // Never listens: requests come through the door.
      return createServer();
    },
    routerOptions: { maxParamLength: 200 },
    genReqId: () => crypto.randomUUID(),
  });
  guardOrigin(app, options.hosts);
  // An upload is streamed to the blob store by its handler, which also bounds it.
  app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null));
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, log));
  const handlers = handlersOf(services);
  for (const key of routeNames) {
    const route = routes[key];
    app.route({
      method: route.method,
      url: route.path,
      ...(key === 'uploadArtifact' && { bodyLimit: options.artifactBytes }),
      handler: handlers[key],
    });
  }
  app.get('/metrics', async (_, reply) => {
    reply.header('content-type', prometheusContentType);
    return services.metrics();
  });
  app.get('/healthz', async () => ({ live: true }));
  await servePage(app, options.pageDirectory);
  await app.ready();
  return { handler: (request, response) => handler(request, response), [Symbol.asyncDispose]: () => app.close() };
}

async function servePage(app: FastifyInstance, directory: string | undefined): Promise<void> {
  if (directory === undefined || !existsSync(directory)) {
    app.setNotFoundHandler(request => {
      throw fault('route_not_found', request.url.slice(0, 200));
    });
    return;
  }
  await app.register(fastifyStatic, { root: directory, cacheControl: true, maxAge: '1h', index: ['index.html'] });
  app.setNotFoundHandler((request, reply) => {
    // The page routes by itself: /models/NAME and the like are the same document.
    const wantsPage = request.method === 'GET' && (request.headers.accept ?? '').includes('text/html');
    if (wantsPage && !request.url.startsWith('/api/')) return reply.sendFile('index.html', { maxAge: 0 });
    throw fault('route_not_found', request.url.slice(0, 200));
  });
}
