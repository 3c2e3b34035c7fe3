import { isKubeError, isPassing, type KubeClient } from './kube-client.ts';
import { containerName } from './objects.ts';

/** Where reading has come to: the time of the last line, and how many lines have that time. */
interface Place {
  readonly time: string;
  readonly lines: number;
}

/** A time with nine digits after the point, so that times compare as texts. */
function comparable(time: string): string {
  const [whole = '', fraction = ''] = time.replace(/Z$/, '').split('.');
  return `${whole}.${fraction.padEnd(9, '0')}`;
}

/**
 * Reads the log of a pod line by line while it grows, each line once: where the connection breaks or the server ends it, it
 * goes on after the last line by the times that the server puts before them.
 *
 * @param hasEnded whether the container runs no more, asked when an answer ends; then what is left is read once more
 */
export async function followLog(
  client: KubeClient,
  pod: string,
  onLine: (line: string) => Promise<void>,
  hasEnded: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  let place: Place | undefined;
  const read = async (isFollowing: boolean): Promise<void> => {
    const from = place;
    let same = 0;
    const take = async (line: string): Promise<void> => {
      const blank = line.indexOf(' ');
      const stamp = blank < 0 ? line : line.slice(0, blank);
      // A notice of the node itself has no time.
      if (!/^\d{4}-\d\d-\d\dT/.test(stamp)) return onLine(line);
      const time = comparable(stamp);
      if (from !== undefined && time < from.time) return;
      if (time === from?.time && ++same <= from.lines) return;
      place = { time, lines: place?.time === time ? place.lines + 1 : 1 };
      await onLine(blank < 0 ? '' : line.slice(blank + 1));
    };
    const query = {
      container: containerName,
      timestamps: 'true',
      follow: String(isFollowing),
      ...(from !== undefined && { sinceTime: `${from.time.slice(0, 19)}Z` }),
    };
    await client.lines({ path: `/api/v1/namespaces/${client.namespace}/pods/${pod}/log`, query, signal }, take);
  };
  for (let failures = 0; !signal.aborted; ) {
    try {
      // Asked before, so that nothing can be written between the last look and the end.
      const isLast = await hasEnded();
      await read(!isLast);
      if (isLast) return;
      failures = 0;
    } catch (error) {
      if (signal.aborted || isKubeError(error, 404)) return;
      // The container is about to start, or its node is busy.
      if (!isPassing(error) && !isKubeError(error, 400)) throw error;
    }
    await client.rest(++failures, signal).catch(() => {});
  }
}
