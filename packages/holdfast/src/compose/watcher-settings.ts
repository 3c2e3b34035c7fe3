import { z } from 'zod';

/** What control tells the watcher process at its start. */
export const watcherSettingsSchema = z.object({
  database: z.string(),
  logDirectory: z.string(),
  retentionMs: z.number(),
});
export type WatcherSettings = z.infer<typeof watcherSettingsSchema>;
