import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { JobSpec } from '../job.ts';
import { containerName } from './objects.ts';
import type { KubernetesSettings } from './settings.ts';

/** Says which process attends to a Job; see `JobClaim`. */
export const ownerAnnotation = 'holdfast.dev/owner';
/** Two Jobs of one name with the same identity do the same work. */
export const identityAnnotation = 'holdfast.dev/identity';
const parametersAnnotation = 'holdfast.dev/parameters';

/** Where a pod finds its folder, its checkpoints and its parameters. */
export const podMounts = {
  directory: '/holdfast/job',
  checkpoint: '/holdfast/job/checkpoint',
  parameters: '/etc/holdfast/parameters.json',
} as const;

/** Variables that differ between two starts of the same work. */
const changing = new Set(['HOLDFAST_RESUME_FROM', 'HOLDFAST_REPORT_URL']);

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/**
 * A name for the API (at most 63 characters, of which a pod's name adds 6) that any process finds again.
 *
 * @param scope sets apart jobs of the same name: of another study of that name, in another database
 */
export function jobNameOf(name: string, scope: string): string {
  const readable = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, 36)
    .replace(/-$/, '');
  return `holdfast-${readable}-${digest([scope, name]).slice(0, 8)}`;
}

/** Kubernetes replaces `$(NAME)` in words and variables, and takes `$$` for a dollar sign. */
function literally(text: string): string {
  return text.replaceAll('$', '$$$$');
}

/** A label's value: at most 63 letters, digits, ".", "_" and "-" that begin and end with a letter or digit. */
function labelValue(text: string): string {
  return text
    .replace(/[^\w.-]/g, '-')
    .slice(0, 63)
    .replace(/^[^a-zA-Z0-9]+|[^a-zA-Z0-9]+$/g, '');
}

function environmentOf({ environment }: JobSpec) {
  return Object.entries(environment)
    .filter(([name]) => name !== 'HOLDFAST_REPORT_URL')
    .map(([name, value]) => ({ name, value: literally(value) }));
}

function volumesOf({ storage }: KubernetesSettings, folder: string) {
  const claim = storage === undefined ? { emptyDir: {} } : { persistentVolumeClaim: { claimName: storage.claim } };
  const at = (path: string): string => posix.join(storage?.subPath ?? '', path).replace(/^\//, '');
  const mount = { name: 'folders' };
  return {
    volumes: [
      { name: 'folders', ...claim },
      {
        name: 'parameters',
        downwardAPI: {
          items: [
            { path: 'parameters.json', fieldRef: { fieldPath: `metadata.annotations['${parametersAnnotation}']` } },
          ],
        },
      },
    ],
    mounts: [
      { ...mount, mountPath: podMounts.directory, subPath: at(folder) },
      { ...mount, mountPath: podMounts.checkpoint, subPath: at(posix.join(folder, 'checkpoint')) },
      { name: 'parameters', mountPath: posix.dirname(podMounts.parameters), readOnly: true },
    ],
  };
}

function resourcesOf({ resources }: KubernetesSettings, { memoryBytes }: JobSpec) {
  if (memoryBytes === undefined || resources.limits?.memory !== undefined) return resources;
  return { ...resources, limits: { ...resources.limits, memory: memoryBytes } };
}

const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));

/** The Job that does the work: one pod, never started twice. */
export function jobManifest(spec: JobSpec, settings: KubernetesSettings, name: string, owner: string) {
  const { command, environment, folder, parameters = '{}', labels = {} } = spec;
  const stable = Object.entries(environment).filter(([key]) => !changing.has(key));
  const identity = digest([command, stable, settings.image, folder]);
  const { volumes, mounts } = volumesOf(settings, folder ?? `jobs/${name}`);
  const ours = Object.fromEntries(
    Object.entries(labels).map(([key, value]) => [`holdfast.dev/${key}`, labelValue(value)]),
  );
  const allLabels = { ...settings.labels, 'app.kubernetes.io/managed-by': 'holdfast', ...ours };
  const { workingDir, imagePullPolicy, serviceAccount, imagePullSecrets, nodeSelector, tolerations } = settings;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      labels: allLabels,
      annotations: { ...settings.annotations, [ownerAnnotation]: owner, [identityAnnotation]: identity },
    },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: seconds(spec.timeoutMs),
      ttlSecondsAfterFinished: seconds(settings.keep),
      template: {
        metadata: { labels: allLabels, annotations: { ...settings.annotations, [parametersAnnotation]: parameters } },
        spec: {
          ...settings.pod,
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: seconds(spec.graceMs),
          ...(serviceAccount !== undefined && { serviceAccountName: serviceAccount }),
          ...(imagePullSecrets.length > 0 && { imagePullSecrets: imagePullSecrets.map(secret => ({ name: secret })) }),
          ...(Object.keys(nodeSelector).length > 0 && { nodeSelector }),
          ...(tolerations.length > 0 && { tolerations }),
          volumes: [...listOf(settings.pod.volumes), ...volumes],
          containers: [
            {
              name: containerName,
              image: settings.image,
              ...(imagePullPolicy !== undefined && { imagePullPolicy }),
              ...(workingDir !== undefined && { workingDir }),
              command: command.map(literally),
              env: environmentOf(spec),
              envFrom: settings.envFrom.map(from =>
                'secret' in from ? { secretRef: { name: from.secret } } : { configMapRef: { name: from.configMap } },
              ),
              resources: resourcesOf(settings, spec),
              volumeMounts: [...settings.volumeMounts, ...mounts],
            },
          ],
        },
      },
    },
  };
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
