import { fileURLToPath } from 'node:url';
import type { LiveEvent, ProcessStatus } from '@holdfast/api';
import { z } from 'zod';
import type { ComparedArms } from '../monitoring/index.ts';
import type { Log } from '../telemetry/index.ts';
import { SupervisedChild } from './supervised-child.ts';
import type { ArmsQuestion, FromWatcher, ToWatcher, WatchedVersion } from './watch-messages.ts';
import type { WatcherSettings } from './watcher-settings.ts';

/** What the watcher of a leader needs beside the log of its own machine. */
export interface WatchCluster {
  readonly secret: string;
  readonly store: string;
  readonly ordinal: number;
  /** The other machines now. */
  readonly members: () => readonly { readonly ordinal: number; readonly address: string }[];
  /** Makes a copy the one that the next leader goes on from. @throws when this machine leads no more */
  readonly publish: (key: string) => Promise<void>;
}

const membersEveryMs = 1000;

export interface WatchOptions {
  readonly cluster: WatchCluster | undefined;
  readonly settings: WatcherSettings;
  readonly log: Log;
  readonly onEvent: (event: Extract<LiveEvent, { kind: 'window' }>) => void;
  readonly onArms: (question: ArmsQuestion, compared: ComparedArms) => void;
}

function membersOf(cluster: WatchCluster): Extract<ToWatcher, { kind: 'members' }> {
  return { kind: 'members', members: cluster.members() };
}

function isFromWatcher(message: unknown): message is FromWatcher {
  return z.object({ kind: z.enum(['watching', 'event', 'arms', 'copied']) }).safeParse(message).success;
}

/** Control's side of the watcher process. */
export class Watch implements AsyncDisposable {
  readonly #options: WatchOptions;
  readonly #child: SupervisedChild;
  /** Resolves when the watcher's database is there to be read. */
  readonly ready: Promise<void>;
  #models: readonly WatchedVersion[] = [];
  #telling: NodeJS.Timeout | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
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
        if (options.cluster !== undefined) send(membersOf(options.cluster));
      },
      onMessage: message => {
        if (!isFromWatcher(message)) return;
        if (message.kind === 'event') options.onEvent(message.event);
        else if (message.kind === 'copied') this.#publish(message.key);
        else if (message.kind === 'arms') options.onArms(message.question, message.compared);
        else {
          this.#child.markHealthy();
          ready.resolve();
        }
      },
    });
    if (options.cluster !== undefined) this.#telling = setInterval(() => this.#tellMembers(), membersEveryMs);
  }

  #tellMembers(): void {
    const { cluster } = this.#options;
    if (cluster !== undefined) this.#child.send(membersOf(cluster));
  }

  #publish(key: string): void {
    const { cluster, log } = this.#options;
    cluster?.publish(key).then(
      () => {
        const message: ToWatcher = { kind: 'published', key };
        this.#child.send(message);
      },
      (error: unknown) => log.warn({ error, key }, 'cluster.copy_not_published'),
    );
  }

  /** The steps whose ground truth is wanted now; each is answered every few seconds while it is asked for. */
  askArms(questions: readonly ArmsQuestion[]): void {
    const message: ToWatcher = { kind: 'arms', questions };
    this.#child.send(message);
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
    clearInterval(this.#telling);
    await this.#child[Symbol.asyncDispose]();
  }
}
