import { type FileHandle, mkdir, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Turns } from '../storage/index.ts';
import type { Log } from '../telemetry/index.ts';
import { syncDirectory } from './log-recovery.ts';
import { newSegment, type Stream } from './segment-name.ts';

export interface SegmentOptions {
  readonly directory: string;
  /** Name of the writing process, the same after a restart: 1 to 60 of a-z, 0-9, "." and "-". */
  readonly instance: string;
  readonly stream: Stream;
  /** A segment is finished when it is this large ... @default 64 MiB */
  readonly segmentBytes: number;
  /** ... or this old, in milliseconds. @default 10 s */
  readonly segmentAgeMs: number;
  readonly clock: () => number;
  readonly log: Log;
}

/** What became of bytes that could not be made durable. */
export class AppendError extends Error {
  override readonly name = 'AppendError';
  /**
   * `unwritten`: nothing of them is in the log, so they may be given again. `uncertain`: they may or may not be in the
   * log, so giving them again could record them twice; that file is not written again.
   */
  readonly outcome: 'unwritten' | 'uncertain';
  readonly code: string;

  constructor(outcome: AppendError['outcome'], cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.outcome = outcome;
    this.code = errorCode(cause);
  }

  get isDiskFull(): boolean {
    return this.code === 'ENOSPC' || this.code === 'EDQUOT';
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN';
}

interface OpenSegment {
  readonly segment: string;
  readonly handle: FileHandle;
  bytes: number;
}

async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Appends groups of chunks to one stream of segments, one after another. */
export class SegmentWriter implements AsyncDisposable {
  readonly #options: SegmentOptions;
  #open: OpenSegment | undefined;
  readonly #turns = new Turns();
  #ageTimer: NodeJS.Timeout | undefined;

  private constructor(options: SegmentOptions) {
    this.#options = options;
  }

  static async start(options: SegmentOptions): Promise<SegmentWriter> {
    await mkdir(options.directory, { recursive: true });
    return new SegmentWriter(options);
  }

  /**
   * Resolves when the bytes, which must be whole chunks, are on the disk. They are borrowed until then.
   * @throws AppendError
   */
  append(bytes: Uint8Array): Promise<void> {
    return this.#turns.take(() => this.#append(bytes));
  }

  /** Finishes the open segment, so that it can be sealed. */
  finish(): Promise<void> {
    return this.#turns.take(() => this.#finish());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.finish();
  }

  async #append(bytes: Uint8Array): Promise<void> {
    this.#open ??= await this.#create();
    const target = this.#open;
    try {
      await writeFully(target.handle, bytes, target.bytes);
    } catch (error) {
      throw await this.#undo(target, error);
    }
    try {
      await target.handle.datasync();
    } catch (error) {
      // After a failed sync the kernel may have dropped the pages: this file is never written or synced again.
      await this.#finish();
      throw new AppendError('uncertain', error);
    }
    target.bytes += bytes.length;
    if (target.bytes >= this.#options.segmentBytes) await this.#finish();
  }

  /** Takes back a write that failed half-way. */
  async #undo(target: OpenSegment, cause: unknown): Promise<AppendError> {
    try {
      await target.handle.truncate(target.bytes);
      return new AppendError('unwritten', cause);
    } catch {
      await this.#finish();
      return new AppendError('uncertain', cause);
    }
  }

  async #create(): Promise<OpenSegment> {
    const { directory, instance, stream, clock, segmentAgeMs } = this.#options;
    const segment = newSegment(instance, stream, clock());
    let handle: FileHandle | undefined;
    try {
      handle = await open(join(directory, `${segment}.open`), 'wx', 0o600);
      await syncDirectory(directory);
    } catch (error) {
      await handle?.close();
      throw new AppendError('unwritten', error);
    }
    this.#ageTimer = setTimeout(() => void this.finish(), segmentAgeMs);
    this.#ageTimer.unref();
    return { segment, handle, bytes: 0 };
  }

  async #finish(): Promise<void> {
    clearTimeout(this.#ageTimer);
    const done = this.#open;
    this.#open = undefined;
    if (done === undefined) return;
    const { directory, log } = this.#options;
    const path = join(directory, `${done.segment}.open`);
    try {
      await done.handle.close();
      if (done.bytes === 0) await unlink(path);
      else await rename(path, join(directory, `${done.segment}.log`));
      await syncDirectory(directory);
    } catch (error) {
      // The next start of this instance finishes it.
      log.warn({ segment: done.segment, error }, 'predlog.segment_left_open');
    }
  }
}
