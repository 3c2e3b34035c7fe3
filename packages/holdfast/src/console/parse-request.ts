import { fault } from '@holdfast/api';
import type { z } from 'zod';

function sentenceOf(error: z.ZodError): string {
  return error.issues
    .map(issue => `${issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''}${issue.message}`)
    .join('; ');
}

/** @throws Fault `bad_request` naming what is wrong */
export function parse<S extends z.ZodType>(schema: S, raw: unknown): z.output<S> {
  const result = schema.safeParse(raw);
  if (!result.success) throw fault('bad_request', sentenceOf(result.error));
  return result.data;
}
