import { fileURLToPath } from 'node:url';
import type { LiveEvent, ProcessStatus } from '@holdfast/api';
import { z } from 'zod';
import type { Log } from '../telemetry/index.ts';
import { SupervisedChild } from './supervised-child.ts';
import type { FromWatcher, ToWatcher, WatchedVersion } from './watch-messages.ts';
import type { WatcherSettings } from './watcher-settings.ts';

export interface WatchOptions {
  readonly settings: WatcherSettings;
  readonly log: Log;
  readonly onEvent: (event: Extract<LiveEvent, { kind: 'window' }>) => void;
}

function isFromWatcher(message: unknown): message is FromWatcher {
  return z.object({ kind: z.enum(['watching', 'event']) }).safeParse(message).success;
}

/** Control's side of the watcher process. */
export class Watch implements AsyncDisposable {
  readonly #child: SupervisedChild;
  /** Resolves when the watcher's database is there to be read. */
  readonly ready: Promise<void>;
  #models: readonly WatchedVersion[] = [];

  constructor(options: WatchOptions) {
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.#child = new SupervisedChild({
      name: 'watcher',
      kind: 'watcher',
      entry: fileURLToPath(
        new URL(`./watcher-process${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
      ),
      settings: () => options.settings,
      log: options.log,
      onStart: send => {
        const message: ToWatcher = { kind: 'models', models: this.#models };
        send(message);
      },
      onMessage: message => {
        if (!isFromWatcher(message)) return;
        if (message.kind === 'event') options.onEvent(message.event);
        else {
          this.#child.markHealthy();
          ready.resolve();
        }
      },
    });
  }

  /** Replaces the versions to watch. */
  watch(models: readonly WatchedVersion[]): void {
    this.#models = models;
    const message: ToWatcher = { kind: 'models', models };
    this.#child.send(message);
  }

  status(): ProcessStatus {
    return this.#child.status();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
