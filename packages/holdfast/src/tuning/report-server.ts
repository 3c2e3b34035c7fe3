import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PruneAnswer } from '@holdfast/api';

const maximumBytes = 65_536;

/** Takes a posted object and says whether the trial goes on; undefined when the object has no metric. */
export type ReportTaker = (posted: unknown) => Promise<PruneAnswer | undefined>;

/** Where commands post their metrics: `http://127.0.0.1:PORT/KEY`, one key a trial. */
export interface ReportServer extends AsyncDisposable {
  /** Opens an address; disposing closes it. */
  open(take: ReportTaker): { readonly url: string } & Disposable;
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > maximumBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** Listens on this machine only. */
export async function startReportServer(): Promise<ReportServer> {
  const takers = new Map<string, ReportTaker>();
  const handle = async (request: IncomingMessage): Promise<{ readonly status: number; readonly body: object }> => {
    const take = takers.get((request.url ?? '').slice(1));
    if (take === undefined || request.method !== 'POST')
      return { status: 404, body: { error: 'POST an object with your metrics to HOLDFAST_REPORT_URL' } };
    const text = await bodyOf(request);
    if (text === undefined) return { status: 413, body: { error: `at most ${maximumBytes} bytes` } };
    let posted: unknown;
    try {
      posted = JSON.parse(text);
    } catch {
      return { status: 400, body: { error: 'the body is not JSON' } };
    }
    const decision = await take(posted);
    if (decision === undefined) return { status: 400, body: { error: 'the object has none of the objectives' } };
    return {
      status: 200,
      body: { decision: decision.kind, ...('because' in decision && { because: decision.because }) },
    };
  };
  const server = createServer({ requestTimeout: 30_000 }, (request, response) => {
    handle(request)
      .catch(() => ({ status: 503, body: { error: 'the report could not be stored; try again' } }))
      .then(({ status, body }) => answer(response, status, body))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    open(take) {
      const key = randomUUID();
      takers.set(key, take);
      return { url: `http://127.0.0.1:${port}/${key}`, [Symbol.dispose]: () => void takers.delete(key) };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>(resolve => server.close(() => resolve()));
    },
  };
}
