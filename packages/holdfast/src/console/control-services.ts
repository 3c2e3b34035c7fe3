import type {
  Alert,
  AlertPhase,
  Alias,
  AliasMove,
  Artifact,
  ConversionResult,
  CreateVersionResponse,
  createVersionSchema,
  Deployment,
  DeploymentResponse,
  DriftCell,
  DriftDetail,
  ExportFormat,
  LiveEvent,
  ModelDetail,
  ModelName,
  ModelSummary,
  ModelVersion,
  MonitorKind,
  PerformanceResponse,
  PredictionRecord,
  Rollout,
  RolloutAction,
  RolloutDetail,
  Status,
  startRolloutSchema,
  TrafficResponse,
  Verdict,
} from '@holdfast/api';
import type { z } from 'zod';
import type { AliasChange, Change } from '../registry/index.ts';
import type { Studies } from '../tuning/index.ts';

export interface TimeRange {
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

export interface PredictionFilter extends TimeRange {
  readonly version?: number | undefined;
  readonly last?: string | undefined;
  readonly where?: string | undefined;
  readonly limit?: number | undefined;
}

/** All that the control API can do; the composition root wires it to the rooms behind. */
export interface ControlServices {
  readonly studies: Studies;
  status(): Promise<Status>;
  summaries(): Promise<ModelSummary[]>;
  model(model: ModelName): Promise<ModelDetail>;
  version(model: ModelName, version: number): Promise<ModelVersion>;
  /** How a version's source was converted and checked. @throws Fault `not_found` when it was ONNX already */
  conversion(model: ModelName, version: number): Promise<ConversionResult>;
  storeArtifact(bytes: AsyncIterable<Uint8Array>): Promise<Artifact>;
  publish(
    model: ModelName,
    request: z.output<typeof createVersionSchema>,
    change: Change,
  ): Promise<CreateVersionResponse>;
  moveAlias(model: ModelName, alias: Alias, version: number, change: AliasChange): Promise<AliasMove>;
  removeAlias(model: ModelName, alias: Alias, change: Change): Promise<AliasMove>;
  rollback(model: ModelName, change: Change): Promise<AliasMove>;
  removeVersion(model: ModelName, version: number): Promise<void>;
  removeModel(model: ModelName): Promise<void>;
  deployment(model: ModelName): Promise<DeploymentResponse>;
  setDeployment(model: ModelName, deployment: Deployment | undefined, change: Change): Promise<DeploymentResponse>;
  startRollout(model: ModelName, request: z.output<typeof startRolloutSchema>, actor: string): Promise<Rollout>;
  actOnRollout(model: ModelName, action: RolloutAction, change: Change): Promise<Rollout>;
  /** Newest first. */
  rollouts(model: ModelName): Promise<Rollout[]>;
  rollout(model: ModelName, id: number): Promise<RolloutDetail>;
  traffic(model: ModelName, range: TimeRange, points: number): Promise<TrafficResponse>;
  performance(model: ModelName, range: TimeRange): Promise<PerformanceResponse>;
  driftCells(model: ModelName, range: TimeRange): Promise<DriftCell[]>;
  driftDetail(
    model: ModelName,
    cell: {
      readonly column: string;
      readonly version: number;
      readonly windowStartMs: number;
      readonly windowEndMs: number;
    },
  ): Promise<DriftDetail>;
  verdicts(
    model: ModelName,
    filter: TimeRange & {
      readonly monitor?: MonitorKind | undefined;
      readonly breached?: boolean | undefined;
      readonly limit: number;
    },
  ): Promise<Verdict[]>;
  recentPredictions(model: ModelName, filter: PredictionFilter): Promise<PredictionRecord[]>;
  /** Writes the export into a file that the caller removes. */
  exportPredictions(model: ModelName, filter: PredictionFilter, format: ExportFormat): Promise<ExportedFile>;
  alerts(filter: { readonly model?: ModelName | undefined; readonly state?: AlertPhase | undefined }): Promise<Alert[]>;
  /** Prometheus text. */
  metrics(): Promise<string>;
  /** Calls `listener` with every live event until the returned function is called. */
  subscribe(listener: (event: LiveEvent) => void): () => void;
}

export interface ExportedFile extends AsyncDisposable {
  readonly path: string;
}
