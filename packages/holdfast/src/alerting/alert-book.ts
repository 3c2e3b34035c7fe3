import { randomUUID } from 'node:crypto';
import type { Alert, ModelName, Verdict } from '@holdfast/api';
import type { Kysely, Transaction } from 'kysely';
import type { Log } from '../telemetry/index.ts';
import { type AlertState, type Hysteresis, step } from './alert-state.ts';
import { severityOf, titleOf, worstFirst } from './alert-title.ts';
import { type AlertFilter, alertOf, isOver, lastVerdict, listAlerts, openAlert, stateOf } from './alerting-store.ts';
import type { AlertingTables } from './schema.ts';
import { enqueueNotification, type Webhook, WebhookOutbox } from './webhook-outbox.ts';

/** The verdicts as the watcher wrote them, by ascending number. */
export interface VerdictSource {
  newVerdictsSince(id: number, limit?: number): Promise<readonly Verdict[]>;
}

export interface AlertingOptions {
  readonly db: Kysely<AlertingTables>;
  readonly verdicts: VerdictSource;
  readonly hysteresisOf: (model: string) => Hysteresis;
  readonly webhooks: readonly Webhook[];
  readonly clock: () => number;
  readonly log: Log;
  /** Told after an alert changed and that is durable. */
  readonly emit: (alert: Alert) => void;
  /** @default 1000 */
  readonly pollMs?: number;
}

const batchSize = 1000;

interface JudgedWindow {
  readonly model: ModelName;
  readonly version: number;
  readonly monitor: Verdict['monitor'];
  readonly startMs: number;
  readonly endMs: number;
  readonly lastId: number;
  readonly breaches: readonly Verdict[];
  /** False when nothing could be decided: such a window is neither a breach nor quiet. */
  readonly isDecided: boolean;
}

/** Verdicts of one monitor in one window stand together, because they were written in one transaction. */
function windowsOf(verdicts: readonly Verdict[]): JudgedWindow[] {
  const groups = Map.groupBy(
    verdicts,
    v => `${v.model} ${v.version} ${v.monitor} ${v.windowStartMs} ${v.windowEndMs} ${v.revision}`,
  );
  return [...groups.values()].map(group => {
    const first = group[0]!;
    return {
      model: first.model,
      version: first.version,
      monitor: first.monitor,
      startMs: first.windowStartMs,
      endMs: first.windowEndMs,
      lastId: Math.max(...group.map(verdict => verdict.id)),
      breaches: worstFirst(group.filter(verdict => verdict.outcome === 'breached')),
      isDecided: group.some(verdict => verdict.outcome !== 'undecided'),
    };
  });
}

/** Turns verdicts into alerts, each verdict once, and keeps them. Use `openAlerting`. */
export class AlertBook implements AsyncDisposable {
  readonly #options: AlertingOptions;
  readonly #outbox: WebhookOutbox;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: AlertingOptions) {
    this.#options = options;
    this.#outbox = new WebhookOutbox(options);
  }

  /** Alerts, firing ones first. */
  list(filter: AlertFilter = {}): Promise<Alert[]> {
    return listAlerts(this.#options.db, filter);
  }

  /** Follows the verdicts until it is disposed. */
  start(): void {
    this.#outbox.start();
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#running = this.step()
        .catch((error: unknown) => this.#options.log.error({ error }, 'alerting.step_failed'))
        .then(() => this.#schedule());
    }, this.#options.pollMs ?? 1000);
  }

  /** Takes in all verdicts that are new. */
  async step(): Promise<void> {
    const { db, verdicts } = this.#options;
    for (;;) {
      const batch = await verdicts.newVerdictsSince(await lastVerdict(db), batchSize);
      if (batch.length === 0) return;
      const windows = windowsOf(batch);
      // The last window of a full batch may go on in the next one.
      const complete = batch.length < batchSize || windows.length === 1 ? windows : windows.slice(0, -1);
      for (const window of complete) await this.#takeIn(window);
    }
  }

  async #takeIn(window: JudgedWindow): Promise<void> {
    const { db, emit } = this.#options;
    const changed = await db.transaction().execute(async transaction => {
      await transaction.updateTable('alert_progress').set({ verdict_id: window.lastId }).execute();
      return window.isDecided ? this.#advance(transaction, window) : undefined;
    });
    if (changed !== undefined) emit(changed);
  }

  async #advance(transaction: Transaction<AlertingTables>, window: JudgedWindow): Promise<Alert | undefined> {
    const before = await openAlert(transaction, window);
    const isBreached = window.breaches.length > 0;
    // A window that is scored again because labels came late has counted already; it can only add a breach.
    const isAgain = before !== undefined && window.endMs <= before.last_window_ms;
    if (before === undefined && (!isBreached || (await isOver(transaction, window)))) return undefined;
    if (before !== undefined && isAgain) return isBreached ? this.#describe(transaction, before.id, window) : undefined;
    const after = step(before && stateOf(before), isBreached, this.#options.hysteresisOf(window.model));
    if (after === undefined) {
      if (before !== undefined) await transaction.deleteFrom('alert').where('id', '=', before.id).execute();
      return before && { ...alertOf(before), state: 'resolved' };
    }
    const id = before?.id ?? (await this.#open(transaction, window));
    return this.#become(transaction, id, after, before?.state, window);
  }

  async #open(transaction: Transaction<AlertingTables>, window: JudgedWindow): Promise<string> {
    const id = randomUUID();
    await transaction
      .insertInto('alert')
      .values({
        id,
        model: window.model,
        version: window.version,
        monitor: window.monitor,
        state: 'pending',
        windows: 0,
        severity: severityOf(window.monitor),
        title: titleOf(window.monitor, []),
        subjects_json: '[]',
        sentences_json: '[]',
        since_ms: window.startMs,
        last_window_ms: window.endMs,
        opened_at_ms: this.#options.clock(),
        fired_at_ms: null,
        resolved_at_ms: null,
      })
      .execute();
    return id;
  }

  async #describe(transaction: Transaction<AlertingTables>, id: string, window: JudgedWindow): Promise<Alert> {
    const subjects = window.breaches.map(verdict => verdict.subject);
    const row = await transaction
      .updateTable('alert')
      .set({
        title: titleOf(window.monitor, subjects),
        subjects_json: JSON.stringify(subjects),
        sentences_json: JSON.stringify(window.breaches.map(verdict => verdict.sentence)),
      })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
    return alertOf(row);
  }

  async #become(
    transaction: Transaction<AlertingTables>,
    id: string,
    state: AlertState,
    before: Alert['state'] | undefined,
    window: JudgedWindow,
  ): Promise<Alert> {
    if (window.breaches.length > 0) await this.#describe(transaction, id, window);
    const nowMs = this.#options.clock();
    const row = await transaction
      .updateTable('alert')
      .set({
        state: state.phase,
        windows: state.phase === 'pending' ? state.breaches : state.phase === 'firing' ? state.quiet : 0,
        last_window_ms: window.endMs,
        ...(state.phase === 'firing' && before !== 'firing' && { fired_at_ms: nowMs }),
        ...(state.phase === 'resolved' && { resolved_at_ms: nowMs }),
      })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
    const alert = alertOf(row);
    if (alert.state !== before && alert.state !== 'pending') await this.#notify(transaction, alert);
    return alert;
  }

  async #notify(transaction: Transaction<AlertingTables>, alert: Alert): Promise<void> {
    this.#options.log.warn({ model: alert.model, version: alert.version, alert: alert.title }, `alert.${alert.state}`);
    await enqueueNotification(transaction, this.#options.webhooks, alert, this.#options.clock());
  }

  /** A version whose runners died too often; fires at once and stays until it is resolved by `retire`. */
  async quarantined(model: ModelName, version: number, reason: string): Promise<void> {
    const nowMs = this.#options.clock();
    const alert = await this.#options.db.transaction().execute(async transaction => {
      if ((await openAlert(transaction, { model, version, monitor: 'runtime' })) !== undefined) return undefined;
      const row = await transaction
        .insertInto('alert')
        .values({
          id: randomUUID(),
          model,
          version,
          monitor: 'runtime',
          state: 'firing',
          windows: 0,
          severity: severityOf('runtime'),
          title: `Version ${version} is in quarantine`,
          subjects_json: '[]',
          sentences_json: JSON.stringify([`Version ${version} stopped serving: ${reason}.`]),
          since_ms: nowMs,
          last_window_ms: nowMs,
          opened_at_ms: nowMs,
          fired_at_ms: nowMs,
          resolved_at_ms: null,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      const opened = alertOf(row);
      await this.#notify(transaction, opened);
      return opened;
    });
    if (alert !== undefined) this.#options.emit(alert);
  }

  /**
   * Resolves what is open about versions of a model that serve nobody any more, since no window of theirs will ever be
   * quiet; and the quarantine of a version that serves again.
   */
  async retire(model: ModelName, live: ReadonlySet<number>): Promise<void> {
    const resolved = await this.#options.db.transaction().execute(async transaction => {
      const open = await transaction
        .selectFrom('alert')
        .selectAll()
        .where('model', '=', model)
        .where('state', '!=', 'resolved')
        .execute();
      const over = open.filter(row => (row.monitor === 'runtime' ? live.has(row.version) : !live.has(row.version)));
      const alerts: Alert[] = [];
      for (const { id } of over) {
        const row = await transaction
          .updateTable('alert')
          .set({ state: 'resolved', resolved_at_ms: this.#options.clock() })
          .where('id', '=', id)
          .returningAll()
          .executeTakeFirstOrThrow();
        const alert = alertOf(row);
        await this.#notify(transaction, alert);
        alerts.push(alert);
      }
      return alerts;
    });
    for (const alert of resolved) this.#options.emit(alert);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
    await this.#outbox[Symbol.asyncDispose]();
  }
}

/** Opens the alerts of `meta.db` and follows the verdicts. */
export function startAlerting(options: AlertingOptions): AlertBook {
  const book = new AlertBook(options);
  book.start();
  return book;
}
