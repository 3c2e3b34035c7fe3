import type { Log } from '../telemetry/index.ts';
import { ChunkWriter } from './chunk-frame.ts';
import { type FailedRequest, FailureCounts } from './failure-counts.ts';
import { recoverLog } from './log-recovery.ts';
import { openPersonalDataHash } from './personal-data.ts';
import { type AnsweredRequest, PredictionBuffer } from './prediction-buffer.ts';
import { AppendError, SegmentWriter } from './segment-writer.ts';

export interface RecorderOptions {
  /** Where the log lies; made when absent. */
  readonly directory: string;
  /** Name of this process, the same after a restart; two processes alive never share one. */
  readonly instance: string;
  /** Longest time between an answer and its record being on disk, when the disk keeps up. @default 100 */
  readonly syncIntervalMs?: number;
  /** Memory for records on their way to the disk; more are dropped and counted. @default 64 MiB */
  readonly bufferBytes?: number;
  /** A segment is finished when it is this large ... @default 64 MiB */
  readonly segmentBytes?: number;
  /** ... or this old. @default 10 s */
  readonly segmentAgeMs?: number;
  /** Wall clock, ms since epoch. */
  readonly clock: () => number;
  readonly log: Log;
}

export interface RecorderStats {
  /** Predictions on disk since the recorder was opened. */
  readonly recordedTotal: number;
  /** Predictions lost because memory or disk was full, or the disk failed. */
  readonly droppedTotal: number;
  /** Rows of raw tensors that were too large to keep; their predictions are recorded without them. */
  readonly omittedTensorsTotal: number;
  /** Bytes of torn chunks that a killed predecessor had left behind. */
  readonly truncatedBytes: number;
  /** When records last reached the disk; null before the first time. */
  readonly lastSyncedMs: number | null;
  /** The code of the disk's last refusal, such as `ENOSPC`; null while it works. */
  readonly trouble: string | null;
}

/** Where the prediction path leaves what happened. `answered` and `failed` copy, never throw and never wait. */
export interface Recorder extends AsyncDisposable {
  answered(request: AnsweredRequest): void;
  failed(request: FailedRequest): void;
  readonly stats: RecorderStats;
  /** Resolves when all that was told before is on disk, or was dropped and counted. */
  flush(): Promise<void>;
}

/** The timer is set to this share of the sync interval, so that writing and syncing fit into the rest. */
const timerShare = 0.5;
/** More waiting bytes than this are written at once, without the timer. */
const earlyFlushBytes = 4_194_304;
/** After the disk refused a write it is left alone for so long. */
const retryMs = 1000;

class FileRecorder implements Recorder {
  readonly #options: RecorderOptions;
  readonly #syncIntervalMs: number;
  readonly #bufferBytes: number;
  readonly #segments: SegmentWriter;
  readonly #hash: (text: string) => string;
  readonly #buffers = new Map<string, Map<number, PredictionBuffer>>();
  readonly #failures = new FailureCounts();
  readonly #out = new ChunkWriter();
  readonly #truncatedBytes: number;
  /** Bytes and rows in `#buffers`. */
  #stagedBytes = 0;
  /** Rows in `#out`, being written or waiting to be written again. */
  #outRows = 0;
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #recordedTotal = 0;
  #droppedTotal = 0;
  #omittedTensorsTotal = 0;
  #lastSyncedMs: number | null = null;
  #trouble: string | null = null;

  constructor(options: RecorderOptions, segments: SegmentWriter, hash: (text: string) => string, truncated: number) {
    this.#options = options;
    this.#syncIntervalMs = options.syncIntervalMs ?? 100;
    this.#bufferBytes = options.bufferBytes ?? 67_108_864;
    this.#segments = segments;
    this.#hash = hash;
    this.#truncatedBytes = truncated;
  }

  get stats(): RecorderStats {
    return {
      recordedTotal: this.#recordedTotal,
      droppedTotal: this.#droppedTotal,
      omittedTensorsTotal: this.#omittedTensorsTotal,
      truncatedBytes: this.#truncatedBytes,
      lastSyncedMs: this.#lastSyncedMs,
      trouble: this.#trouble,
    };
  }

  answered(request: AnsweredRequest): void {
    if (request.rows <= 0) return;
    if (this.#stagedBytes + this.#out.length >= this.#bufferBytes) {
      this.#droppedTotal += request.rows;
      return;
    }
    try {
      this.#stagedBytes += this.#bufferOf(request).append(request);
    } catch (error) {
      this.#droppedTotal += request.rows;
      this.#options.log.error({ model: request.model, version: request.version, error }, 'predlog.append_failed');
    }
    if (this.#stagedBytes > earlyFlushBytes && this.#trouble === null) void this.#startFlush();
    else this.#arm(this.#syncIntervalMs * timerShare);
  }

  failed(request: FailedRequest): void {
    this.#failures.add(request);
    this.#arm(this.#syncIntervalMs * timerShare);
  }

  async flush(): Promise<void> {
    await this.#flushing;
    if (this.#hasWork()) await this.#startFlush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.flush();
    clearTimeout(this.#timer);
    // What the disk still refuses is lost with the process.
    this.#droppedTotal += this.#outRows;
    this.#outRows = 0;
    await this.#segments[Symbol.asyncDispose]();
  }

  #bufferOf(request: AnsweredRequest): PredictionBuffer {
    let versions = this.#buffers.get(request.model);
    if (versions === undefined) {
      versions = new Map();
      this.#buffers.set(request.model, versions);
    }
    let buffer = versions.get(request.version);
    if (buffer === undefined) {
      buffer = new PredictionBuffer(request.model, request.version, request.signature, this.#hash);
      versions.set(request.version, buffer);
    }
    return buffer;
  }

  #hasWork(): boolean {
    return this.#out.length > 0 || this.#stagedBytes > 0 || this.#failures.size > 0;
  }

  #arm(delayMs: number): void {
    if (this.#timer !== undefined || this.#flushing !== undefined) return;
    this.#timer = setTimeout(() => void this.#startFlush(), delayMs);
  }

  #startFlush(): Promise<void> {
    if (this.#flushing !== undefined) return this.#flushing;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#out.length === 0) this.#encode();
    this.#flushing = this.#write().finally(() => {
      this.#flushing = undefined;
      if (this.#hasWork()) this.#arm(this.#trouble === null ? this.#syncIntervalMs * timerShare : retryMs);
    });
    return this.#flushing;
  }

  /** Moves everything staged into `#out`, one chunk per version. */
  #encode(): void {
    for (const [model, versions] of this.#buffers) {
      for (const [version, buffer] of versions) {
        if (buffer.rows === 0) {
          // No traffic since the last flush: a version that comes back is given a new buffer.
          versions.delete(version);
          continue;
        }
        buffer.write(this.#out);
        this.#outRows += buffer.rows;
        this.#omittedTensorsTotal += buffer.omittedRaws;
        buffer.clear();
      }
      if (versions.size === 0) this.#buffers.delete(model);
    }
    this.#failures.write(this.#out);
    this.#stagedBytes = 0;
  }

  async #write(): Promise<void> {
    try {
      await this.#segments.append(this.#out.bytes);
      this.#recordedTotal += this.#outRows;
      this.#lastSyncedMs = this.#options.clock();
      if (this.#trouble !== null) this.#options.log.info({ was: this.#trouble }, 'predlog.recording_again');
      this.#trouble = null;
    } catch (error) {
      this.#report(error);
      if (error instanceof AppendError && error.outcome === 'unwritten') return;
      this.#droppedTotal += this.#outRows;
    }
    this.#out.clear();
    this.#outRows = 0;
  }

  #report(error: unknown): void {
    const code = error instanceof AppendError ? error.code : 'UNKNOWN';
    if (this.#trouble === code) return;
    this.#trouble = code;
    this.#options.log.error({ error, directory: this.#options.directory }, 'predlog.recording_stopped');
  }
}

/**
 * Opens the recorder of one process, after finishing what a killed predecessor of the same name left open. Nothing that
 * the log contains makes it fail; a directory that cannot be made or read does.
 */
export async function openRecorder(options: RecorderOptions): Promise<Recorder> {
  const { directory, instance, clock, log } = options;
  const hash = await openPersonalDataHash(directory);
  const recovered = await recoverLog(directory, { instance, stream: 'predictions' });
  if (recovered.truncatedBytes > 0) log.warn({ instance, ...recovered }, 'predlog.torn_tail_cut');
  const segments = await SegmentWriter.start({
    directory,
    instance,
    stream: 'predictions',
    segmentBytes: options.segmentBytes ?? 67_108_864,
    segmentAgeMs: options.segmentAgeMs ?? 10_000,
    clock,
    log,
  });
  return new FileRecorder(options, segments, hash, recovered.truncatedBytes);
}
