// A small HTTP/1.1 client in a process of its own: keep-alive connections over raw sockets, one request at a time each.
// It does as little as it can per answer, so that it does not become what is measured.
import { connect, type Socket } from 'node:net';
import { z } from 'zod';

const orderSchema = z.object({
  port: z.int(),
  connections: z.int(),
  seconds: z.number(),
  /** Whole requests, head and body, in base64; connections take them in turn. */
  requests: z.array(z.string()),
});
export type LoadOrder = z.infer<typeof orderSchema>;

export interface LoadResult {
  readonly answered: number;
  readonly failed: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const headEnd = Buffer.from('\r\n\r\n');

/** Length of the first whole answer in the bytes, 0 when it is not complete. */
function answerBytes(bytes: Buffer): number {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return 0;
  const head = bytes.toString('latin1', 0, end).toLowerCase();
  const at = head.indexOf('content-length:');
  if (at < 0) throw new Error(`an answer without length: ${head}`);
  const total = end + 4 + Number.parseInt(head.slice(at + 15), 10);
  return bytes.length >= total ? total : 0;
}

class Client {
  readonly #socket: Socket;
  readonly #requests: readonly Buffer[];
  readonly #latenciesMs: number[];
  #next: number;
  #sentMs = 0;
  #rest: Buffer | undefined;
  answered = 0;
  failed = 0;
  isOver = false;
  readonly ended = Promise.withResolvers<void>();

  constructor(port: number, requests: readonly Buffer[], first: number, latenciesMs: number[]) {
    this.#requests = requests;
    this.#next = first;
    this.#latenciesMs = latenciesMs;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => this.#send());
    this.#socket.on('data', bytes => this.#receive(bytes));
    this.#socket.on('error', () => this.failed++);
    this.#socket.on('close', () => this.ended.resolve());
  }

  #send(): void {
    this.#sentMs = performance.now();
    this.#socket.write(this.#requests[this.#next++ % this.#requests.length]!);
  }

  #receive(bytes: Buffer): void {
    const all = this.#rest === undefined ? bytes : Buffer.concat([this.#rest, bytes]);
    const length = answerBytes(all);
    if (length === 0) {
      this.#rest = all;
      return;
    }
    this.#rest = undefined;
    // "HTTP/1.1 200": the first digit of the status is byte 9.
    if (all[9] === 0x32) this.answered++;
    else this.failed++;
    this.#latenciesMs.push(performance.now() - this.#sentMs);
    if (this.isOver) this.#socket.destroy();
    else this.#send();
  }
}

async function load({ port, connections, seconds, requests }: LoadOrder): Promise<LoadResult> {
  const bytes = requests.map(text => Buffer.from(text, 'base64'));
  const latenciesMs: number[] = [];
  const start = performance.now();
  const clients = Array.from({ length: connections }, (_, i) => new Client(port, bytes, i, latenciesMs));
  await new Promise(resolve => setTimeout(resolve, seconds * 1000));
  for (const client of clients) client.isOver = true;
  await Promise.all(clients.map(client => client.ended.promise));
  latenciesMs.sort((a, b) => a - b);
  return {
    answered: clients.reduce((sum, client) => sum + client.answered, 0),
    failed: clients.reduce((sum, client) => sum + client.failed, 0),
    seconds: (performance.now() - start) / 1000,
    p50Ms: latenciesMs[Math.floor(latenciesMs.length * 0.5)] ?? Number.NaN,
    p99Ms: latenciesMs[Math.floor(latenciesMs.length * 0.99)] ?? Number.NaN,
  };
}

process.on('message', (message: unknown) => {
  load(orderSchema.parse(message)).then(
    result => process.send?.(result),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
