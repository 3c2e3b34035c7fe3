import { z } from 'zod';
import { isKubeError, isPassing, type KubeClient, KubeError } from './kube-client.ts';

const listSchema = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string() }),
  items: z.array(z.unknown()),
});
const eventSchema = z.looseObject({ type: z.string(), object: z.unknown() });
const versionSchema = z.looseObject({ metadata: z.looseObject({ resourceVersion: z.string() }) });
const statusSchema = z.looseObject({
  code: z.number().default(500),
  reason: z.string().default(''),
  message: z.string().default(''),
});

interface Collection<T extends { readonly metadata: { readonly name: string } }> {
  /** `/apis/batch/v1/namespaces/NS/jobs` */
  readonly path: string;
  readonly selector: { readonly fieldSelector: string } | { readonly labelSelector: string };
  readonly schema: z.ZodType<T>;
  /** The answer is looked at again after so long even when nothing changed. */
  readonly lookAgainMs: number;
}

/**
 * Follows a collection until `look` has an answer: lists it, then watches from there; a watch that the server ends goes on
 * from the last version seen, one that is too old (410) begins with a list again.
 */
export async function watchUntil<T extends { readonly metadata: { readonly name: string } }, A>(
  client: KubeClient,
  { path, selector, schema, lookAgainMs }: Collection<T>,
  look: (objects: readonly T[]) => A | undefined,
  signal: AbortSignal,
): Promise<A> {
  const known = new Map<string, T>();
  let version: string | undefined;
  let answer: A | undefined;
  const list = async (): Promise<void> => {
    const found = listSchema.parse(await client.callPatiently({ path, query: selector, signal }));
    known.clear();
    for (const item of found.items) {
      const object = schema.parse(item);
      known.set(object.metadata.name, object);
    }
    version = found.metadata.resourceVersion;
  };
  const take = (line: string): void => {
    const { type, object } = eventSchema.parse(JSON.parse(line));
    if (type === 'ERROR') {
      const { code, reason, message } = statusSchema.parse(object);
      throw new KubeError(code, reason, message);
    }
    version = versionSchema.parse(object).metadata.resourceVersion;
    if (type === 'BOOKMARK') return;
    const changed = schema.parse(object);
    if (type === 'DELETED') known.delete(changed.metadata.name);
    else known.set(changed.metadata.name, changed);
    answer = look([...known.values()]);
  };
  for (let failures = 0; ; ) {
    signal.throwIfAborted();
    if (version === undefined) await list();
    answer = look([...known.values()]);
    if (answer !== undefined) return answer;
    // Ends the watch as soon as there is an answer, so that nobody waits for the next event.
    const enough = new AbortController();
    const timeoutSeconds = String(Math.max(1, Math.ceil(lookAgainMs / 1000)));
    const query = { ...selector, watch: 'true', allowWatchBookmarks: 'true', resourceVersion: version, timeoutSeconds };
    try {
      await client.lines({ path, query, signal: AbortSignal.any([signal, enough.signal]) }, async line => {
        if (answer !== undefined) return;
        failures = 0;
        take(line);
        if (answer !== undefined) enough.abort();
      });
    } catch (error) {
      if (answer !== undefined) return answer;
      signal.throwIfAborted();
      const isTooOld = isKubeError(error, 410) || isKubeError(error, 504);
      if (!isTooOld && !isPassing(error)) throw error;
      version = undefined;
      if (!isTooOld) await client.rest(++failures, signal);
    }
    if (answer !== undefined) return answer;
  }
}
