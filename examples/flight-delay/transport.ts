import { Agent, request } from 'node:http';

/** An answer read to its end. */
export interface Answer {
  readonly status: number;
  /** @param name lower case */
  header(name: string): string | undefined;
  readonly body: Buffer;
}

/** Posts to one server. */
export interface Transport extends Disposable {
  post(path: string, headers: Readonly<Record<string, string>>, body: Buffer): Promise<Answer>;
}

/**
 * Plain HTTP/1.1 over connections that stay open.
 *
 * @param base such as `http://127.0.0.1:8080`
 * @param connections most connections at a time
 * @param timeoutMs bound on one answer; @default 60000
 */
export function httpTransport(base: string, connections: number, timeoutMs = 60_000): Transport {
  const { hostname, port } = new URL(base);
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const post: Transport['post'] = (path, headers, body) =>
    new Promise((resolve, reject) => {
      const options = {
        agent,
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port,
        path,
        method: 'POST',
        headers: { ...headers, 'content-length': body.length },
        timeout: timeoutMs,
      };
      const outgoing = request(options, incoming => {
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const header = (name: string): string | undefined => {
            const value = incoming.headers[name];
            return typeof value === 'string' ? value : value?.[0];
          };
          resolve({ status: incoming.statusCode ?? 0, header, body: Buffer.concat(parts) });
        });
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  return { post, [Symbol.dispose]: () => agent.destroy() };
}
