import { parseDurationMs } from '@holdfast/api';
import { z } from 'zod';

export const durationSchema = z.string().transform((text, context) => {
  const ms = parseDurationMs(text);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: `"${text}" is not a duration such as 30s, 15m, 1h or 7d` });
  return z.NEVER;
});
