import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';

export interface ListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Lets several processes listen on the same port; the kernel spreads the connections. */
  readonly isShared: boolean;
  /** Connections beyond this many are closed at once. */
  readonly connections: number;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
}

/** Headers must be complete within this, the body within {@link requestTimeoutMs}: a slow sender holds no connection. */
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 30_000;
/** Longer than the idle timeouts of common load balancers, so that they close first. */
const keepAliveTimeoutMs = 75_000;
const maximumHeaderBytes = 16_384;

const statusOfError: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

function refuseMalformed(error: Error, socket: Duplex): void {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = statusOfError[code] ?? 400;
  const body = JSON.stringify({ error: STATUS_CODES[status] ?? 'Bad Request' });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
}

/** Listens; rejects when the address cannot be had. */
export async function listen({ host, port, isShared, connections, handle }: ListenerOptions): Promise<Server> {
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: 2000,
      maxHeaderSize: maximumHeaderBytes,
      noDelay: true,
    },
    handle,
  );
  server.maxConnections = connections;
  server.maxHeadersCount = 100;
  server.on('clientError', refuseMalformed);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, reusePort: isShared, backlog: 1024 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return server;
}

export function portOf(server: Pick<NetServer, 'address'>): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}
