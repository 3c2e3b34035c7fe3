import { open, readdir, rename, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSegmentFile, type SegmentFile } from '../predlog/index.ts';
import type { Log } from '../telemetry/index.ts';
import { shelfSchema } from './log-shelf.ts';
import { memberHeaders } from './member-listener.ts';
import type { Member } from './membership.ts';

export interface LogMirrorOptions {
  /** The leader's log, which its watcher follows. */
  readonly directory: string;
  /** The other machines; those that cannot be reached are tried again. */
  readonly members: () => readonly Member[];
  readonly secret: string;
  /** Whether the rows of a segment are in sealed files that the shared store has: it is not copied, and let go of. */
  readonly isSealed: (segment: string) => boolean;
  readonly log: Log;
  /** @default 10 s */
  readonly timeoutMs?: number;
}

/**
 * Brings what other machines recorded into the leader's log, so that one watcher sees all traffic. Segments only grow,
 * so a copy is continued from its length; a finished one is renamed when it is whole, synced before.
 */
export class LogMirror {
  readonly #options: LogMirrorOptions;
  readonly #away = new Set<number>();

  constructor(options: LogMirrorOptions) {
    this.#options = options;
  }

  /** Copies what is new from every member that answers; true when there was something. */
  async step(): Promise<boolean> {
    const steps = this.#options.members().map(member => this.#stepOf(member));
    return (await Promise.all(steps)).some(copied => copied);
  }

  async #stepOf(member: Member): Promise<boolean> {
    try {
      const copied = await this.#copyFrom(member);
      if (this.#away.delete(member.ordinal)) this.#options.log.info({ member: member.ordinal }, 'cluster.member_back');
      return copied;
    } catch (error) {
      if (!this.#away.has(member.ordinal))
        this.#options.log.warn({ member: member.ordinal, error }, 'cluster.member_unreachable');
      this.#away.add(member.ordinal);
      return false;
    }
  }

  async #fetch(member: Member, path: string, method = 'GET'): Promise<Response> {
    const response = await fetch(new URL(path, member.address), {
      method,
      headers: memberHeaders(this.#options.secret),
      signal: AbortSignal.timeout(this.#options.timeoutMs ?? 10_000),
    });
    if (!response.ok && response.status !== 404) {
      await response.body?.cancel();
      throw new Error(`member ${member.ordinal} answered ${response.status} to ${path}`);
    }
    return response;
  }

  async #copyFrom(member: Member): Promise<boolean> {
    const response = await this.#fetch(member, '/log');
    const shelf = shelfSchema.parse(await response.json());
    const here = new Map<string, SegmentFile>();
    for (const name of await readdir(this.#options.directory)) {
      const file = parseSegmentFile(name);
      if (file !== undefined && !here.get(file.segment)?.isOpen) here.set(file.segment, file);
    }
    let copied = false;
    for (const { fileName, bytes } of shelf) {
      const file = parseSegmentFile(fileName);
      if (file === undefined) continue;
      const copy = here.get(file.segment);
      if (this.#options.isSealed(file.segment)) {
        if (copy === undefined && !file.isOpen) await this.#letGo(member, fileName);
      } else if (copy === undefined || copy.isOpen) copied = (await this.#copy(member, file, bytes)) || copied;
    }
    return copied;
  }

  async #letGo(member: Member, fileName: string): Promise<void> {
    const response = await this.#fetch(member, `/log/${encodeURIComponent(fileName)}`, 'DELETE');
    await response.body?.cancel();
  }

  async #copy(member: Member, file: SegmentFile, bytes: number): Promise<boolean> {
    const path = join(this.#options.directory, `${file.segment}.open`);
    const before = await stat(path).then(
      found => found.size,
      () => 0,
    );
    let size = before;
    if (size < bytes) {
      const handle = await open(path, 'a');
      try {
        while (size < bytes) {
          const part = await this.#fetch(member, `/log/${encodeURIComponent(file.fileName)}?from=${size}`);
          const received = part.status === 404 ? undefined : new Uint8Array(await part.arrayBuffer());
          // Renamed meanwhile, when it is missing; the next step finds it under its new name.
          if (received === undefined || received.length === 0) break;
          await handle.writeFile(received);
          size += received.length;
        }
        if (!file.isOpen) await handle.sync();
      } finally {
        await handle.close();
      }
    }
    // A writer that died is cut to its last whole chunk when it starts again; so is the copy, which had the torn one.
    if (!file.isOpen && size > bytes) await truncate(path, bytes);
    if (!file.isOpen && size >= bytes) await rename(path, join(this.#options.directory, `${file.segment}.log`));
    return size > before;
  }
}
