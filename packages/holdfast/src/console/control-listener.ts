import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { fault } from '@holdfast/api';

/** Answers a request in full. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** The listener of the control API, for as long as the process lives; who answers behind it may change. */
export interface ControlListener extends AsyncDisposable {
  readonly port: number;
  /** Lets another answer from the next request on; connections to the one before are ended a little later. */
  use(handler: HttpHandler): void;
}

const requestTimeoutMs = 120_000;
/** What a request under way has to end in, when somebody else answers from now on; live streams are ended then. */
const graceMs = 2000;

function answerStarting(_request: IncomingMessage, response: ServerResponse): void {
  const refusal = fault('starting');
  response.writeHead(refusal.httpStatus, { 'content-type': 'application/json', 'retry-after': '1' });
  response.end(JSON.stringify(refusal.toJSON()));
}

/** Listens; answers 503 until somebody is put behind it. @throws Fault `bad_configuration` when the port is taken */
export async function openControlListener(host: string, port: number): Promise<ControlListener> {
  let current: HttpHandler = answerStarting;
  /** Connections whose latest request is, or was, for who answers now. */
  let sockets = new Set<Socket>();
  const server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    sockets.add(request.socket);
    current(request, response);
  });
  const closings = new Set<NodeJS.Timeout>();
  server.on('connection', socket => socket.once('close', () => sockets.delete(socket)));
  const listening = Promise.withResolvers<void>();
  server.once('error', error => listening.reject(fault('bad_configuration', `${host} port ${port}`, error.message)));
  server.listen(port, host, () => listening.resolve());
  await listening.promise;
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    use(handler) {
      const isFirst = current === answerStarting;
      current = handler;
      if (isFirst) return;
      server.closeIdleConnections();
      const before = sockets;
      sockets = new Set();
      const closing = setTimeout(() => {
        closings.delete(closing);
        // One that sent another request since belongs to who answers now.
        for (const socket of before) if (!sockets.has(socket)) socket.destroy();
      }, graceMs);
      closings.add(closing);
    },
    async [Symbol.asyncDispose]() {
      for (const closing of closings) clearTimeout(closing);
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
