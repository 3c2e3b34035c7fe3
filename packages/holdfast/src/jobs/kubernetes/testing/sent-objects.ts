import { z } from 'zod';

// What the server reads of what it is sent, by the API reference; the rest is kept and given back.

const textsSchema = z.record(z.string(), z.string());

const volumeSchema = z.looseObject({
  name: z.string(),
  persistentVolumeClaim: z.looseObject({ claimName: z.string() }).optional(),
  downwardAPI: z
    .looseObject({
      items: z.array(z.looseObject({ path: z.string(), fieldRef: z.looseObject({ fieldPath: z.string() }) })),
    })
    .optional(),
});

const containerSchema = z.looseObject({
  name: z.string(),
  image: z.string(),
  command: z.tuple([z.string()], z.string()),
  env: z.array(z.looseObject({ name: z.string(), value: z.string() })).default([]),
  volumeMounts: z
    .array(z.looseObject({ name: z.string(), mountPath: z.string(), subPath: z.string().optional() }))
    .default([]),
});

const podSpecSchema = z.looseObject({
  restartPolicy: z.string().optional(),
  terminationGracePeriodSeconds: z.number().default(30),
  containers: z.tuple([containerSchema], containerSchema),
  volumes: z.array(volumeSchema).default([]),
});
export type PodSpec = z.output<typeof podSpecSchema>;

const jobSpecSchema = z.looseObject({
  activeDeadlineSeconds: z.number(),
  template: z.looseObject({
    metadata: z.looseObject({ labels: textsSchema.default({}), annotations: textsSchema.default({}) }).optional(),
    spec: podSpecSchema,
  }),
});
export type JobSpec = z.output<typeof jobSpecSchema>;

export const sentJobSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    labels: textsSchema.default({}),
    annotations: textsSchema.default({}),
  }),
  spec: jobSpecSchema,
});

export const patchSchema = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string().optional(), annotations: textsSchema.default({}) }),
});

export const deleteOptionsSchema = z.looseObject({
  propagationPolicy: z.string().optional(),
  preconditions: z.looseObject({ uid: z.string().optional(), resourceVersion: z.string().optional() }).default({}),
});
