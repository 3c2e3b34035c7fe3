import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { aliasMoveSchema, fault, isFault, type LiveEvent, liveEventSchema, statusSchema } from '@holdfast/api';
import {
  alertsOf,
  detailOf,
  driftDetailOf,
  driftOf,
  performanceOf,
  performanceVerdictsOf,
  predictionsOf,
  sequence,
  spanEndMs,
  spanStartMs,
  summaryOf,
  trafficOf,
} from './console-fixture-data.ts';

/** The page as it was built. */
export const pageFolder = fileURLToPath(new URL('../../dashboard/dist/', import.meta.url));

/** The policy that control sends with every answer. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; " +
  "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** A control server with invented answers, so that the page can be tested in states that are hard to bring about. */
export class FixtureServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #listeners = new Set<ServerResponse>();
  /** What the page asked for, oldest first: `GET /api/v1/status`. */
  readonly asked: string[] = [];
  readonly moves: { to: number; reason: string }[] = [];
  /** Nothing is deployed. */
  isEmpty = false;
  /** Every change is refused. */
  refusesChanges = false;
  #pulses = 0;

  private constructor() {
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  static async start(port = 0): Promise<FixtureServer> {
    const fixture = new FixtureServer();
    await new Promise<void>(resolve => fixture.#server.listen(port, '127.0.0.1', resolve));
    return fixture;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** Sends one pulse, as control does every second. */
  pulse(requestsPerSecond?: number): void {
    this.#pulses++;
    const rate = requestsPerSecond ?? 240 + 60 * sequence(this.#pulses) + 40 * Math.sin(this.#pulses / 6);
    this.send({ kind: 'pulse', atMs: this.#now(), models: this.#models(rate), recording: this.#recording() });
  }

  send(event: LiveEvent): void {
    const text = `data: ${JSON.stringify(liveEventSchema.parse(event))}\n\n`;
    for (const listener of this.#listeners) listener.write(text);
  }

  /** Ends every live connection, as a restart of control would. */
  dropListeners(): void {
    for (const listener of this.#listeners) listener.destroy();
    this.#listeners.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dropListeners();
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #now(): number {
    return spanEndMs + this.#pulses * 1000;
  }

  #champion(): number {
    return this.moves.at(-1)?.to ?? 2;
  }

  #models(rate: number) {
    if (this.isEmpty) return [];
    return [
      summaryOf('credit-risk', this.#champion(), rate),
      summaryOf('house-price', 1, rate / 9),
      summaryOf('churn', null, 0),
    ];
  }

  #recording() {
    return {
      recordedTotal: this.isEmpty ? 0 : 8_640_000 + this.#pulses * 960,
      droppedTotal: 0,
      labelsTotal: this.isEmpty ? 0 : 7_912_440 + this.#pulses * 700,
      lastSyncedMs: this.isEmpty ? null : this.#now() - 60,
    };
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fixture');
    response.setHeader('content-security-policy', policy);
    if (!url.pathname.startsWith('/api/')) return this.#page(url.pathname, response);
    this.asked.push(`${request.method} ${url.pathname}${url.search}`);
    if (url.pathname === '/api/v1/events') return this.#listen(response);
    try {
      let body = '';
      for await (const part of request) body += String(part);
      const answer = this.#answer(request.method ?? 'GET', url, body);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    } catch (error) {
      if (!isFault(error)) throw error;
      response.writeHead(error.httpStatus, { 'content-type': 'application/json' }).end(JSON.stringify(error));
    }
  }

  #listen(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write('retry: 200\n\n');
    this.#listeners.add(response);
    response.once('close', () => this.#listeners.delete(response));
    this.pulse();
  }

  #page(path: string, response: ServerResponse): void {
    const file = join(pageFolder, normalize(path));
    const isFile = path !== '/' && extname(path) in types && existsSync(file);
    const served = isFile ? file : join(pageFolder, 'index.html');
    response.writeHead(200, { 'content-type': types[extname(served)] ?? 'application/octet-stream' });
    response.end(readFileSync(served));
  }

  #answer(method: string, url: URL, body: string): unknown {
    const query = url.searchParams;
    const [, model, rest] = /^\/api\/v1\/models\/([^/]+)(.*)$/.exec(url.pathname) ?? [];
    if (method !== 'GET') return this.#change(url.pathname, body);
    if (url.pathname === '/api/v1/status') return this.#status();
    if (url.pathname === '/api/v1/alerts') {
      const state = query.get('state');
      const alerts = this.isEmpty ? [] : alertsOf();
      return alerts.filter(alert => state === null || alert.state === state);
    }
    const summary = this.#models(250).find(each => each.name === decodeURIComponent(model ?? ''));
    if (summary === undefined) throw fault('model_not_found', decodeURIComponent(model ?? ''));
    const range = { fromMs: Number(query.get('fromMs') ?? spanStartMs), toMs: Number(query.get('toMs') ?? spanEndMs) };
    switch (rest) {
      case '':
        return detailOf(summary, this.moves);
      case '/traffic':
        return trafficOf(range, Number(query.get('points') ?? 240));
      case '/performance':
        return performanceOf(range);
      case '/verdicts':
        return performanceVerdictsOf(range);
      case '/drift':
        return driftOf(range);
      case '/drift/detail':
        return driftDetailOf(
          query.get('column') ?? '',
          Number(query.get('windowStartMs')),
          Number(query.get('windowEndMs')),
        );
      case '/predictions':
        return this.#predictions(query);
      default:
        throw fault('route_not_found', url.pathname);
    }
  }

  #predictions(query: URLSearchParams): unknown {
    const where = query.get('where') ?? '';
    if (where.includes('nothing')) throw fault('bad_request', 'There is no column "nothing".');
    return predictionsOf(Number(query.get('limit') ?? 50), where);
  }

  #change(path: string, body: string): unknown {
    if (this.refusesChanges) throw fault('no_previous_version', 'credit-risk');
    const asked: unknown = JSON.parse(body);
    const reason = typeof asked === 'object' && asked !== null && 'reason' in asked ? String(asked.reason) : '';
    const isMove = typeof asked === 'object' && asked !== null && 'version' in asked;
    const from = this.#champion();
    const to = isMove ? Number(asked.version) : 1;
    if (!path.endsWith('/rollback') && !isMove) throw fault('route_not_found', path);
    this.moves.push({ to, reason });
    return aliasMoveSchema.parse({
      alias: 'champion',
      fromVersion: from,
      toVersion: to,
      generation: 2 + this.moves.length,
      atMs: spanEndMs,
      actor: 'console',
      reason,
    });
  }

  #status(): unknown {
    return statusSchema.parse({
      version: '0.1.0',
      startedAtMs: spanStartMs,
      inferenceUrl: 'http://127.0.0.1:8080',
      consoleUrl: this.url,
      processes: [],
      recording: this.#recording(),
      models: this.#models(250),
    });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const fixture = await FixtureServer.start(Number(process.argv[2] ?? 0));
  console.log(fixture.url);
  setInterval(() => fixture.pulse(), 1000);
}
