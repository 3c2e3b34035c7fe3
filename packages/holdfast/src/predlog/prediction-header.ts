import { z } from 'zod';

/** The line of a prediction chunk's header that differs from chunk to chunk; the next line is the schema. */
export const predictionHeaderSchema = z.object({
  kind: z.literal('predictions'),
  model: z.string(),
  version: z.int(),
  rows: z.int().min(1),
  requests: z.int().min(1),
  minEventMs: z.number(),
  maxEventMs: z.number(),
  minReceivedMs: z.number(),
  maxReceivedMs: z.number(),
  /** Rows whose event time the caller gave. */
  explicitRows: z.int(),
  hasKeys: z.boolean(),
  /** Per block, whether a presence byte per row stands before its values. */
  masks: z.array(z.boolean()),
});
export type PredictionHeader = Readonly<z.infer<typeof predictionHeaderSchema>>;
