import { createReadStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { parseSegmentFile } from '../predlog/index.ts';
import { answerJson, type MemberRoute } from './member-listener.ts';

/** What a member has of the prediction log. */
export const shelfSchema = z.array(z.object({ fileName: z.string(), bytes: z.int().min(0) }));

/** One part of a segment per request, so that no connection is held for long. */
export const partBytes = 16_777_216;

async function list(directory: string, isOwn: (instance: string) => boolean): Promise<z.output<typeof shelfSchema>> {
  const shelf: z.output<typeof shelfSchema> = [];
  for (const fileName of await readdir(directory)) {
    const file = parseSegmentFile(fileName);
    if (file === undefined || !isOwn(file.instance)) continue;
    // Renamed or removed since it was listed: the next listing tells.
    const size = await stat(join(directory, fileName)).then(
      found => found.size,
      () => undefined,
    );
    if (size !== undefined) shelf.push({ fileName, bytes: size });
  }
  return shelf;
}

/**
 * Lets the leader read this machine's segments: `GET /log` lists them, `GET /log/FILE?from=N` gives bytes, and
 * `DELETE /log/FILE` removes a finished one, once its rows are safe elsewhere.
 *
 * @param isOwn whether a segment of this writer was written here
 */
export function logShelf(directory: string, isOwn: (instance: string) => boolean): MemberRoute {
  return async (request, response, url) => {
    if (url.pathname === '/log' && request.method === 'GET') {
      answerJson(response, 200, await list(directory, isOwn));
      return true;
    }
    const fileName = /^\/log\/([^/]+)$/.exec(url.pathname)?.[1];
    const file = fileName === undefined ? undefined : parseSegmentFile(decodeURIComponent(fileName));
    if (file === undefined || !isOwn(file.instance) || file.fileName.includes('/')) return false;
    const path = join(directory, file.fileName);
    if (request.method === 'DELETE' && !file.isOpen) {
      await rm(path, { force: true });
      answerJson(response, 200, {});
      return true;
    }
    if (request.method !== 'GET') return false;
    const from = z.coerce
      .number()
      .int()
      .min(0)
      .parse(url.searchParams.get('from') ?? '0');
    const size = await stat(path).then(
      found => found.size,
      () => undefined,
    );
    if (size === undefined) {
      answerJson(response, 404, {});
      return true;
    }
    const end = Math.min(size, from + partBytes);
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': Math.max(0, end - from) });
    if (end <= from) response.end();
    else await pipeline(createReadStream(path, { start: from, end: end - 1 }), response);
    return true;
  };
}
