import { z } from 'zod';
import { callersSchema, remoteSchema } from '../config/index.ts';

/** What control tells a gateway process at its start. */
export const gatewaySettingsSchema = z.object({
  host: z.string(),
  port: z.int(),
  grpcPort: z.int(),
  /** 1 for the first gateway of this machine, and so on; part of prediction ids and log names. */
  instance: z.int(),
  /** Several gateways listen on the same ports. */
  shared: z.boolean(),
  /** Whether clients may load and unload models and change settings. */
  mayControl: z.boolean(),
  logDirectory: z.string(),
  runDirectory: z.string(),
  corsOrigins: z.array(z.string()),
  /** Credentials of the servers that versions live on. */
  remote: remoteSchema,
  limits: z.object({
    bodyBytes: z.number(),
    requestTimeout: z.number(),
    connections: z.number(),
    callers: callersSchema.optional(),
  }),
  recording: z.object({
    enabled: z.boolean(),
    syncIntervalMs: z.number(),
    bufferBytes: z.number(),
    segmentBytes: z.number(),
    segmentAgeMs: z.number(),
  }),
});
export type GatewaySettings = z.infer<typeof gatewaySettingsSchema>;
