import { z } from 'zod';

const remoteServerSchema = z
  .strictObject({
    tokenVariable: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'name an environment variable')
      .optional()
      .describe('Environment variable with the token that is sent as `Authorization: Bearer`.'),
    certificateAuthority: z
      .string()
      .optional()
      .describe("PEM file with the certificates that the server's is checked against, instead of the system's."),
    certificate: z.string().optional().describe('PEM file with the certificate that is shown to the server ...'),
    key: z.string().optional().describe('... and the PEM file with its key.'),
  })
  .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
    message: 'give a certificate and its key together',
  });

/** What is known of the servers that answer versions in Holdfast's place. */
export const remoteSchema = z.strictObject({
  onlyListed: z
    .boolean()
    .default(false)
    .describe('Whether a version may live only on the servers listed here; on any server otherwise.'),
  servers: z
    .record(z.string().regex(/^[^/?#@\s]+$/, 'name a server as HOST:PORT, as in the sources'), remoteServerSchema)
    .default({})
    .describe('By HOST:PORT, as it stands in the sources.'),
});
export type RemoteConfig = z.output<typeof remoteSchema>;
