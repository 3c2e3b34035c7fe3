import { type LabelLog, openLabelLog, openRecorder, type Recorder } from '../predlog/index.ts';
import { connectRunner } from '../runtime/index.ts';
import {
  createPredictionIds,
  type FromGateway,
  type Gateway,
  type GatewayReport,
  startGateway,
  systemClock,
  type ToGateway,
} from '../serving/index.ts';
import { MetricRegistry } from '../telemetry/index.ts';
import { childSettings, endWith, tellControl } from './child-entry.ts';
import { type GatewaySettings, gatewaySettingsSchema } from './gateway-settings.ts';
import { nullSink } from './null-sink.ts';
import { processLog } from './process-log.ts';
import { productVersion } from './product-version.ts';

/** What a gateway process tells control: its room's messages, and runners that hang. */
export type GatewayMessage = FromGateway | { readonly kind: 'hung'; readonly model: string; readonly socket: string };

const reportEveryMs = 1000;
const tell = (message: GatewayMessage): void => tellControl(message);

interface Outlets extends AsyncDisposable {
  readonly recorder: Recorder | undefined;
  readonly labels: LabelLog;
}

async function openOutlets(settings: GatewaySettings): Promise<Outlets> {
  await using stack = new AsyncDisposableStack();
  const { recording, logDirectory, instance } = settings;
  const log = processLog('gateway');
  const shared = { clock: Date.now, log, segmentBytes: recording.segmentBytes, segmentAgeMs: recording.segmentAgeMs };
  const labels = stack.use(await openLabelLog({ ...shared, directory: logDirectory, instance: `labels-${instance}` }));
  const recorder = recording.enabled
    ? stack.use(
        await openRecorder({
          ...shared,
          directory: logDirectory,
          instance: `gateway-${instance}`,
          syncIntervalMs: recording.syncIntervalMs,
          bufferBytes: recording.bufferBytes,
        }),
      )
    : undefined;
  const lifetime = stack.move();
  return { recorder, labels, [Symbol.asyncDispose]: () => lifetime.disposeAsync() };
}

function reportOf(gateway: Gateway, { recorder, labels }: Outlets): GatewayReport {
  return {
    recordedTotal: recorder?.stats.recordedTotal ?? 0,
    droppedTotal: recorder?.stats.droppedTotal ?? 0,
    labelsTotal: labels.stats.labelsTotal,
    lastSyncedMs: recorder?.stats.lastSyncedMs ?? null,
    counts: gateway.report(),
  };
}

const settings = gatewaySettingsSchema.parse(childSettings());
const log = processLog('gateway');
const outlets = await openOutlets(settings);
const gateway = await startGateway({
  host: settings.host,
  port: settings.port,
  limits: settings.limits,
  sink: outlets.recorder ?? nullSink,
  labels: outlets.labels,
  connect: (socket, { model, hangTimeoutMs }) =>
    connectRunner(socket, { model, hangTimeoutMs, onHang: () => tell({ kind: 'hung', model, socket }) }),
  metrics: new MetricRegistry(),
  ids: createPredictionIds({ instance: settings.instance, clock: systemClock }),
  log,
  serverVersion: productVersion(),
});

const reporting = setInterval(() => tell({ kind: 'report', report: reportOf(gateway, outlets) }), reportEveryMs);
process.on('message', (message: ToGateway) => {
  if (message.kind !== 'routing') return;
  gateway.applyRouting(message.table).then(
    () => tell({ kind: 'routed', generation: message.table.generation }),
    (error: unknown) => log.error({ error }, 'gateway.routing_failed'),
  );
});
endWith(async () => {
  clearInterval(reporting);
  await gateway.drain();
  await outlets[Symbol.asyncDispose]();
  tell({ kind: 'report', report: reportOf(gateway, outlets) });
});
tell({ kind: 'listening', port: gateway.port });
