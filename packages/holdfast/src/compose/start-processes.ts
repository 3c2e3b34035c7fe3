import type { Config } from '../config/index.ts';
import type { Rollouts } from '../rollout/index.ts';
import type { ControlDoor, GatewayReport } from '../serving/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { DataDirectory } from './data-directory.ts';
import type { EventBus } from './event-bus.ts';
import { Gateways } from './gateways.ts';
import { Watch, type WatchCluster } from './watch.ts';

interface ProcessOptions {
  readonly config: Config;
  readonly directory: DataDirectory;
  readonly log: Log;
}

export interface GatewaysRequest extends ProcessOptions {
  readonly workers: number;
  /** Number of the first one, part of log names and prediction ids. @default 1 */
  readonly firstInstance?: number | undefined;
  readonly onReport: (gateway: string, report: GatewayReport) => void;
  readonly onEnd: (gateway: string) => void;
  /** A run on this socket takes too long. */
  readonly onHung: (model: string, socket: string) => void;
  /** Answers what gateways ask. */
  readonly door: ControlDoor;
}

/** Starts the gateway processes as the configuration says; resolves when they listen. */
export function startGateways(request: GatewaysRequest): Promise<Gateways> {
  const { config, workers, firstInstance = 1, directory, log, onReport, onEnd, onHung, door } = request;
  const { recording } = config;
  return Gateways.start({
    count: workers,
    firstInstance,
    settings: {
      host: config.host,
      port: config.port,
      grpcPort: config.grpcPort,
      mayControl: config.modelControl === 'explicit',
      logDirectory: directory.log,
      runDirectory: directory.run,
      limits: config.limits,
      corsOrigins: config.cors.origins,
      remote: config.remote,
      recording: {
        enabled: recording.enabled,
        syncIntervalMs: recording.syncInterval,
        bufferBytes: recording.bufferBytes,
        segmentBytes: recording.segmentBytes,
        segmentAgeMs: recording.sealAfter,
      },
    },
    log,
    onReport,
    onEnd,
    onHung,
    door,
  });
}

/** Starts the watcher process; `ready` resolves when its database can be read. */
export function startWatch(
  request: ProcessOptions & {
    readonly bus: EventBus;
    readonly cluster: WatchCluster | undefined;
    readonly rollouts: Rollouts;
  },
): Watch {
  const { config, directory, log, bus, cluster, rollouts } = request;
  return new Watch({
    cluster,
    settings: {
      ...(cluster !== undefined && {
        cluster: {
          secret: cluster.secret,
          store: cluster.store,
          ordinal: cluster.ordinal,
        },
      }),
      database: directory.watchDatabase,
      logDirectory: directory.log,
      runDirectory: directory.run,
      retentionMs: config.recording.retention,
    },
    log,
    onEvent: event => bus.emit(event),
    onArms: (question, compared) => rollouts.takeLabels(question, compared),
  });
}
