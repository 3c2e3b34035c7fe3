export { answerTo, ControlLine } from './ask-control.ts';
export { type ServingClock, systemClock } from './clock.ts';
export type { ControlDoor, Question } from './control-door.ts';
export { type Gateway, type GatewayOptions, startGateway } from './gateway.ts';
export { type ArmReport, type GatewayReport, gatewayReportSchema, type ServingCounts } from './gateway-report.ts';
export { createPredictionIds, type PredictionIdOptions, type PredictionIds } from './prediction-id.ts';
export type {
  AnsweredRequest,
  FailedRequest,
  LabelSink,
  PredictionSink,
  ReceivedLabel,
} from './prediction-sink.ts';
export { type RemoteModels, remoteModels } from './remote/remote-models.ts';
export { isRemote, RemoteServers } from './remote/remote-runner.ts';
export { parseRemoteSource } from './remote/remote-source.ts';
export type {
  FromGateway,
  RoutedDeployment,
  RoutedModel,
  RoutedVersion,
  RoutingTable,
  ToGateway,
} from './routing.ts';
export { sumOfStatistics, type VersionStatistics } from './statistics.ts';
export type { Connect, ConnectedRunner, ConnectOptions } from './traffic/runner-links.ts';
