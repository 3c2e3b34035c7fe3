import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { fault, isFault } from '@holdfast/api';
import type { Log } from '../telemetry/index.ts';

/** Answers a request of another member; false when the path is not its own. */
export type MemberRoute = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<boolean>;

export interface MemberListenerOptions {
  readonly host: string;
  readonly port: number;
  /** What members show; requests without it are refused. */
  readonly secret: () => string | undefined;
  readonly routes: readonly MemberRoute[];
  readonly log: Log;
}

const bearer = 'Bearer ';

function isMember(request: IncomingMessage, secret: string | undefined): boolean {
  const shown = request.headers.authorization ?? '';
  if (secret === undefined || !shown.startsWith(bearer)) return false;
  const [a, b] = [Buffer.from(shown.slice(bearer.length)), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The header with which a member shows that it is one. */
export function memberHeaders(secret: string): { readonly authorization: string } {
  return { authorization: bearer + secret };
}

export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/** The listener that members speak to; everybody else is answered 403. */
export async function startMemberListener(
  options: MemberListenerOptions,
): Promise<{ readonly port: number } & AsyncDisposable> {
  const { host, port, secret, routes, log } = options;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isMember(request, secret())) {
      answerJson(response, 403, {
        error: { code: 'forbidden', message: 'Only members of the cluster are answered here.' },
      });
      return;
    }
    const url = new URL(request.url ?? '/', 'http://member');
    for (const route of routes) if (await route(request, response, url)) return;
    throw fault('route_not_found', url.pathname.slice(0, 200));
  };
  const server = createServer({ requestTimeout: 120_000 }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) {
        response.destroy();
        return;
      }
      if (isFault(error)) answerJson(response, error.httpStatus, error.toJSON());
      else {
        log.error({ error }, 'cluster.member_request_failed');
        answerJson(response, 500, fault('internal', 'member').toJSON());
      }
    });
  });
  const listening = Promise.withResolvers<void>();
  server.once('error', error => listening.reject(fault('bad_configuration', `${host} port ${port}`, error.message)));
  server.listen(port, host, () => listening.resolve());
  await listening.promise;
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
