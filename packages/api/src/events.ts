import { z } from 'zod';
import { modelSummarySchema, recordingStatusSchema } from './models.ts';
import { alertSchema, verdictSchema } from './monitoring.ts';
import { modelNameSchema, studyNameSchema } from './names.ts';
import { rolloutSchema } from './rollout.ts';

/** What the console hears as it happens, one JSON object per server-sent event. */
export const liveEventSchema = z.discriminatedUnion('kind', [
  /** Every second. */
  z.object({
    kind: z.literal('pulse'),
    atMs: z.number(),
    models: z.array(modelSummarySchema),
    recording: recordingStatusSchema,
  }),
  /** A window closed or was re-scored. Only breaches carry their verdicts; stable windows are announced by name. */
  z.object({
    kind: z.literal('window'),
    model: modelNameSchema,
    windowStartMs: z.number(),
    windowEndMs: z.number(),
    breaches: z.array(verdictSchema),
  }),
  z.object({ kind: z.literal('alert'), alert: alertSchema }),
  /** Versions or aliases changed. */
  z.object({ kind: z.literal('registry'), model: modelNameSchema }),
  /** Trials of a study changed, or it is gone (revision -1). */
  z.object({ kind: z.literal('study'), study: studyNameSchema, revision: z.number() }),
  /** Every second while a rollout is under way, and whenever it moves. */
  z.object({ kind: z.literal('rollout'), rollout: rolloutSchema }),
]);
export type LiveEvent = z.infer<typeof liveEventSchema>;
