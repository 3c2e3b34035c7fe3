import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { Exchange } from './exchange.ts';

test('a client that went away before anybody asked is told of as well', async () => {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  const listener = { isClosing: false, heldBytes: 0, heldBytesLimit: 1 };
  const exchange = new Exchange(request, response, { path: '/', receivedMs: 0, startedMs: 0 }, listener);
  const closed = once(response, 'close');
  response.destroy();
  await closed;
  const gone = vi.fn<() => void>();
  exchange.onGone(gone);
  expect(gone).toHaveBeenCalledOnce();
});
