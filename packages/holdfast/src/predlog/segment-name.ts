import { randomBytes } from 'node:crypto';

/** What a segment holds. */
export type Stream = 'predictions' | 'labels';

/** A log file: `<instance>-<openedMs>-<nonce>.<stream>` and `.open` while its writer may append, `.log` after that. */
export interface SegmentFile {
  /** The file's name without its state; never used twice, so that it can stand for the segment for ever. */
  readonly segment: string;
  readonly instance: string;
  readonly stream: Stream;
  readonly openedMs: number;
  readonly isOpen: boolean;
  readonly fileName: string;
}

const pattern = /^((.+)-(\d{13,})-[0-9a-f]{8}\.(predictions|labels))\.(open|log)$/;

/** What a file name says; undefined when the file is no log segment. */
export function parseSegmentFile(fileName: string): SegmentFile | undefined {
  const match = pattern.exec(fileName);
  if (match === null) return undefined;
  const [, segment = '', instance = '', openedMs = '', stream, state] = match;
  return {
    segment,
    instance,
    stream: stream === 'labels' ? 'labels' : 'predictions',
    openedMs: Number(openedMs),
    isOpen: state === 'open',
    fileName,
  };
}

/** A name for a new segment; the nonce keeps it unique when the clock steps back. */
export function newSegment(instance: string, stream: Stream, nowMs: number): string {
  const opened = Math.max(0, Math.floor(nowMs)).toString().padStart(13, '0');
  return `${instance}-${opened}-${randomBytes(4).toString('hex')}.${stream}`;
}

/** Oldest first. */
export function bySegmentAge(a: SegmentFile, b: SegmentFile): number {
  return a.openedMs - b.openedMs || (a.segment < b.segment ? -1 : 1);
}
