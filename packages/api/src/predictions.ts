import { z } from 'zod';
import { versionSchema } from './names.ts';

/** What a column value can be on the wire of the control API; 64-bit integers beyond 2^53 travel as text. */
export const cellSchema = z.union([z.string(), z.number(), z.boolean(), z.null()]);
export type Cell = z.infer<typeof cellSchema>;

/** One row answered, joined with its ground truth when that has arrived. */
export const predictionRecordSchema = z.object({
  id: z.string(),
  key: z.string().nullable(),
  version: versionSchema,
  eventMs: z.number(),
  receivedMs: z.number(),
  latencyMs: z.number(),
  tags: z.record(z.string(), z.string()),
  inputs: z.record(z.string(), cellSchema),
  outputs: z.record(z.string(), cellSchema),
  truth: z.string().nullable(),
});
export type PredictionRecord = z.infer<typeof predictionRecordSchema>;

/** Ground truth for one prediction, named by its id or by the key its caller chose. */
export const labelSchema = z
  .strictObject({
    prediction_id: z.string().min(1).max(200).optional(),
    key: z.string().min(1).max(200).optional(),
    /** The class (text, number or boolean) or the value that really happened. */
    value: z.union([z.string().max(1000), z.number(), z.boolean()]),
    /** When it became known, ms since epoch; now when absent. A later one replaces an earlier one. */
    event_time: z.number().optional(),
  })
  .refine(label => (label.prediction_id === undefined) !== (label.key === undefined), {
    error: 'a label names its prediction by either "prediction_id" or "key"',
  });
export type Label = z.infer<typeof labelSchema>;

export const feedbackSchema = z.strictObject({ labels: z.array(labelSchema).min(1).max(100_000) });
export type Feedback = z.infer<typeof feedbackSchema>;

export const feedbackResponseSchema = z.object({ accepted: z.int() });
export type FeedbackResponse = z.infer<typeof feedbackResponseSchema>;

export const exportFormatSchema = z.enum(['csv', 'parquet', 'jsonl']);
export type ExportFormat = z.infer<typeof exportFormatSchema>;
