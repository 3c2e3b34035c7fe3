import { z } from 'zod';
import { durationSchema } from '../../config/index.ts';

const quantities = z.record(z.string(), z.union([z.string(), z.number()]));

/** Jobs as Kubernetes Jobs: what every one of them has in common. */
export const kubernetesSettingsSchema = z.strictObject({
  backend: z.literal('kubernetes'),
  image: z.string().min(1).describe('Image that has the command and what it needs.'),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).exactOptional(),
  imagePullSecrets: z.array(z.string()).default([]),
  namespace: z.string().min(1).exactOptional().describe('Default: that of the context or of the service account.'),
  serviceAccount: z.string().min(1).exactOptional().describe('Service account of the pods.'),
  workingDir: z.string().min(1).exactOptional().describe('Working directory; default: that of the image.'),
  resources: z
    .strictObject({ requests: quantities.exactOptional(), limits: quantities.exactOptional() })
    .prefault({})
    .describe('Requests and limits of the container, such as `limits: { nvidia.com/gpu: 1 }`.'),
  envFrom: z
    .array(z.union([z.strictObject({ secret: z.string() }), z.strictObject({ configMap: z.string() })]))
    .default([])
    .describe('Secrets and config maps whose entries become variables.'),
  storage: z
    .strictObject({
      claim: z.string().min(1).describe('A claim that many pods can write to (ReadWriteMany).'),
      subPath: z.string().default('').describe('Where the data directory is in it.'),
    })
    .exactOptional()
    .describe('Keeps the folders of the trials; without it they end with their pods.'),
  nodeSelector: z.record(z.string(), z.string()).default({}),
  tolerations: z.array(z.record(z.string(), z.json())).default([]),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
  pod: z
    .record(z.string(), z.json())
    .refine(pod => !('containers' in pod), 'the container is made from the other settings')
    .default({})
    .describe('Further fields of the pod spec, such as `affinity` or `volumes`.'),
  volumeMounts: z.array(z.record(z.string(), z.json())).default([]).describe('Mounts of volumes listed in `pod`.'),
  startTimeout: durationSchema
    .prefault('2m')
    .describe('How long an image that cannot be pulled, or a secret that is not there, is waited for.'),
  keep: durationSchema.prefault('1d').describe('How long an ended Job stays when nobody takes its result.'),
  kubeconfig: z.string().min(1).exactOptional().describe('Default: KUBECONFIG, the service account, ~/.kube/config.'),
  context: z.string().min(1).exactOptional(),
});
export type KubernetesSettings = z.output<typeof kubernetesSettingsSchema>;
