import { useEffect, useRef, useState } from 'preact/hooks';
import { sentenceOf } from '../app/server.ts';

/** Something read from the server: the last good answer is kept while a newer one is on its way or fails. */
export interface Loaded<T> {
  readonly value: T | undefined;
  readonly error: string | undefined;
  readonly isLoading: boolean;
  readonly reload: () => void;
}

interface Settled<T> {
  readonly key: string;
  readonly value: T | undefined;
  readonly error: string | undefined;
  readonly isLoading: boolean;
}

interface Reading<T> {
  read: (signal: AbortSignal) => Promise<T>;
  wanted: number;
  isBusy: boolean;
  run: (() => Promise<void>) | undefined;
}

const retryMs = 3000;

/**
 * Reads again when `key` or `tick` change. A new key ends the read under way; a new tick waits for it, so a slow server
 * is asked one thing at a time.
 *
 * @param key says what is read; the value of another `subject` is never shown
 * @param options.subject the part of the key that makes an old value wrong rather than old; @default key
 */
export function useLoaded<T>(
  key: string,
  read: (signal: AbortSignal) => Promise<T>,
  tick = 0,
  options: { readonly subject?: string; readonly isOff?: boolean } = {},
): Loaded<T> {
  const subject = options.subject ?? key;
  const isOff = options.isOff ?? false;
  const [settled, setSettled] = useState<Settled<T>>({
    key: subject,
    value: undefined,
    error: undefined,
    isLoading: true,
  });
  const [retries, setRetries] = useState(0);
  const latest = useRef<Reading<T>>({ read, wanted: 0, isBusy: false, run: undefined });
  latest.current.read = read;

  useEffect(() => {
    if (isOff) return;
    const control = new AbortController();
    const state = latest.current;
    state.isBusy = false;
    let retry: ReturnType<typeof setTimeout> | undefined;
    const run = async (): Promise<void> => {
      if (state.isBusy || control.signal.aborted) return;
      state.isBusy = true;
      const goal = state.wanted;
      try {
        const value = await state.read(control.signal);
        if (control.signal.aborted) return;
        setSettled({ key: subject, value, error: undefined, isLoading: false });
      } catch (error) {
        if (control.signal.aborted) return;
        const sentence = sentenceOf(error);
        setSettled(before => ({
          key: subject,
          value: before.key === subject ? before.value : undefined,
          error: sentence,
          isLoading: false,
        }));
        if (error instanceof TypeError) retry = setTimeout(() => setRetries(now => now + 1), retryMs);
      }
      state.isBusy = false;
      if (state.wanted > goal) void run();
    };
    state.run = run;
    void run();
    return () => {
      control.abort();
      clearTimeout(retry);
    };
  }, [key, isOff, retries]);

  useEffect(() => {
    const state = latest.current;
    if (tick === state.wanted) return;
    state.wanted = tick;
    void state.run?.();
  }, [tick]);

  const isCurrent = settled.key === subject;
  return {
    value: isCurrent ? settled.value : undefined,
    error: isCurrent ? settled.error : undefined,
    isLoading: !isCurrent || settled.isLoading,
    reload: () => setRetries(now => now + 1),
  };
}
