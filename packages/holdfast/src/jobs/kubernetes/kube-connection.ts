import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fault } from '@holdfast/api';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { execConfigSchema, execCredential } from './exec-credential.ts';

/** How a call is authenticated. */
export interface KubeCredential {
  /** Value of the authorization header. */
  readonly authorization?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** An API server, and who we are to it. */
export interface KubeConnection {
  readonly server: URL;
  readonly namespace: string;
  /** Certificate authority, PEM; that of the system when undefined. */
  readonly ca: string | undefined;
  readonly isInsecure: boolean;
  /** Name that the server's certificate is for, when it is not the host's. */
  readonly serverName: string | undefined;
  /** Read anew for every call, because tokens are replaced; `isRefused` after the server refused the last one. */
  credential(isRefused: boolean): Promise<KubeCredential>;
}

/** Only the entries that are used are read further, so that others may be whatever they are. */
const entriesSchema = z.array(z.looseObject({ name: z.string() })).default([]);

const clusterSchema = z.looseObject({
  server: z.url(),
  'certificate-authority': z.string().optional(),
  'certificate-authority-data': z.string().optional(),
  'insecure-skip-tls-verify': z.boolean().default(false),
  'tls-server-name': z.string().optional(),
});
const userSchema = z.looseObject({
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  'client-certificate': z.string().optional(),
  'client-certificate-data': z.string().optional(),
  'client-key': z.string().optional(),
  'client-key-data': z.string().optional(),
  exec: execConfigSchema.nullish(),
});
const contextSchema = z.looseObject({
  cluster: z.string(),
  user: z.string().default(''),
  namespace: z.string().optional(),
});
const kubeconfigSchema = z.looseObject({
  'current-context': z.string().default(''),
  clusters: entriesSchema,
  contexts: entriesSchema,
  users: entriesSchema,
});

const fileOfService = (name: string): string => join('/var/run/secrets/kubernetes.io/serviceaccount', name);

/** The service account of the pod that this process runs in; undefined outside of a cluster. */
function inCluster(environment: NodeJS.ProcessEnv): KubeConnection | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  if (host === undefined || !existsSync(fileOfService('token'))) return undefined;
  const namespace = fileOfService('namespace');
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    namespace: existsSync(namespace) ? readFileSync(namespace, 'utf8').trim() : 'default',
    ca: readFileSync(fileOfService('ca.crt'), 'utf8'),
    isInsecure: false,
    serverName: undefined,
    credential: async () => ({ authorization: `Bearer ${readFileSync(fileOfService('token'), 'utf8').trim()}` }),
  };
}

function refused(path: string, why: string): Error {
  return fault('bad_configuration', path, why);
}

function entryOf<T>(
  path: string,
  kind: string,
  entries: readonly { readonly name: string; readonly [key: string]: unknown }[],
  name: string,
  schema: z.ZodType<T>,
): T {
  const found = entries.find(entry => entry.name === name);
  if (found === undefined) throw refused(path, `there is no ${kind} "${name}"`);
  const read = schema.safeParse(found[kind]);
  if (!read.success) throw refused(path, `${kind} "${name}": ${z.prettifyError(read.error)}`);
  return read.data;
}

/** Reads what stands in the file itself (base64) or beside it. */
function textOf(folder: string, inline: string | undefined, file: string | undefined): string | undefined {
  if (inline !== undefined) return Buffer.from(inline, 'base64').toString('utf8');
  return file === undefined ? undefined : readFileSync(resolve(folder, file), 'utf8');
}

function credentialOf(folder: string, user: z.output<typeof userSchema>): KubeConnection['credential'] {
  const cert = textOf(folder, user['client-certificate-data'], user['client-certificate']);
  const key = textOf(folder, user['client-key-data'], user['client-key']);
  const pair = { ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
  const { exec, tokenFile, token, username, password } = user;
  if (exec) return execCredential(exec, folder);
  if (tokenFile !== undefined)
    return async () => ({
      ...pair,
      authorization: `Bearer ${readFileSync(resolve(folder, tokenFile), 'utf8').trim()}`,
    });
  if (token !== undefined) return async () => ({ ...pair, authorization: `Bearer ${token}` });
  if (username === undefined) return async () => pair;
  const basic = Buffer.from(`${username}:${password ?? ''}`).toString('base64');
  return async () => ({ ...pair, authorization: `Basic ${basic}` });
}

function fromFile(path: string, wantedContext: string | undefined): KubeConnection {
  const folder = dirname(path);
  const read = kubeconfigSchema.safeParse(parseYaml(readFileSync(path, 'utf8')));
  if (!read.success) throw refused(path, z.prettifyError(read.error));
  const name = wantedContext ?? read.data['current-context'];
  const context = entryOf(path, 'context', read.data.contexts, name, contextSchema);
  const cluster = entryOf(path, 'cluster', read.data.clusters, context.cluster, clusterSchema);
  const user = context.user === '' ? {} : entryOf(path, 'user', read.data.users, context.user, userSchema);
  return {
    server: new URL(cluster.server),
    namespace: context.namespace ?? 'default',
    ca: textOf(folder, cluster['certificate-authority-data'], cluster['certificate-authority']),
    isInsecure: cluster['insecure-skip-tls-verify'],
    serverName: cluster['tls-server-name'],
    credential: credentialOf(folder, user),
  };
}

/**
 * The cluster to use: the kubeconfig that is named, or that of `KUBECONFIG`, or the service account of this pod, or
 * `~/.kube/config`.
 *
 * @throws Fault `bad_configuration` when there is none, or it cannot be read
 */
export function connectionOf(
  wanted: { readonly kubeconfig?: string; readonly context?: string },
  environment: NodeJS.ProcessEnv = process.env,
): KubeConnection {
  const fromEnvironment = environment.KUBECONFIG === '' ? undefined : environment.KUBECONFIG;
  const named = wanted.kubeconfig ?? fromEnvironment;
  const around = named === undefined && wanted.context === undefined ? inCluster(environment) : undefined;
  if (around !== undefined) return around;
  const path = named ?? join(homedir(), '.kube', 'config');
  if (!existsSync(path)) throw refused(path, 'there is no such file; name a kubeconfig for the Kubernetes backend');
  return fromFile(path, wanted.context);
}
