import { expect, test } from 'vitest';
import { FakeTimers } from './fake-timers.ts';
import { type Connection, keepOpen, type Source } from './reconnecting-source.ts';

class FakeSource implements Source {
  readyState = 0;
  onopen: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent<string>) => void) | null = null;

  close(): void {
    this.readyState = 2;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.(new Event('open'));
  }

  fail(isFinal: boolean): void {
    this.readyState = isFinal ? 2 : 0;
    this.onerror?.(new Event('error'));
  }
}

function kept() {
  const timers = new FakeTimers();
  const sources: FakeSource[] = [];
  const told: Connection[] = [];
  const texts: string[] = [];
  const end = keepOpen(
    () => {
      const source = new FakeSource();
      sources.push(source);
      return source;
    },
    text => texts.push(text),
    connection => told.push(connection),
    timers,
  );
  return { timers, sources, told, texts, end };
}

test('a connection that the browser retries is not opened twice', () => {
  const { timers, sources, told } = kept();
  sources[0]!.open();
  sources[0]!.fail(false);
  timers.advance(60_000);
  sources[0]!.open();
  expect(sources).toHaveLength(1);
  expect(told).toEqual(['connecting', 'live', 'reconnecting', 'live']);
});

test('when the browser gives up, a new one is opened after 1 s, then 2 s, up to 15 s', () => {
  const { timers, sources, told } = kept();
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    sources.at(-1)!.fail(true);
    const from = timers.now();
    const before = sources.length;
    while (sources.length === before) timers.advance(100);
    waits.push(timers.now() - from);
  }
  expect(waits).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  sources.at(-1)!.open();
  expect(told.at(-1)).toBe('live');
});

test('what arrives is handed on, and nothing is opened after the end', () => {
  const { timers, sources, texts, end } = kept();
  sources[0]!.onmessage?.(new MessageEvent('message', { data: 'hello' }));
  sources[0]!.fail(true);
  end();
  timers.advance(60_000);
  expect(texts).toEqual(['hello']);
  expect(sources).toHaveLength(1);
});
