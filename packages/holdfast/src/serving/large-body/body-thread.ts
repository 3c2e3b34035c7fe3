import { parentPort } from 'node:worker_threads';
import { Refusal } from '../refusal.ts';
import { memoryOf, readPacked, type ThreadAnswer, type ThreadOrder } from './packed-body.ts';

// A worker thread: reads one large body after the other, so that the event loop of the gateway never does.
parentPort?.on('message', ({ id, order, bytes }: ThreadOrder) => {
  let answer: ThreadAnswer;
  try {
    const body = readPacked(order, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    parentPort?.postMessage({ kind: 'read', id, body } satisfies ThreadAnswer, memoryOf(body));
    return;
  } catch (error) {
    if (error instanceof Refusal) {
      answer = { kind: 'refused', id, code: error.code, text: error.message, status: error.status };
    } else
      answer = { kind: 'failed', id, text: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  parentPort?.postMessage(answer);
});
