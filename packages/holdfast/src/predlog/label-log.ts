import { fault } from '@holdfast/api';
import type { Log } from '../telemetry/index.ts';
import { ChunkWriter } from './chunk-frame.ts';
import { recoverLog } from './log-recovery.ts';
import { AppendError, SegmentWriter } from './segment-writer.ts';

/** Ground truth as it arrived. The serving room's record, told apart by structure. */
export interface ReceivedLabel {
  readonly predictionId: string | undefined;
  readonly key: string | undefined;
  /** Class or value as text: `1`, `true`, `churned`, `3.25`. */
  readonly value: string;
  readonly eventMs: number;
}

export interface LabelLogOptions {
  readonly directory: string;
  /** Name of this process, the same after a restart; two processes alive never share one. */
  readonly instance: string;
  /** Labels that may wait for the disk; more are refused with `overloaded`. @default 1,000,000 */
  readonly mostWaiting?: number;
  /** @default 64 MiB */
  readonly segmentBytes?: number;
  /** @default 10 s */
  readonly segmentAgeMs?: number;
  /** Wall clock, ms since epoch. */
  readonly clock: () => number;
  readonly log: Log;
}

export interface LabelLogStats {
  /** Labels acknowledged since the log was opened. */
  readonly labelsTotal: number;
  readonly truncatedBytes: number;
  /** True after the disk failed to sync; the log then refuses labels until it is opened again. */
  readonly isReadOnly: boolean;
}

/** Where ground truth is kept. */
export interface LabelLog extends AsyncDisposable {
  /**
   * Resolves when the labels are durable. Callers that come while the disk is busy share the next sync.
   * @throws Fault `storage_full` on a full disk, `overloaded` when too many labels wait, `internal` when the disk failed
   */
  append(model: string, labels: readonly ReceivedLabel[]): Promise<void>;
  readonly stats: LabelLogStats;
}

export interface LabelHeader {
  readonly kind: 'labels';
  readonly model: string;
  readonly rows: number;
  readonly receivedMs: number;
}

/** One model's labels as a chunk. */
function writeLabels(out: ChunkWriter, model: string, labels: readonly ReceivedLabel[], receivedMs: number): void {
  const header: LabelHeader = { kind: 'labels', model, rows: labels.length, receivedMs };
  out.begin(JSON.stringify(header));
  out.texts(labels.map(label => label.predictionId));
  out.texts(labels.map(label => label.key));
  out.texts(labels.map(label => label.value));
  out.array(
    Float64Array.from(labels, label => label.eventMs),
    labels.length,
  );
  out.end();
}

const refusedForMs = 1000;

class FileLabelLog implements LabelLog {
  readonly #options: LabelLogOptions;
  readonly #segments: SegmentWriter;
  readonly #truncatedBytes: number;
  readonly #out = new ChunkWriter();
  /** Labels that the next sync takes along, per model. */
  #waiting = new Map<string, ReceivedLabel[]>();
  #waitingCount = 0;
  #nextSync: Promise<void> | undefined;
  #lastSync: Promise<void> = Promise.resolve();
  #labelsTotal = 0;
  #isReadOnly = false;

  constructor(options: LabelLogOptions, segments: SegmentWriter, truncatedBytes: number) {
    this.#options = options;
    this.#segments = segments;
    this.#truncatedBytes = truncatedBytes;
  }

  get stats(): LabelLogStats {
    return { labelsTotal: this.#labelsTotal, truncatedBytes: this.#truncatedBytes, isReadOnly: this.#isReadOnly };
  }

  append(model: string, labels: readonly ReceivedLabel[]): Promise<void> {
    if (this.#isReadOnly) return Promise.reject(fault('internal', 'label-log'));
    if (this.#waitingCount + labels.length > (this.#options.mostWaiting ?? 1_000_000)) {
      return Promise.reject(fault('overloaded', refusedForMs));
    }
    const waiting = this.#waiting.get(model);
    if (waiting === undefined) this.#waiting.set(model, [...labels]);
    else for (const label of labels) waiting.push(label);
    this.#waitingCount += labels.length;
    if (this.#nextSync === undefined) {
      // The group stays open to others until the sync before it has ended.
      this.#nextSync = this.#lastSync.then(() => this.#sync());
      this.#lastSync = this.#nextSync.catch(() => {});
    }
    return this.#nextSync;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lastSync;
    await this.#segments[Symbol.asyncDispose]();
  }

  async #sync(): Promise<void> {
    const group = this.#waiting;
    const count = this.#waitingCount;
    this.#waiting = new Map();
    this.#waitingCount = 0;
    this.#nextSync = undefined;
    if (this.#isReadOnly) throw fault('internal', 'label-log');
    const receivedMs = this.#options.clock();
    this.#out.clear();
    for (const [model, labels] of group) writeLabels(this.#out, model, labels, receivedMs);
    try {
      await this.#segments.append(this.#out.bytes);
    } catch (error) {
      throw this.#refusal(error);
    }
    this.#labelsTotal += count;
  }

  #refusal(error: unknown): Error {
    if (error instanceof AppendError && error.outcome === 'unwritten') {
      this.#options.log.error({ error }, 'labels.refused');
      return error.isDiskFull ? fault('storage_full') : fault('internal', 'label-log');
    }
    // After a failed sync nobody knows what the disk holds; only a new start, which reads it, does.
    this.#isReadOnly = true;
    this.#options.log.error({ error }, 'labels.read_only');
    return fault('internal', 'label-log');
  }
}

/** Opens the label log of one process, after finishing what a killed predecessor of the same name left open. */
export async function openLabelLog(options: LabelLogOptions): Promise<LabelLog> {
  const { directory, instance, clock, log } = options;
  const segments = await SegmentWriter.start({
    directory,
    instance,
    stream: 'labels',
    segmentBytes: options.segmentBytes ?? 67_108_864,
    segmentAgeMs: options.segmentAgeMs ?? 10_000,
    clock,
    log,
  });
  const recovered = await recoverLog(directory, { instance, stream: 'labels' });
  if (recovered.truncatedBytes > 0) log.warn({ instance, ...recovered }, 'predlog.torn_tail_cut');
  return new FileLabelLog(options, segments, recovered.truncatedBytes);
}
