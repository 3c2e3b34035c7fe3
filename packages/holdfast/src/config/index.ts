export { type CallersConfig, callersSchema } from './callers.ts';
export {
  type BatchingConfig,
  type Config,
  type ConfigInput,
  configSchema,
  type ModelConfig,
  type MonitorsConfig,
  monitorsSchema,
  type QueuePolicy,
  type VersionPolicy,
  type WarmUpConfig,
  type WindowSpec,
} from './config.ts';
export { durationSchema } from './duration.ts';
export { loadConfig, parseClusterOptions, parseConfig } from './load-config.ts';
export { type RemoteConfig, remoteSchema } from './remote.ts';
