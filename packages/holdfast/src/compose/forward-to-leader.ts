import { type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { type Fault, fault } from '@holdfast/api';
import { memberHeaders } from '../cluster/index.ts';
import { type HttpHandler, originGuard } from '../console/index.ts';

export interface ForwardOptions {
  /** Host names answered besides the loopback ones. */
  readonly hosts: readonly string[];
  /** Where the leader's member listener is; undefined while nobody leads, or this machine is about to. */
  readonly leaderAddress: () => string | undefined;
  readonly secret: () => string | undefined;
}

/** What concerns one connection, or this machine only. */
const droppedHeaders = ['connection', 'keep-alive', 'host', 'origin', 'sec-fetch-site', 'upgrade', 'te'];

function refuse(response: ServerResponse, refusal: Fault): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const text = JSON.stringify(refusal.toJSON());
  response.writeHead(refusal.httpStatus, {
    'content-type': 'application/json',
    ...(refusal.httpStatus === 503 && { 'retry-after': '1' }),
  });
  response.end(text);
}

/** Answers the control API of a machine that does not lead: by asking the one that does. */
export function forwardToLeader(options: ForwardOptions): HttpHandler {
  const refusalOf = originGuard(options.hosts);
  return (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/healthz') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('{"live":true}');
      return;
    }
    const refusal = refusalOf(request.headers);
    const address = options.leaderAddress();
    const secret = options.secret();
    if (refusal !== undefined) return refuse(response, refusal);
    if (address === undefined || secret === undefined) return refuse(response, fault('no_leader'));
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => !droppedHeaders.includes(name)),
    );
    const forwarded = send(
      new URL(request.url ?? '/', address),
      { method: request.method ?? 'GET', headers: { ...headers, ...memberHeaders(secret), host: 'localhost' } },
      answer => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
        answer.on('error', () => response.destroy());
      },
    );
    forwarded.on('error', () => refuse(response, fault('no_leader')));
    response.on('close', () => forwarded.destroy());
    request.on('error', () => forwarded.destroy());
    request.pipe(forwarded);
  };
}
