import { promisify } from 'node:util';
import { constants, createGunzip, createInflate, deflate, gzip } from 'node:zlib';
import { BodyTooLarge, badRequest, Refusal } from '../refusal.ts';

const gzipAsync = promisify<string | Buffer, { level: number }, Buffer>(gzip);
const deflateAsync = promisify<string | Buffer, { level: number }, Buffer>(deflate);

/** A body may grow to this many times its compressed size, beyond the first mebibyte. */
const largestRatio = 100;
const pieceBytes = 65_536;
/** Smaller answers cost more to compress than they save. */
const smallestCompressedBytes = 1024;

export type Coding = 'identity' | 'gzip' | 'deflate';

/** The coding of a request body. @throws Refusal (501) for one that is not spoken here */
export function requestCoding(header: string | undefined): Coding {
  const coding = header?.trim().toLowerCase() ?? '';
  if (coding === '' || coding === 'identity') return 'identity';
  if (coding === 'gzip' || coding === 'deflate') return coding;
  throw new Refusal('bad_request', 'Unsupported compression type', { status: 501 });
}

/**
 * @param grew told the bytes of each piece as it comes; what it throws ends the work
 * @throws Refusal `too_large` when the body grows beyond the limit, `bad_request` when it is damaged
 */
export async function decompress(
  body: Buffer,
  coding: 'gzip' | 'deflate',
  limitBytes: number,
  grew: (bytes: number) => void,
): Promise<Buffer> {
  const allowed = Math.min(limitBytes, Math.max(1_048_576, body.length * largestRatio));
  const stream = coding === 'gzip' ? createGunzip({ chunkSize: pieceBytes }) : createInflate({ chunkSize: pieceBytes });
  const pieces: Buffer[] = [];
  let bytes = 0;
  stream.end(body);
  try {
    for await (const piece of stream) {
      if (!Buffer.isBuffer(piece)) continue;
      bytes += piece.length;
      if (bytes > allowed) throw new BodyTooLarge(allowed + 1, allowed, true);
      grew(piece.length);
      pieces.push(piece);
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw badRequest(`The ${coding} body is damaged: ${error instanceof Error ? error.message : 'unreadable'}.`);
  }
  return Buffer.concat(pieces, bytes);
}

function quality(parameters: string | undefined): number {
  const match = /^\s*q\s*=\s*([0-9.]+)\s*$/i.exec(parameters ?? '');
  if (match === null) return 1;
  const value = Number(match[1]);
  return Number.isFinite(value) ? Math.min(1, value) : 0;
}

/** The coding a client likes best among those spoken here; `identity` when it says nothing. */
export function responseCoding(header: string | undefined): Coding {
  if (header === undefined) return 'identity';
  let best: Coding = 'identity';
  let bestQuality = 0;
  for (const part of header.split(',')) {
    const [name, parameters] = part.split(';', 2);
    const coding = name?.trim().toLowerCase();
    const likes = quality(parameters);
    if ((coding === 'gzip' || coding === 'deflate' || coding === 'identity') && likes > bestQuality) {
      best = coding;
      bestQuality = likes;
    }
  }
  return best;
}

/** The body in the coding the client accepts, or undefined when it is better sent as it is. */
export function compress(body: string | Buffer, coding: Coding): Promise<Buffer> | undefined {
  if (coding === 'identity' || body.length < smallestCompressedBytes) return undefined;
  return (coding === 'gzip' ? gzipAsync : deflateAsync)(body, { level: constants.Z_BEST_SPEED });
}
