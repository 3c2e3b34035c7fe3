import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Alert, parseModelName, type Verdict } from '@holdfast/api';
import { afterEach, expect, test } from 'vitest';
import { openDatabase } from '../storage/index.ts';
import { createLog } from '../telemetry/index.ts';
import { AlertBook } from './alert-book.ts';
import type { Hysteresis } from './alert-state.ts';
import { type AlertingTables, alertingMigrations } from './schema.ts';
import { WebhookOutbox } from './webhook-outbox.ts';

const churn = parseModelName('churn');
const hourMs = 3_600_000;

/** Verdicts in memory, numbered as the watcher numbers them. */
class FakeVerdicts {
  readonly all: Verdict[] = [];

  add(hour: number, outcomes: Readonly<Record<string, Verdict['outcome']>>, revision = 1): void {
    for (const [subject, outcome] of Object.entries(outcomes)) {
      this.all.push({
        id: this.all.length + 1,
        model: churn,
        version: 1,
        monitor: 'data-drift',
        subject,
        windowStartMs: hour * hourMs,
        windowEndMs: (hour + 1) * hourMs,
        outcome,
        test: 'two-sample KS',
        statistic: 0.3,
        pValue: 0,
        effectName: 'ks',
        effect: subject === 'age' ? 0.5 : 0.2,
        threshold: 0.1,
        baselineRows: 1000,
        windowRows: 500,
        falseAlarmRate: 0.01,
        sentence: `${subject} drifted.`,
        revision,
        judgedAtMs: 0,
      });
    }
  }

  async newVerdictsSince(id: number, limit = 1000): Promise<readonly Verdict[]> {
    return this.all.filter(verdict => verdict.id > id).slice(0, limit);
  }
}

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
});

async function openBook(hysteresis: Hysteresis, webhooks: readonly string[] = []) {
  const db = await openDatabase<AlertingTables>({
    path: ':memory:',
    migrations: alertingMigrations,
    durability: 'full',
  });
  const verdicts = new FakeVerdicts();
  const emitted: Alert[] = [];
  let nowMs = 1000;
  const shared = {
    db,
    webhooks: webhooks.map(url => ({ url, timeout: 2000 })),
    clock: () => nowMs,
    log: createLog('test', 'silent'),
  };
  const book = new AlertBook({
    ...shared,
    verdicts,
    hysteresisOf: () => hysteresis,
    emit: alert => emitted.push(alert),
  });
  const outbox = new WebhookOutbox({ ...shared, random: () => 0.5 });
  opened.push(book, outbox, { [Symbol.asyncDispose]: () => db.destroy() });
  const forward = (ms: number): void => {
    nowMs += ms;
  };
  return { book, verdicts, emitted, outbox, db, forward };
}

test('an alert names the worst subject first and gives its sentence', async () => {
  const { book, verdicts } = await openBook({ fireAfter: 1, resolveAfter: 1 });
  verdicts.add(0, { city: 'breached', age: 'breached', plan: 'stable' });
  await book.step();
  expect(await book.list()).toMatchObject([
    {
      state: 'firing',
      title: 'Data drift: age, city',
      subjects: ['age', 'city'],
      sentences: ['age drifted.', 'city drifted.'],
    },
  ]);
});

test('every verdict is taken in once, also after a restart', async () => {
  const { book, verdicts, emitted } = await openBook({ fireAfter: 2, resolveAfter: 1 });
  verdicts.add(0, { age: 'breached' });
  await book.step();
  await book.step();
  expect(emitted.map(alert => alert.state)).toEqual(['pending']);
});

test('it resolves after enough quiet windows; an undecided window is neither', async () => {
  const { book, verdicts, emitted } = await openBook({ fireAfter: 1, resolveAfter: 2 });
  verdicts.add(0, { age: 'breached' });
  verdicts.add(1, { age: 'stable' });
  verdicts.add(2, { age: 'undecided' });
  verdicts.add(3, { age: 'stable' });
  await book.step();
  expect(emitted.map(alert => alert.state)).toEqual(['firing', 'firing', 'resolved']);
  expect(await book.list({ state: 'firing' })).toEqual([]);
});

test('late labels of an old window do not bring up an alert that is over', async () => {
  const { book, verdicts } = await openBook({ fireAfter: 1, resolveAfter: 1 });
  verdicts.add(0, { age: 'breached' });
  verdicts.add(1, { age: 'stable' });
  verdicts.add(0, { age: 'breached' }, 2);
  await book.step();
  expect((await book.list()).map(alert => alert.state)).toEqual(['resolved']);
  verdicts.add(2, { age: 'breached' });
  await book.step();
  expect((await book.list()).map(alert => alert.state)).toEqual(['firing', 'resolved']);
});

test('a window that late labels score again does not count twice', async () => {
  const { book, verdicts } = await openBook({ fireAfter: 2, resolveAfter: 1 });
  verdicts.add(0, { age: 'breached' });
  verdicts.add(0, { age: 'breached' }, 2);
  await book.step();
  expect(await book.list()).toMatchObject([{ state: 'pending' }]);
});

test('more verdicts than one batch holds are all taken in', async () => {
  const { book, verdicts } = await openBook({ fireAfter: 1, resolveAfter: 1 });
  for (let hour = 0; hour < 30; hour++) {
    verdicts.add(hour, Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`c${i}`, 'breached' as const])));
  }
  await book.step();
  expect((await book.list())[0]?.subjects).toHaveLength(70);
  expect((await book.list())[0]?.lastWindowMs).toBe(30 * hourMs);
});

test('a quarantine fires once and is over when the version serves again', async () => {
  const { book, emitted } = await openBook({ fireAfter: 1, resolveAfter: 1 });
  await book.quarantined(churn, 2, 'three deaths');
  await book.quarantined(churn, 2, 'three deaths');
  await book.retire(churn, new Set([1]));
  await book.retire(churn, new Set([1, 2]));
  expect(emitted.map(alert => `${alert.monitor} ${alert.state}`)).toEqual(['runtime firing', 'runtime resolved']);
});

test('what is open about a version that serves nobody any more is resolved', async () => {
  const { book, verdicts } = await openBook({ fireAfter: 1, resolveAfter: 1 });
  verdicts.add(0, { age: 'breached' });
  await book.step();
  await book.retire(churn, new Set([2]));
  expect(await book.list({ state: 'firing' })).toEqual([]);
});

async function receiver(
  statuses: number[],
): Promise<{ url: string; seen: { id: string; body: string }[]; server: Server }> {
  const seen: { id: string; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      seen.push({ id: String(request.headers['webhook-id']), body });
      response.writeHead(statuses.shift() ?? 204).end();
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  opened.push({ [Symbol.asyncDispose]: () => new Promise(resolve => void server.close(() => resolve())) });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/hook`, seen, server };
}

test('a webhook that failed is tried again under the same id, and not after it was accepted', async () => {
  const { url, seen } = await receiver([500, 302, 204]);
  const { book, verdicts, outbox, forward } = await openBook({ fireAfter: 1, resolveAfter: 1 }, [url]);
  verdicts.add(0, { age: 'breached' });
  await book.step();
  for (let i = 0; i < 5; i++) {
    await outbox.deliverDue();
    forward(10_000);
  }
  expect(seen).toHaveLength(3);
  expect(new Set(seen.map(one => one.id)).size).toBe(1);
  expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({
    type: 'alert.firing',
    data: { model: 'churn', state: 'firing' },
  });
});

test('a notification waits for its pause before it is tried again', async () => {
  const { url, seen } = await receiver([500]);
  const { book, verdicts, outbox } = await openBook({ fireAfter: 1, resolveAfter: 1 }, [url]);
  verdicts.add(0, { age: 'breached' });
  await book.step();
  await outbox.deliverDue();
  await outbox.deliverDue();
  expect(seen).toHaveLength(1);
});
