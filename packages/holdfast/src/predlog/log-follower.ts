import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../telemetry/index.ts';
import { readChunk, type StoredChunk } from './chunk-codec.ts';
import { claimedBytes, findFrame } from './chunk-frame.ts';
import type { Watermarks } from './log-chunk.ts';
import { bySegmentAge, parseSegmentFile, type SegmentFile } from './segment-name.ts';
import { SchemaCache } from './stored-predictions.ts';

export interface FollowOptions {
  /** Where the log lies; it may still be missing. */
  readonly directory: string;
  /** Bytes already consumed per segment; nothing when absent. */
  readonly from?: Watermarks;
  /** Roughly how many bytes one `readNew` decodes. @default 16 MiB */
  readonly readBytes?: number;
  /** Segments that are not to be read, such as those that were sealed but not removed yet. */
  readonly isSkipped?: (segment: string) => boolean;
  readonly log: Log;
}

/** Reads chunks as they are written, by any number of processes, including those in segments that are still open. */
export interface LogFollower {
  /** New chunks, oldest segments first; empty when there is nothing new. Call again until it is. */
  readNew(): Promise<StoredChunk[]>;
  /** Bytes read so far per segment that still exists. */
  readonly watermarks: Watermarks;
  /** Segments that will not grow any more and were read to their end, oldest first. */
  readonly finished: readonly string[];
  /** Bytes inside finished segments that were no chunks, because the disk had damaged them. */
  readonly damagedBytes: number;
}

const defaultReadBytes = 16_777_216;

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

class DirectoryFollower implements LogFollower {
  readonly #options: FollowOptions;
  readonly #schemas = new SchemaCache();
  readonly #offsets: Map<string, number>;
  /** Finished segments that were read to their end. */
  #finished = new Set<string>();
  #damagedBytes = 0;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#offsets = new Map(Object.entries(options.from ?? {}));
  }

  get watermarks(): Watermarks {
    return Object.fromEntries(this.#offsets);
  }

  get finished(): readonly string[] {
    return [...this.#finished];
  }

  get damagedBytes(): number {
    return this.#damagedBytes;
  }

  async readNew(): Promise<StoredChunk[]> {
    const files = await this.#list();
    const chunks: StoredChunk[] = [];
    let left = this.#options.readBytes ?? defaultReadBytes;
    for (const file of files) {
      if (left <= 0) break;
      if (this.#finished.has(file.segment)) continue;
      left -= await this.#readSegment(file, left, chunks);
    }
    return chunks;
  }

  async #list(): Promise<readonly SegmentFile[]> {
    let names: string[];
    try {
      names = await readdir(this.#options.directory);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
    const isSkipped = this.#options.isSkipped ?? (() => false);
    const bySegment = new Map<string, SegmentFile>();
    for (const name of names) {
      const file = parseSegmentFile(name);
      // A listing made during a rename can show both names: the finished one counts.
      if (file === undefined || isSkipped(file.segment)) continue;
      if (!file.isOpen || !bySegment.has(file.segment)) bySegment.set(file.segment, file);
    }
    for (const segment of this.#offsets.keys()) if (!bySegment.has(segment)) this.#offsets.delete(segment);
    for (const segment of this.#finished) if (!bySegment.has(segment)) this.#finished.delete(segment);
    return [...bySegment.values()].sort(bySegmentAge);
  }

  /** Decodes what is new in one segment, about `most` bytes of it; the bytes read. */
  async #readSegment(file: SegmentFile, most: number, chunks: StoredChunk[]): Promise<number> {
    let handle: FileHandle;
    try {
      handle = await open(join(this.#options.directory, file.fileName), 'r');
    } catch (error) {
      // Finished and renamed, or sealed and removed, since it was listed.
      if (isMissing(error)) return 0;
      throw error;
    }
    try {
      const { size } = await handle.stat();
      const start = this.#offsets.get(file.segment) ?? 0;
      let offset = start;
      while (offset < size && offset - start < most) {
        const next = await this.#readSome(handle, file, offset, size, chunks);
        if (next === offset) break;
        offset = next;
        this.#offsets.set(file.segment, offset);
      }
      if (!file.isOpen && offset >= size) this.#finished.add(file.segment);
      return offset - start;
    } finally {
      await handle.close();
    }
  }

  /** Decodes the whole chunks of one read; the offset after them, unchanged when the next chunk is not whole yet. */
  async #readSome(
    handle: FileHandle,
    file: SegmentFile,
    offset: number,
    size: number,
    chunks: StoredChunk[],
  ): Promise<number> {
    const bytes = await readAt(handle, offset, Math.min(size - offset, defaultReadBytes));
    let at = 0;
    for (;;) {
      const chunk = readChunk(bytes, at, file.segment, offset, this.#schemas);
      if (chunk === undefined) break;
      chunks.push(chunk);
      at = chunk.place.end - offset;
    }
    if (at > 0) return offset + at;
    const claimed = claimedBytes(bytes, 0);
    if (claimed !== undefined && claimed > bytes.length && offset + claimed <= size) {
      return this.#readLarge(handle, file, offset, claimed, chunks);
    }
    return file.isOpen ? offset : this.#skipDamage(bytes, offset, size);
  }

  async #readLarge(
    handle: FileHandle,
    file: SegmentFile,
    offset: number,
    claimed: number,
    chunks: StoredChunk[],
  ): Promise<number> {
    const bytes = await readAt(handle, offset, claimed);
    const chunk = readChunk(bytes, 0, file.segment, offset, this.#schemas);
    if (chunk !== undefined) {
      chunks.push(chunk);
      return chunk.place.end;
    }
    return file.isOpen ? offset : this.#skipDamage(bytes, offset, offset + claimed);
  }

  /** In a segment that nobody writes any more, bytes that are no chunk are damage: goes on at the next whole chunk. */
  #skipDamage(bytes: Buffer, offset: number, size: number): number {
    const found = findFrame(bytes, 8);
    const next = found === undefined ? Math.min(size, offset + bytes.length) : offset + found;
    this.#damagedBytes += next - offset;
    this.#options.log.error({ offset, bytes: next - offset }, 'predlog.damaged_bytes_skipped');
    return next;
  }
}

async function readAt(handle: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  let done = 0;
  while (done < bytes) {
    const { bytesRead } = await handle.read(buffer, done, bytes - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

/** Opens a follower; it keeps no file open between calls. */
export function followLog(options: FollowOptions): LogFollower {
  return new DirectoryFollower(options);
}
