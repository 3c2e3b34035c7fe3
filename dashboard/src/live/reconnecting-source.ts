import { pageTimers, type Timers } from './throttle.ts';

export type Connection = 'connecting' | 'live' | 'reconnecting';

/** The part of the browser's EventSource that is used here. */
export interface Source {
  readonly readyState: number;
  onopen: ((event: Event) => void) | null;
  onerror: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent<string>) => void) | null;
  close(): void;
}

const closed = 2;
const firstWaitMs = 1000;
const longestWaitMs = 15_000;

/**
 * Keeps a stream of server-sent events open. The browser reconnects by itself after a lost connection; when it gives up
 * (an answer that is no stream, such as a proxy's error page), a new source is opened after 1 s, doubling up to 15 s.
 *
 * @returns the function that ends it
 */
export function keepOpen(
  open: () => Source,
  onText: (text: string) => void,
  onConnection: (connection: Connection) => void,
  timers: Timers = pageTimers,
): () => void {
  let source: Source | undefined;
  let cancelWait: (() => void) | undefined;
  let waitMs = firstWaitMs;
  const start = (): void => {
    const opened = open();
    source = opened;
    opened.onopen = () => {
      waitMs = firstWaitMs;
      onConnection('live');
    };
    opened.onmessage = event => onText(event.data);
    opened.onerror = () => {
      onConnection('reconnecting');
      if (opened.readyState !== closed) return;
      opened.close();
      cancelWait = timers.after(waitMs, start);
      waitMs = Math.min(waitMs * 2, longestWaitMs);
    };
  };
  onConnection('connecting');
  start();
  return () => {
    cancelWait?.();
    source?.close();
  };
}
