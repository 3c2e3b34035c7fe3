export { Deployments } from './deployments.ts';
export { Fleet, type FleetOptions, type RoutingTargets, type Runners } from './fleet.ts';
export { settingsOf } from './judge/checks.ts';
export { addBlock, type EvidenceBlock, type LabelEvidence, type LossMoments, noEvidence } from './judge/evidence.ts';
export { judgeStep } from './judge/judge-step.ts';
export { storeSource } from './model-source.ts';
export {
  type BaselineRequest,
  describeVersion,
  type PreparedBaseline,
  Publisher,
  type PublisherOptions,
  type ValidatedModel,
} from './publisher.ts';
export { remoteDescriptor } from './remote-version.ts';
export { type LabelQuestion, Rollouts, type RolloutsOptions } from './rollouts.ts';
export { routedDeployment } from './routed-deployment.ts';
export { type RolloutTables, rolloutMigrations } from './schema.ts';
export { isTabular, type RowColumns, rowsToTensors, tensorsToColumns } from './tabular-rows.ts';
