import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fault } from '@holdfast/api';
import { z } from 'zod';
import type { KubeCredential } from './kube-connection.ts';

const run = promisify(execFile);
const timeoutMs = 60_000;
/** A token is replaced so long before it ends. */
const marginMs = 30_000;

export const execConfigSchema = z.looseObject({
  apiVersion: z.string().default('client.authentication.k8s.io/v1'),
  command: z.string(),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
});
type ExecConfig = z.output<typeof execConfigSchema>;

const answerSchema = z.looseObject({
  status: z.looseObject({
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
    expirationTimestamp: z.string().optional(),
  }),
});

/**
 * Credentials that a program hands out, as the command line tools of cloud providers do (`exec` of a kubeconfig), kept
 * until they end or the server refuses them.
 */
export function execCredential(config: ExecConfig, folder: string): (isRefused: boolean) => Promise<KubeCredential> {
  let known: { readonly credential: KubeCredential; readonly untilMs: number } | undefined;
  return async isRefused => {
    if (known !== undefined && !isRefused && Date.now() < known.untilMs) return known.credential;
    const { apiVersion, command, args, env } = config;
    const request = { apiVersion, kind: 'ExecCredential', spec: { interactive: false } };
    const { stdout } = await run(command, args ?? [], {
      cwd: folder,
      timeout: timeoutMs,
      env: {
        ...process.env,
        ...Object.fromEntries((env ?? []).map(({ name, value }) => [name, value])),
        KUBERNETES_EXEC_INFO: JSON.stringify(request),
      },
    }).catch((error: unknown) => {
      throw fault(
        'job_not_started',
        `credentials from "${command}": ${error instanceof Error ? error.message : error}`,
      );
    });
    const { status } = answerSchema.parse(JSON.parse(stdout));
    const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = status;
    const credential = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    };
    const untilMs = expirationTimestamp === undefined ? Number.POSITIVE_INFINITY : Date.parse(expirationTimestamp);
    known = { credential, untilMs: untilMs - marginMs };
    return credential;
  };
}
