import { randomUUID } from 'node:crypto';
import type { Alert } from '@holdfast/api';
import type { Kysely, Selectable, Transaction } from 'kysely';
import type { Log } from '../telemetry/index.ts';
import type { AlertingTables } from './schema.ts';

export interface Webhook {
  readonly url: string;
  /** Only alerts of these models; all when absent. */
  readonly models?: readonly string[] | undefined;
  /** Milliseconds for one try. */
  readonly timeout: number;
}

/** Tries of one notification, over about two days; then it is given up with an error in the log. */
const maximumAttempts = 24;
const firstPauseMs = 1000;
const maximumPauseMs = 3 * 3_600_000;
/** Notifications on their way at once. */
const batchSize = 16;
const defaultTimeoutMs = 5000;

export interface OutboxOptions {
  readonly db: Kysely<AlertingTables>;
  readonly webhooks: readonly Webhook[];
  readonly clock: () => number;
  readonly log: Log;
  /** Uniform in [0, 1), for jitter. @default Math.random */
  readonly random?: () => number;
  /** How often the outbox is looked through. @default 1000 */
  readonly pollMs?: number;
}

/** Puts one notification per interested webhook into the outbox, inside the transaction that changed the alert. */
export async function enqueueNotification(
  transaction: Transaction<AlertingTables>,
  webhooks: readonly Webhook[],
  alert: Alert,
  nowMs: number,
): Promise<void> {
  for (const webhook of webhooks) {
    if (webhook.models !== undefined && !webhook.models.includes(alert.model)) continue;
    const body = { type: `alert.${alert.state}`, timestamp: new Date(nowMs).toISOString(), data: alert };
    await transaction
      .insertInto('webhook_outbox')
      .values({
        webhook_id: `msg_${randomUUID()}`,
        url: webhook.url,
        body: JSON.stringify(body),
        attempts: 0,
        due_ms: nowMs,
      })
      .execute();
  }
}

/** Pause before the next try: doubling from a second, at most three hours. */
export function pauseAfter(attempts: number): number {
  return Math.min(firstPauseMs * 2 ** (attempts - 1), maximumPauseMs);
}

/** Delivers what is in the outbox, at least once, with growing pauses while a receiver is away. */
export class WebhookOutbox implements AsyncDisposable {
  readonly #options: OutboxOptions;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#stop.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#running = this.deliverDue()
        .catch((error: unknown) => this.#options.log.error({ error }, 'webhook.outbox_failed'))
        .then(() => this.start());
    }, this.#options.pollMs ?? 1000);
  }

  /** One try for everything that is due now. */
  async deliverDue(): Promise<void> {
    const { db, clock } = this.#options;
    const due = await db
      .selectFrom('webhook_outbox')
      .selectAll()
      .where('due_ms', '<=', clock())
      .orderBy('id')
      .limit(batchSize)
      .execute();
    await Promise.all(due.map(row => this.#deliver(row)));
  }

  async #deliver(row: Selectable<AlertingTables['webhook_outbox']>): Promise<void> {
    const { db, log } = this.#options;
    const failure = await this.#post(row);
    if (this.#stop.signal.aborted) return;
    const attempts = row.attempts + 1;
    if (failure === undefined || attempts >= maximumAttempts) {
      if (failure !== undefined) log.error({ url: row.url, webhookId: row.webhook_id, failure }, 'webhook.given_up');
      await db.deleteFrom('webhook_outbox').where('id', '=', row.id).execute();
      return;
    }
    log.warn({ url: row.url, webhookId: row.webhook_id, attempts, failure }, 'webhook.will_retry');
    // Jitter keeps receivers that come back from being hit by everything at once.
    const jitter = 0.75 + (this.#options.random ?? Math.random)() / 2;
    const due_ms = this.#options.clock() + Math.round(pauseAfter(attempts) * jitter);
    await db.updateTable('webhook_outbox').set({ attempts, due_ms }).where('id', '=', row.id).execute();
  }

  /** @returns why it was not accepted, or undefined when it was */
  async #post(row: Selectable<AlertingTables['webhook_outbox']>): Promise<string | undefined> {
    const timeoutMs = this.#options.webhooks.find(webhook => webhook.url === row.url)?.timeout ?? defaultTimeoutMs;
    try {
      const response = await fetch(row.url, {
        method: 'POST',
        redirect: 'manual',
        headers: {
          'content-type': 'application/json',
          'webhook-id': row.webhook_id,
          'webhook-timestamp': String(Math.floor(this.#options.clock() / 1000)),
        },
        body: row.body,
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(timeoutMs)]),
      });
      await response.body?.cancel();
      return response.ok ? undefined : `answered ${response.status}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#stop.abort();
    await this.#running;
  }
}
