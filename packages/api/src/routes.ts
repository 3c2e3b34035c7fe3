import { z } from 'zod';
import { deploymentResponseSchema, setDeploymentSchema } from './deployment.ts';
import {
  aliasMoveSchema,
  artifactSchema,
  conversionResultSchema,
  createVersionResponseSchema,
  createVersionSchema,
  modelDetailSchema,
  modelSummarySchema,
  modelVersionSchema,
  moveAliasSchema,
  rollbackSchema,
  statusSchema,
} from './models.ts';
import {
  alertSchema,
  alertStateSchema,
  driftCellSchema,
  driftDetailSchema,
  monitorKindSchema,
  performanceResponseSchema,
  trafficResponseSchema,
  verdictSchema,
} from './monitoring.ts';
import { modelNameSchema } from './names.ts';
import { exportFormatSchema, predictionRecordSchema } from './predictions.ts';
import { actOnRolloutSchema, rolloutDetailSchema, rolloutSchema, startRolloutSchema } from './rollout.ts';
import { studyRoutes } from './study-routes.ts';

const rangeSchema = z.object({
  /** Event time, ms since epoch; both ends default to the whole span. */
  fromMs: z.coerce.number().optional(),
  toMs: z.coerce.number().optional(),
});

export const predictionQuerySchema = rangeSchema.extend({
  version: z.coerce.number().int().optional(),
  /** A duration before the latest prediction, such as `15m`, `1h`, `7d`. */
  last: z
    .string()
    .regex(/^\d+(s|m|h|d)$/)
    .optional(),
  /** A condition over the recorded columns, such as `origin = 'ORD' and probability > 0.5`. */
  where: z.string().max(4000).optional(),
  limit: z.coerce.number().int().min(1).max(10_000_000).optional(),
  format: exportFormatSchema.optional(),
});
export type PredictionQuery = z.input<typeof predictionQuerySchema>;

const emptySchema = z.object({});

/**
 * Every route of the control API: method, path, scope, and the schemas of its query, body and answer. The server, the
 * client, the OpenAPI document and the reference page are made from this table.
 */
export const routes = {
  status: { method: 'GET', path: '/api/v1/status', scope: 'models:read', answer: statusSchema },
  listModels: { method: 'GET', path: '/api/v1/models', scope: 'models:read', answer: z.array(modelSummarySchema) },
  readModel: { method: 'GET', path: '/api/v1/models/:model', scope: 'models:read', answer: modelDetailSchema },
  uploadArtifact: {
    method: 'POST',
    path: '/api/v1/artifacts',
    scope: 'models:publish',
    body: 'bytes',
    answer: artifactSchema,
  },
  createVersion: {
    method: 'POST',
    path: '/api/v1/models/:model/versions',
    scope: 'models:publish',
    body: createVersionSchema,
    answer: createVersionResponseSchema,
  },
  readVersion: {
    method: 'GET',
    path: '/api/v1/models/:model/versions/:version',
    scope: 'models:read',
    answer: modelVersionSchema,
  },
  /** Answers `not_found` for a version that was ONNX already. */
  readConversion: {
    method: 'GET',
    path: '/api/v1/models/:model/versions/:version/conversion',
    scope: 'models:read',
    answer: conversionResultSchema,
  },
  removeVersion: {
    method: 'DELETE',
    path: '/api/v1/models/:model/versions/:version',
    scope: 'models:publish',
    answer: emptySchema,
  },
  removeModel: { method: 'DELETE', path: '/api/v1/models/:model', scope: 'models:publish', answer: emptySchema },
  moveAlias: {
    method: 'PUT',
    path: '/api/v1/models/:model/aliases/:alias',
    scope: 'alias:write',
    body: moveAliasSchema,
    answer: aliasMoveSchema,
  },
  removeAlias: {
    method: 'DELETE',
    path: '/api/v1/models/:model/aliases/:alias',
    scope: 'alias:write',
    answer: aliasMoveSchema,
  },
  rollback: {
    method: 'POST',
    path: '/api/v1/models/:model/rollback',
    scope: 'alias:write',
    body: rollbackSchema,
    answer: aliasMoveSchema,
  },
  readDeployment: {
    method: 'GET',
    path: '/api/v1/models/:model/deployment',
    scope: 'models:read',
    answer: deploymentResponseSchema,
  },
  setDeployment: {
    method: 'PUT',
    path: '/api/v1/models/:model/deployment',
    scope: 'alias:write',
    body: setDeploymentSchema,
    answer: deploymentResponseSchema,
  },
  listRollouts: {
    method: 'GET',
    path: '/api/v1/models/:model/rollouts',
    scope: 'models:read',
    answer: z.array(rolloutSchema),
  },
  startRollout: {
    method: 'POST',
    path: '/api/v1/models/:model/rollouts',
    scope: 'alias:write',
    body: startRolloutSchema,
    answer: rolloutSchema,
  },
  readRollout: {
    method: 'GET',
    path: '/api/v1/models/:model/rollouts/:rollout',
    scope: 'models:read',
    answer: rolloutDetailSchema,
  },
  /** Promotes, pauses, resumes or aborts the rollout that is under way. */
  actOnRollout: {
    method: 'POST',
    path: '/api/v1/models/:model/rollout',
    scope: 'alias:write',
    body: actOnRolloutSchema,
    answer: rolloutSchema,
  },
  traffic: {
    method: 'GET',
    path: '/api/v1/models/:model/traffic',
    scope: 'monitor:read',
    query: rangeSchema.extend({ points: z.coerce.number().int().min(1).max(2000).default(240) }),
    answer: trafficResponseSchema,
  },
  performance: {
    method: 'GET',
    path: '/api/v1/models/:model/performance',
    scope: 'monitor:read',
    query: rangeSchema,
    answer: performanceResponseSchema,
  },
  drift: {
    method: 'GET',
    path: '/api/v1/models/:model/drift',
    scope: 'monitor:read',
    query: rangeSchema,
    answer: z.array(driftCellSchema),
  },
  driftDetail: {
    method: 'GET',
    path: '/api/v1/models/:model/drift/detail',
    scope: 'monitor:read',
    query: z.object({
      column: z.string(),
      version: z.coerce.number().int(),
      windowStartMs: z.coerce.number(),
      windowEndMs: z.coerce.number(),
    }),
    answer: driftDetailSchema,
  },
  verdicts: {
    method: 'GET',
    path: '/api/v1/models/:model/verdicts',
    scope: 'monitor:read',
    query: rangeSchema.extend({
      monitor: monitorKindSchema.optional(),
      breached: z.stringbool().optional(),
      limit: z.coerce.number().int().min(1).max(10_000).default(500),
    }),
    answer: z.array(verdictSchema),
  },
  recentPredictions: {
    method: 'GET',
    path: '/api/v1/models/:model/predictions',
    scope: 'monitor:read',
    query: predictionQuerySchema,
    answer: z.array(predictionRecordSchema),
  },
  /** Streams the file itself (CSV, Parquet or JSON lines). */
  exportPredictions: {
    method: 'GET',
    path: '/api/v1/models/:model/predictions/export',
    scope: 'monitor:read',
    query: predictionQuerySchema,
    answer: 'bytes',
  },
  alerts: {
    method: 'GET',
    path: '/api/v1/alerts',
    scope: 'monitor:read',
    query: z.object({ model: modelNameSchema.optional(), state: alertStateSchema.optional() }),
    answer: z.array(alertSchema),
  },
  ...studyRoutes,
  /** Server-sent events: `LiveEvent` objects. */
  events: { method: 'GET', path: '/api/v1/events', scope: 'monitor:read', answer: 'events' },
} as const;

export type RouteName = keyof typeof routes;
