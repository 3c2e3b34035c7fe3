import { z } from 'zod';

// What we read of the objects of Kubernetes; everything else in them is left alone.

const metadataSchema = z.looseObject({
  name: z.string(),
  uid: z.string().default(''),
  resourceVersion: z.string().default(''),
  creationTimestamp: z.string().default(''),
  deletionTimestamp: z.string().optional(),
  annotations: z.record(z.string(), z.string()).default({}),
});

const conditionSchema = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string().default(''),
  message: z.string().default(''),
});

export const jobSchema = z.looseObject({
  metadata: metadataSchema,
  status: z.looseObject({ conditions: z.array(conditionSchema).nullish() }).default({}),
});
export type KubeJob = z.output<typeof jobSchema>;

const containerStatusSchema = z.looseObject({
  name: z.string(),
  state: z
    .looseObject({
      waiting: z.looseObject({ reason: z.string().default(''), message: z.string().default('') }).nullish(),
      running: z.looseObject({}).nullish(),
      terminated: z
        .looseObject({
          exitCode: z.number(),
          signal: z.number().optional(),
          reason: z.string().default(''),
          message: z.string().default(''),
        })
        .nullish(),
    })
    .default({}),
});

export const podSchema = z.looseObject({
  metadata: metadataSchema,
  status: z
    .looseObject({
      phase: z.string().default('Pending'),
      reason: z.string().default(''),
      message: z.string().default(''),
      conditions: z.array(conditionSchema).nullish(),
      containerStatuses: z.array(containerStatusSchema).nullish(),
    })
    .default({ phase: 'Pending', reason: '', message: '' }),
});
export type KubePod = z.output<typeof podSchema>;

/** Name of the container that runs the command. */
export const containerName = 'job';

/** The state of the command's container; undefined before the node has said anything. */
export function containerState(pod: KubePod) {
  return pod.status.containerStatuses?.find(status => status.name === containerName)?.state;
}

/** The condition of this type, when it holds. */
export function conditionOf(
  conditions: readonly z.output<typeof conditionSchema>[] | null | undefined,
  type: string,
): z.output<typeof conditionSchema> | undefined {
  return conditions?.find(condition => condition.type === type && condition.status === 'True');
}
