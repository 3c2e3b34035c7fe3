import { openLabelLog, openRecorder } from '../predlog/index.ts';
import { connectRunner } from '../runtime/index.ts';
import {
  ControlLine,
  createPredictionIds,
  type FromGateway,
  type Gateway,
  type GatewayReport,
  isRemote,
  RemoteServers,
  type RoutingTable,
  startGateway,
  systemClock,
  type ToGateway,
} from '../serving/index.ts';
import { MetricRegistry } from '../telemetry/index.ts';
import { childSettings, endWith, tellControl } from './child-entry.ts';
import { gatewaySettingsSchema } from './gateway-settings.ts';
import { nullSink } from './null-sink.ts';
import { holdName } from './process-lock.ts';
import { processLog } from './process-log.ts';
import { productVersion } from './product-version.ts';

/** What a gateway process tells control: its room's messages, runners that hang, and why it cannot start. */
export type GatewayMessage =
  | FromGateway
  | { readonly kind: 'hung'; readonly model: string; readonly socket: string }
  | { readonly kind: 'failed'; readonly why: string };

const reportEveryMs = 1000;
const tell = (message: GatewayMessage): void => tellControl(message);

const settings = gatewaySettingsSchema.parse(childSettings());
const log = processLog('gateway');
const lifetime = new AsyncDisposableStack();
endWith(() => lifetime.disposeAsync());

/** Control sends the table as soon as the process exists; it is put in force as soon as the gateway does. */
const started = Promise.withResolvers<Gateway>();
async function route(table: RoutingTable): Promise<void> {
  const gateway = await started.promise;
  await gateway.applyRouting(table);
  tell({ kind: 'routed', generation: table.generation });
}
const line = new ControlLine(tell);
async function tellStatistics(id: number): Promise<void> {
  tell({ kind: 'statistics', id, statistics: (await started.promise).statistics() });
}
process.on('message', (message: ToGateway) => {
  if (message.kind === 'answer' || message.kind === 'declined') line.answered(message);
  else if (message.kind === 'tell-statistics') void tellStatistics(message.id);
  else if (message.kind === 'log-level') log.level = message.level;
  if (message.kind !== 'routing') return;
  route(message.table).catch((error: unknown) => log.error({ error }, 'gateway.routing_failed'));
});

const { recording, logDirectory: directory, instance } = settings;
lifetime.use(await holdName(settings.runDirectory, `gateway-${instance}`));
const segments = { directory, segmentBytes: recording.segmentBytes, segmentAgeMs: recording.segmentAgeMs };
const labels = lifetime.use(await openLabelLog({ ...segments, instance: `labels-${instance}`, clock: Date.now, log }));
const recorder = recording.enabled
  ? lifetime.use(
      await openRecorder({
        ...segments,
        instance: `gateway-${instance}`,
        syncIntervalMs: recording.syncIntervalMs,
        bufferBytes: recording.bufferBytes,
        clock: Date.now,
        log,
      }),
    )
  : undefined;
const remotes = new RemoteServers({ config: settings.remote, log });
const gateway = await startGateway({
  host: settings.host,
  port: settings.port,
  grpcPort: settings.grpcPort,
  isShared: settings.shared,
  limits: settings.limits,
  control: line,
  mayControl: settings.mayControl,
  corsOrigins: settings.corsOrigins,
  sink: recorder ?? nullSink,
  labels,
  connect: (socket, options) => {
    if (isRemote(socket)) return remotes.connect(socket, options);
    const { model, hangTimeoutMs } = options;
    return connectRunner(socket, { model, hangTimeoutMs, onHang: () => tell({ kind: 'hung', model, socket }) });
  },
  metrics: new MetricRegistry(),
  ids: createPredictionIds({ instance, clock: systemClock }),
  log,
  serverVersion: productVersion(),
}).catch((error: unknown) => {
  tell({ kind: 'failed', why: error instanceof Error ? error.message : String(error) });
  // What was said is still delivered, and then this process ends as if control had left.
  process.disconnect();
  return new Promise<never>(() => {});
});
lifetime.defer(() => gateway.drain());

function reportNow(): void {
  const report: GatewayReport = {
    recordedTotal: recorder?.stats.recordedTotal ?? 0,
    droppedTotal: recorder?.stats.droppedTotal ?? 0,
    labelsTotal: labels.stats.labelsTotal,
    lastSyncedMs: recorder?.stats.lastSyncedMs ?? null,
    counts: gateway.report(),
    arms: gateway.takeArms(),
  };
  tell({ kind: 'report', report });
}

const reporting = setInterval(reportNow, reportEveryMs);
lifetime.defer(() => clearInterval(reporting));
started.resolve(gateway);
tell({ kind: 'listening', port: gateway.port, grpcPort: gateway.grpcPort ?? settings.grpcPort });
