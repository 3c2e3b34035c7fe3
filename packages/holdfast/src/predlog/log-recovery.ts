import { open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { claimedBytes, frameBytes, isWhole } from './chunk-frame.ts';
import { parseSegmentFile, type SegmentFile, type Stream } from './segment-name.ts';

/** What finishing the segments of a dead writer found. */
export interface RecoveredLog {
  readonly segments: number;
  /** Bytes of torn chunks cut off the ends. */
  readonly truncatedBytes: number;
}

/** Makes the entries of a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Length of the whole chunks at the start of a file, read chunk by chunk. */
async function wholeBytes(handle: Awaited<ReturnType<typeof open>>, size: number): Promise<number> {
  const frame = Buffer.allocUnsafe(frameBytes);
  let offset = 0;
  while (offset < size) {
    const { bytesRead } = await handle.read(frame, 0, frameBytes, offset);
    const claimed = bytesRead === frameBytes ? claimedBytes(frame, 0) : undefined;
    if (claimed === undefined || offset + claimed > size) break;
    const chunk = Buffer.allocUnsafe(claimed);
    await handle.read(chunk, 0, claimed, offset);
    if (!isWhole(chunk, 0)) break;
    offset += claimed;
  }
  return offset;
}

async function finishSegment(directory: string, file: SegmentFile): Promise<number> {
  const path = join(directory, file.fileName);
  const handle = await open(path, 'r+');
  let truncated = 0;
  let kept = 0;
  try {
    const { size } = await handle.stat();
    kept = await wholeBytes(handle, size);
    truncated = size - kept;
    if (truncated > 0) await handle.truncate(kept);
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (kept === 0) await unlink(path);
  else await rename(path, join(directory, `${file.segment}.log`));
  return truncated;
}

/**
 * Finishes segments that a dead writer left open: cuts each at its first chunk that is not whole and marks it finished.
 * Call it only for writers that cannot be alive: all (no `instance`), those of one instance that is starting again, or
 * those of this machine among copies of others' segments.
 */
export async function recoverLog(
  directory: string,
  writers: {
    readonly instance?: string;
    readonly stream?: Stream;
    readonly isOwn?: (instance: string) => boolean;
  } = {},
): Promise<RecoveredLog> {
  let segments = 0;
  let truncatedBytes = 0;
  for (const fileName of await readdir(directory)) {
    const file = parseSegmentFile(fileName);
    if (file === undefined || !file.isOpen) continue;
    if (writers.instance !== undefined && file.instance !== writers.instance) continue;
    if (writers.isOwn?.(file.instance) === false) continue;
    if (writers.stream !== undefined && file.stream !== writers.stream) continue;
    truncatedBytes += await finishSegment(directory, file);
    segments += 1;
  }
  if (segments > 0) await syncDirectory(directory);
  return { segments, truncatedBytes };
}
