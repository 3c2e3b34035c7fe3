import {
  aliasSchema,
  deploymentSchema,
  ensembleSchema,
  modelNameSchema,
  rolloutDefaultsSchema,
  sourceChoiceSchema,
  taskHintSchema,
  versionSchema,
} from '@holdfast/api';
import { z } from 'zod';
import { callersSchema } from './callers.ts';
import { durationSchema } from './duration.ts';
import { remoteSchema } from './remote.ts';

const bytes = (n: number) => z.int().min(1).default(n);

/** A window is so much event time, or so many rows. */
export const windowSchema = z.union([
  z.strictObject({ every: durationSchema }),
  z.strictObject({ rows: z.int().min(50).max(10_000_000) }),
]);
export type WindowSpec = z.output<typeof windowSchema>;

export const monitorsSchema = z.strictObject({
  window: windowSchema
    .prefault({ every: '1h' })
    .describe('The window that drift, quality, service level and volume are judged on.'),
  performanceWindow: windowSchema.optional().describe('The window that performance is judged on.'),
  lateness: durationSchema
    .prefault('1m')
    .describe('How long a window stays open for stragglers after its end, in event time.'),
  drift: z
    .strictObject({
      enabled: z.boolean().default(true),
      falseAlarmRate: z
        .number()
        .gt(0)
        .lt(1)
        .default(0.01)
        .describe('Promised share of quiet windows with a false drift alarm, over all columns together.'),
      minimumEffect: z
        .number()
        .min(0)
        .default(0.1)
        .describe('Smallest size-corrected effect that matters, even when it is significant.'),
      minimumRows: z.int().min(10).default(100).describe('Fewer rows than this in a window give no verdict.'),
      ignore: z
        .array(z.string())
        .default([])
        .describe('Columns not judged, such as a calendar column that always moves.'),
    })
    .prefault({}),
  quality: z
    .strictObject({
      enabled: z.boolean().default(true),
      missing: z
        .number()
        .min(0)
        .max(1)
        .default(0.05)
        .describe("Largest growth of a column's missing share over the baseline's."),
      outOfRange: z
        .number()
        .min(0)
        .max(1)
        .default(0.01)
        .describe('Largest share of values outside the declared or baseline range.'),
      unseen: z
        .number()
        .min(0)
        .max(1)
        .default(0.05)
        .describe('Largest share of rows with a category that the baseline never had.'),
    })
    .prefault({}),
  performance: z
    .strictObject({
      enabled: z.boolean().default(true),
      tolerance: z
        .number()
        .min(0)
        .default(0.02)
        .describe(
          'Largest tolerated loss of the leading metric against the baseline (absolute for shares, relative for errors).',
        ),
      minimumLabels: z.int().min(10).default(200).describe('Labels needed in a window before it is judged.'),
    })
    .prefault({}),
  serviceLevel: z
    .strictObject({
      enabled: z.boolean().default(true),
      errorRatio: z.number().min(0).max(1).default(0.01).describe('Largest share of failed requests.'),
      p99Ms: z
        .number()
        .gt(0)
        .optional()
        .describe('Largest 99th percentile of latency, milliseconds; not judged when absent.'),
    })
    .prefault({}),
  volume: z
    .strictObject({
      enabled: z.boolean().default(true),
      lowRatio: z
        .number()
        .min(0)
        .max(1)
        .default(0.3)
        .describe("Alarm when a window has less than this share of the median of the earlier windows' rows."),
      highRatio: z.number().min(1).default(3).describe('Alarm when a window has more than this multiple of it.'),
    })
    .prefault({}),
  fireAfter: z.int().min(1).default(1).describe('Windows in breach before an alert fires.'),
  resolveAfter: z.int().min(1).default(2).describe('Quiet windows before a firing alert resolves.'),
});
export type MonitorsConfig = z.output<typeof monitorsSchema>;

/** What happens to the waiting requests of one priority. */
const queuePolicySchema = z.strictObject({
  timeoutMs: z
    .number()
    .min(0)
    .max(3_600_000)
    .optional()
    .describe('Longest wait in the queue, in milliseconds; the deadline of the request when 0 or absent.'),
  onTimeout: z
    .enum(['reject', 'delay'])
    .optional()
    .describe(
      'After that wait: refuse with 503 (reject, the default), or run once no punctual request of the same priority waits (delay).',
    ),
  allowTimeoutOverride: z
    .boolean()
    .optional()
    .describe('Whether the `timeout` parameter of a request may shorten the wait; it may when absent.'),
  maximumRequests: z
    .int()
    .min(1)
    .optional()
    .describe('Requests of this priority that may wait, besides the bound of `queueRows`; no other bound when absent.'),
});
export type QueuePolicy = z.output<typeof queuePolicySchema>;

export const batchingSchema = z
  .strictObject({
    mode: z
      .enum(['fixed', 'auto'])
      .optional()
      .describe(
        'fixed (the default) fills batches up to `maximumRows`; auto learns from observed latency how many rows keep `targetP99Ms`.',
      ),
    targetP99Ms: z
      .number()
      .gt(0)
      .max(3_600_000)
      .optional()
      .describe('Of mode auto: the 99th percentile of latency in queue and model to stay below, in milliseconds.'),
    maximumRows: z.int().min(1).max(65_536).default(64).describe('Most rows in one run of the model.'),
    preferredRows: z
      .array(z.int().min(1).max(65_536))
      .min(1)
      .optional()
      .describe('Batch sizes that suit the model; within `maximumDelayMs` a batch of another size waits to reach one.'),
    allowedRows: z
      .array(z.int().min(1).max(65_536))
      .min(1)
      .optional()
      .describe('The only batch sizes that the model is run with: smaller batches are padded and the padding cut off.'),
    maximumDelayMs: z
      .number()
      .min(0)
      .max(10_000)
      .default(0)
      .describe('Longest wait for company, in milliseconds; 0 batches only what queued up while the runner was busy.'),
    queueRows: z.int().min(1).optional().describe('Rows that may wait; more are refused with 503.'),
    priorityLevels: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe('Priorities that requests may name: 1, the most urgent, to this; without, all are alike.'),
    defaultPriority: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe('Priority of requests that name none, or 0, or one beyond the levels; the middle one when absent.'),
    promoteAfterMs: z
      .number()
      .gt(0)
      .max(3_600_000)
      .optional()
      .describe('A request that waited so long goes before more urgent ones; urgent ones always go first when absent.'),
    queuePolicy: queuePolicySchema.optional().describe('What holds for waiting requests of every priority.'),
    queuePolicies: z
      .record(z.string().regex(/^[1-9][0-9]?$|^100$/, 'name a priority, 1 to 100'), queuePolicySchema)
      .optional()
      .describe('What holds instead for those of one priority, by its number.'),
  })
  .check(({ value, issues }) => {
    const complain = (path: string, message: string): void =>
      void issues.push({ code: 'custom', path: [path], message, input: value });
    const { mode, targetP99Ms, maximumRows, preferredRows, allowedRows, priorityLevels = 0, defaultPriority } = value;
    if (mode === 'auto' && targetP99Ms === undefined) complain('targetP99Ms', 'mode auto needs a target');
    if (preferredRows?.some(rows => rows > maximumRows) === true)
      complain('preferredRows', `no size may be above maximumRows, ${maximumRows}`);
    if (allowedRows !== undefined && Math.max(...allowedRows) !== maximumRows)
      complain('allowedRows', `the largest size must be maximumRows, ${maximumRows}`);
    if (defaultPriority !== undefined && defaultPriority > priorityLevels)
      complain('defaultPriority', `there are ${priorityLevels} priorityLevels`);
    for (const level of Object.keys(value.queuePolicies ?? {})) {
      if (Number(level) > priorityLevels)
        complain('queuePolicies', `${level} is beyond priorityLevels, ${priorityLevels}`);
    }
  });
export type BatchingConfig = z.output<typeof batchingSchema>;

const warmUpInputSchema = z.strictObject({
  values: z.enum(['zero', 'random']).default('zero').describe('What the tensor holds.'),
  file: z
    .string()
    .optional()
    .describe(
      'File with the elements instead, little-endian and row-major; texts with their length as 4 bytes before.',
    ),
  shape: z
    .array(z.int().min(1))
    .optional()
    .describe(
      "Whole shape of the tensor; the model's with `rows` rows and 1 for every other free dimension when absent.",
    ),
});

const warmUpSchema = z.strictObject({
  rows: z.int().min(1).max(65_536).default(1),
  count: z.int().min(1).max(10_000).default(1).describe('How often the request is run.'),
  inputs: z.record(z.string(), warmUpInputSchema).default({}).describe('Inputs that are not named are zero.'),
});
/** A request that a runner answers before its version serves. */
export type WarmUpConfig = z.output<typeof warmUpSchema>;

const versionPolicySchema = z.union([
  z.literal('all'),
  z.strictObject({ latest: z.int().min(1) }),
  z.strictObject({ specific: z.array(versionSchema).min(1) }),
]);
/** Which of a model's numbered folders are served. */
export type VersionPolicy = z.output<typeof versionPolicySchema>;

export const modelConfigSchema = z.strictObject({
  file: z
    .union([z.string(), z.array(z.string()).min(1).max(20)])
    .optional()
    .describe(
      'Model file or folder, relative to the configuration file: ONNX, or anything that converts to it. Several in a list become one pipeline, each fed by the one before. Registered at start when it is new.',
    ),
  source: z
    .string()
    .optional()
    .describe(
      'Model on another server instead of a file: oip+http://HOST:PORT/MODEL[/VERSION], oip+grpc://..., tfs+http://... or tfs+grpc://..., with https or grpcs for TLS.',
    ),
  convert: sourceChoiceSchema.optional().describe('What to convert of a source that leaves a choice.'),
  baseline: z
    .strictObject({ file: z.string(), truthColumn: z.string().optional(), timeColumn: z.string().optional() })
    .optional(),
  task: taskHintSchema.optional(),
  alias: aliasSchema.optional(),
  deployment: deploymentSchema
    .optional()
    .describe('Shares, shadows and rules beside the champion. A change made by command or console since holds.'),
  batching: batchingSchema.prefault({}),
  runner: z
    .strictObject({
      threads: z.int().min(1).max(256).default(1).describe('Threads inside one run of the model.'),
      executionProviders: z
        .array(z.string().regex(/^[a-z]{1,32}$/, 'name a provider in lower case, such as cpu, cuda or tensorrt'))
        .min(1)
        .optional()
        .describe(
          'What runs the model, in the order of preference: cpu (when absent), cuda, tensorrt and what else the installed ONNX Runtime was built with.',
        ),
      instances: z.int().min(1).max(64).default(1).describe('Runner processes per version.'),
      hangTimeout: durationSchema.prefault('30s').describe('A run longer than this kills the runner.'),
      memoryBytes: z
        .int()
        .min(
          64_000_000,
          'a runner with a small model needs 64000000 (64 MB); a larger one also the size of its weights',
        )
        .optional()
        .describe(
          'Most memory that a runner may take for its model and the tensors of a run, bytes, beside what an empty one takes (about 130 MB resident); at least 64000000, and twice the size of the weights is a good start. None when absent. A run that needs more fails, or ends the runner, which is replaced.',
        ),
    })
    .prefault({}),
  warmUp: z
    .array(warmUpSchema)
    .max(100)
    .default([])
    .describe('Requests that a runner must answer before its version serves, after those it makes up by itself.'),
  versions: versionPolicySchema
    .default({ latest: 1 })
    .describe('Which numbered folders of the model repository are served, unless its config.pbtxt says it.'),
  cache: z
    .strictObject({
      bytes: z
        .int()
        .min(0)
        .max(68_719_476_736)
        .default(0)
        .describe('Memory of each gateway for answers to inputs that it has seen before; 0 remembers none.'),
      maximumAge: durationSchema.prefault('1m').describe('An answer older than this is not given again.'),
    })
    .prefault({}),
  sequences: z
    .strictObject({
      states: z
        .array(
          z.strictObject({
            output: z.string().describe('The output that holds the state after a run ...'),
            input: z.string().describe('... and the input that takes it in the next one; zeros in the first.'),
            shape: z
              .array(z.int().min(-1))
              .optional()
              .describe("Shape of those zeros; -1 in front is the request's rows. The model's own when absent."),
          }),
        )
        .min(1)
        .max(64)
        .describe('The tensors that the runner keeps between the requests of a sequence; clients never see them.'),
      idleTimeout: durationSchema.prefault('1m').describe('A sequence without a request for so long is over.'),
      maximum: z.int().min(1).max(1_000_000).default(1000).describe('Sequences at a time; a start beyond is refused.'),
    })
    .optional()
    .describe('Of a stateful model: what is kept from one request of a sequence to the next.'),
  monitors: monitorsSchema.prefault({}),
  rollout: rolloutDefaultsSchema.prefault({}).describe('The plan and the judge of rollouts that do not say otherwise.'),
});
export type ModelConfig = z.output<typeof modelConfigSchema>;

export const configSchema = z.strictObject({
  data: z.string().default('./.holdfast'),
  host: z.string().default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(8080).describe('Inference HTTP.'),
  grpcPort: z.int().min(0).max(65_535).default(8081).describe('Inference gRPC.'),
  consolePort: z.int().min(0).max(65_535).default(8090).describe('Console and control API.'),
  modelControl: z
    .enum(['none', 'explicit'])
    .default('none')
    .describe('Whether clients of the inference ports may load, unload and upload models and change settings.'),
  modelRepository: z
    .strictObject({
      folder: z.string().describe('Folder with a folder per model, relative to the configuration file.'),
      poll: durationSchema
        .optional()
        .describe('How often it is looked through for changes; only at start when absent.'),
    })
    .optional()
    .describe('Serves a folder as Triton (config.pbtxt and numbered versions) or TensorFlow Serving arranges it.'),
  database: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'is not the address of a Postgres server (postgres://USER@HOST/NAME)')
    .optional()
    .describe(
      'Postgres server that several machines share; each keeps its own metadata in the data directory when absent.',
    ),
  artifacts: z
    .string()
    .regex(/^s3:\/\//, 'is not the address of a bucket (s3://BUCKET/PREFIX?endpoint=URL&region=NAME)')
    .optional()
    .describe('Bucket for artifacts and sealed predictions; the data directory is then a cache of it.'),
  cluster: z
    .strictObject({
      role: z
        .enum(['all', 'serve'])
        .default('all')
        .describe('A machine that only serves never leads: it does not watch, alert or decide.'),
      host: z.string().default('127.0.0.1').describe('Address that other machines of the cluster reach.'),
      port: z.int().min(0).max(65_535).default(8092).describe('Port that other machines of the cluster reach.'),
      advertise: z
        .url({ protocol: /^http$/ })
        .optional()
        .describe('What the other machines are told, when it differs from host and port.'),
    })
    .prefault({})
    .describe('How the machines that share a database speak to each other. Keep it on a private network.'),
  cors: z
    .strictObject({
      origins: z
        .array(
          z
            .string()
            .refine(
              origin => origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin),
              'name an origin such as https://app.example.com, or *',
            ),
        )
        .default([])
        .describe('Origins whose pages may send requests to the inference port and read the answers; * is every one.'),
    })
    .prefault({}),
  remote: remoteSchema.prefault({}).describe('The servers that versions with a source live on.'),
  hosts: z
    .array(z.string())
    .default([])
    .describe('Host names the control API answers to, besides the addresses it listens on.'),
  limits: z
    .strictObject({
      bodyBytes: bytes(67_108_864).describe(''),
      artifactBytes: bytes(2_147_483_648).describe('Largest artifact, bytes.'),
      conversionTimeout: durationSchema
        .prefault('5m')
        .describe('Longest conversion of a deployed file of another framework.'),
      conversionMemoryBytes: bytes(4_294_967_296).describe('Most memory that such a conversion may take, bytes.'),
      requestTimeout: durationSchema.prefault('10s').describe('Deadline of a request that names none.'),
      connections: z.int().min(1).default(4096),
      callers: callersSchema
        .optional()
        .describe('What each caller may send to the inference ports; no limit when absent.'),
    })
    .prefault({}),
  recording: z
    .strictObject({
      enabled: z.boolean().default(true),
      syncInterval: durationSchema
        .prefault('100ms')
        .describe('Longest time between an answer and its record being on disk.'),
      bufferBytes: bytes(67_108_864).describe(
        'Memory for records on their way to the disk; more are dropped and counted.',
      ),
      sealAfter: durationSchema
        .prefault('10s')
        .describe('A log segment is sealed into Parquet when it is this old ...'),
      segmentBytes: bytes(67_108_864).describe('... or this large.'),
      retention: durationSchema.prefault('90d').describe('Sealed predictions older than this are removed.'),
    })
    .prefault({}),
  alerting: z
    .strictObject({
      webhooks: z
        .array(
          z.strictObject({
            url: z.url({ protocol: /^https?$/ }),
            models: z
              .array(modelNameSchema)
              .optional()
              .describe('Deliver only alerts of these models; all when absent.'),
            timeout: durationSchema.prefault('5s'),
          }),
        )
        .default([]),
    })
    .prefault({}),
  defaults: modelConfigSchema
    .omit({ file: true, source: true, convert: true, baseline: true, task: true, alias: true, deployment: true })
    .prefault({})
    .describe('What holds for every model that does not say otherwise.'),
  models: z.record(modelNameSchema, modelConfigSchema).default({}),
  ensembles: z
    .record(modelNameSchema, ensembleSchema)
    .default({})
    .describe('Graphs of models that answer together, each served like a model. Registered at start when it is new.'),
});
/** The whole of `holdfast.yaml`, with every default filled in. */
export type Config = z.output<typeof configSchema>;
export type ConfigInput = z.input<typeof configSchema>;
