import type { Config } from '../config/index.ts';
import type { ArmReport, ControlDoor } from '../serving/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { DataDirectory } from './data-directory.ts';
import type { EventBus } from './event-bus.ts';
import { Gateways } from './gateways.ts';
import type { LiveTrafficMeter } from './live-traffic.ts';
import { Watch } from './watch.ts';

interface ProcessOptions {
  readonly config: Config;
  readonly directory: DataDirectory;
  readonly log: Log;
}

export interface GatewaysRequest extends ProcessOptions {
  readonly workers: number;
  readonly meter: LiveTrafficMeter;
  readonly onArms: (arms: readonly ArmReport[]) => void;
  /** A run on this socket takes too long. */
  readonly onHung: (model: string, socket: string) => void;
  /** Answers what gateways ask. */
  readonly door: ControlDoor;
}

/** Starts the gateway processes as the configuration says; resolves when they listen. */
export function startGateways({
  config,
  workers,
  directory,
  log,
  meter,
  onArms,
  onHung,
  door,
}: GatewaysRequest): Promise<Gateways> {
  const { recording } = config;
  return Gateways.start({
    count: workers,
    settings: {
      host: config.host,
      port: config.port,
      grpcPort: config.grpcPort,
      mayControl: config.modelControl === 'explicit',
      logDirectory: directory.log,
      limits: config.limits,
      recording: {
        enabled: recording.enabled,
        syncIntervalMs: recording.syncInterval,
        bufferBytes: recording.bufferBytes,
        segmentBytes: recording.segmentBytes,
        segmentAgeMs: recording.sealAfter,
      },
    },
    log,
    onReport: (gateway, report) => {
      meter.report(gateway, report);
      onArms(report.arms);
    },
    onEnd: gateway => meter.forget(gateway),
    onHung,
    door,
  });
}

/** Starts the watcher process; `ready` resolves when its database can be read. */
export function startWatch({ config, directory, log, bus }: ProcessOptions & { readonly bus: EventBus }): Watch {
  return new Watch({
    settings: {
      database: directory.watchDatabase,
      logDirectory: directory.log,
      retentionMs: config.recording.retention,
    },
    log,
    onEvent: event => bus.emit(event),
  });
}
