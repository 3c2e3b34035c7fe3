import { z } from 'zod';

/** What control tells the watcher process at its start. */
export const watcherSettingsSchema = z.object({
  database: z.string(),
  logDirectory: z.string(),
  runDirectory: z.string(),
  retentionMs: z.number(),
  /** Where several machines record and this one leads. */
  cluster: z
    .object({
      /** What members show each other. */
      secret: z.string(),
      /** Address of the shared object store. */
      store: z.string(),
      ordinal: z.int(),
    })
    .optional(),
});
export type WatcherSettings = z.infer<typeof watcherSettingsSchema>;
