import { z } from 'zod';

const allowance = {
  requestsPerSecond: z
    .number()
    .gt(0)
    .max(1_000_000)
    .optional()
    .describe('Requests per second in the long run, of each gateway; unlimited when absent.'),
  burst: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Requests at once after a pause; one second of the rate when absent.'),
  concurrent: z.int().min(1).max(1_000_000).optional().describe('Requests inside at a time; unlimited when absent.'),
  weight: z
    .number()
    .gt(0)
    .max(1000)
    .optional()
    .describe(
      'Share of the queue against other callers that wait: twice the weight gets twice the rows. 1 when absent.',
    ),
};

/** Who sends a request, and how much each may. */
export const callersSchema = z.strictObject({
  header: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'name a header in lower case')
    .default('x-holdfast-key')
    .describe('The header, or gRPC metadata, whose value tells callers apart, such as x-api-key or authorization.'),
  ...allowance,
  shareUnknown: z
    .boolean()
    .default(false)
    .describe('Whether all callers that are not listed share one allowance; each has its own when false.'),
  known: z
    .array(z.strictObject({ name: z.string().min(1).max(63), key: z.string().min(1).max(1000), ...allowance }))
    .default([])
    .describe('Callers with an allowance of their own: their name in metrics, and the value of the header.'),
});
export type CallersConfig = z.output<typeof callersSchema>;
