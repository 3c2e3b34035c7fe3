import type { ServerResponse } from 'node:http';
import type { LiveEvent } from '@holdfast/api';

/** A listener that does not read is dropped when this much waits for it. */
const maximumBacklogBytes = 1_048_576;
const heartbeatMs = 15_000;

/**
 * Sends live events to one listener as server-sent events, until it goes away.
 *
 * @param subscribe registers a listener and gives the function that removes it
 */
export function streamEvents(
  response: ServerResponse,
  subscribe: (listener: (event: LiveEvent) => void) => () => void,
): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    ...response.getHeaders(),
  });
  response.write(': connected\n\n');
  const send = (text: string): void => {
    if (response.writableLength > maximumBacklogBytes) response.destroy();
    else response.write(text);
  };
  const heartbeat = setInterval(() => send(': alive\n\n'), heartbeatMs);
  const unsubscribe = subscribe(event => send(`data: ${JSON.stringify(event)}\n\n`));
  response.once('close', () => {
    clearInterval(heartbeat);
    unsubscribe();
  });
}
