import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Metric } from './metric-line.ts';

const valueSchema = z.union([z.number(), z.string().transform(Number)]);
const metricSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('step'),
    step: z.number(),
    values: z.array(valueSchema),
    cost: z.number().exactOptional(),
  }),
  z.object({
    kind: z.literal('result'),
    values: z.array(valueSchema),
    constraints: z.array(valueSchema).exactOptional(),
    cost: z.number().exactOptional(),
  }),
]);
const aheadSchema = z.array(metricSchema);

/**
 * What a command reported between the decision to pause it and its end: it runs on until the request to stop reaches it,
 * and its checkpoint with it, so these reports would be missing when it goes on from there.
 */
export type AheadMetric = Exclude<Metric, { kind: 'broken' }>;

const fileOf = (trialFolder: string): string => join(trialFolder, 'ahead.json');

/** Keeps reports with the trial, to be counted when it is resumed. */
export async function keepAhead(trialFolder: string, metrics: readonly AheadMetric[]): Promise<void> {
  if (metrics.length === 0) return;
  const text = JSON.stringify(metrics, (_, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
  await writeFile(fileOf(trialFolder), text);
}

/** Takes what was kept; nothing when there is none. */
export async function takeAhead(trialFolder: string): Promise<readonly AheadMetric[]> {
  const text = await readFile(fileOf(trialFolder), 'utf8').catch(() => undefined);
  if (text === undefined) return [];
  await rm(fileOf(trialFolder), { force: true });
  return aheadSchema.parse(JSON.parse(text));
}
