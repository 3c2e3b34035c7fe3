import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Alert,
  champion,
  fault,
  type ModelDetail,
  type ModelName,
  type ModelSummary,
  modelNameSchema,
  type ProcessStatus,
  type Status,
} from '@holdfast/api';
import type { AlertBook } from '../alerting/index.ts';
import type { ControlServices, ExportedFile, PredictionFilter } from '../console/index.ts';
import type { MonitoringReader, MonitoringSummary } from '../monitoring/index.ts';
import type { PredictionStore } from '../predlog/index.ts';
import type { BlobStore, RegisteredVersion, Registry } from '../registry/index.ts';
import { type Deployments, describeVersion, type Fleet, type Publisher, type Rollouts } from '../rollout/index.ts';
import type { Studies } from '../tuning/index.ts';
import { checkTargets } from './check-targets.ts';
import type { ControlMetrics } from './control-metrics.ts';
import type { EventBus } from './event-bus.ts';
import type { LiveTrafficMeter } from './live-traffic.ts';

export interface ControlRoomOptions {
  readonly registry: Registry;
  readonly blobs: BlobStore;
  readonly fleet: Fleet;
  readonly publisher: Publisher;
  readonly deployments: Deployments;
  readonly rollouts: Rollouts;
  readonly reader: MonitoringReader;
  readonly predictions: PredictionStore;
  readonly alerts: AlertBook;
  readonly studies: Studies;
  readonly meter: LiveTrafficMeter;
  readonly bus: EventBus;
  readonly processes: () => ProcessStatus[];
  readonly metrics: ControlMetrics;
  /** Folder for exports on their way to a caller. */
  readonly runDirectory: string;
  readonly version: string;
  readonly startedAtMs: number;
  readonly addresses: () => { readonly inferenceUrl: string; readonly consoleUrl: string };
}

const unwatched: MonitoringSummary = {
  drift: 'unwatched',
  driftedColumns: [],
  performance: 'unwatched',
  leadingMetric: null,
};

/** What control can do, wired to the rooms that do it. */
export class ControlRoom implements ControlServices {
  readonly #rooms: ControlRoomOptions;

  constructor(rooms: ControlRoomOptions) {
    this.#rooms = rooms;
  }

  async status(): Promise<Status> {
    const { version, startedAtMs, addresses, processes, meter } = this.#rooms;
    return {
      version,
      startedAtMs,
      ...addresses(),
      processes: processes(),
      recording: meter.recording(),
      models: await this.summaries(),
    };
  }

  async summaries(): Promise<ModelSummary[]> {
    const { registry, alerts } = this.#rooms;
    const firing = await alerts.list({ state: 'firing' });
    const names = await registry.modelNames();
    return Promise.all(names.map(async name => this.#summary(name, await registry.versions(name), firing)));
  }

  async #summary(
    name: ModelName,
    versions: readonly RegisteredVersion[],
    firing: readonly Alert[],
  ): Promise<ModelSummary> {
    const { registry, fleet, reader, meter } = this.#rooms;
    const live = (await registry.aliases(name)).find(target => target.alias === champion)?.version;
    const version = versions.find(candidate => candidate.version === live) ?? versions.at(-1);
    const task = version?.signature.task.kind ?? 'none';
    return {
      name,
      champion: live ?? null,
      state: version === undefined ? 'unloaded' : fleet.stateOf(name, version.version).state,
      task,
      versions: versions.length,
      traffic: meter.of(name),
      ...(version === undefined ? unwatched : await reader.summary(name, version.version, task)),
      firingAlerts: firing.filter(alert => alert.model === name).length,
    };
  }

  async model(name: ModelName): Promise<ModelDetail> {
    const { registry, fleet, reader, alerts } = this.#rooms;
    const versions = await registry.versions(name);
    const aliases = await registry.aliases(name);
    const firing = await alerts.list({ model: name, state: 'firing' });
    return {
      summary: await this.#summary(name, versions, firing),
      versions: versions
        .map(version => describeVersion(version, aliases, fleet.stateOf(name, version.version)))
        .reverse(),
      history: await registry.history(name),
      span: await reader.span(name),
      clock: await reader.clock(name),
    };
  }

  get studies(): Studies {
    return this.#rooms.studies;
  }

  version: ControlServices['version'] = (model, version) => this.#rooms.publisher.describe(model, version);

  conversion: ControlServices['conversion'] = (model, version) => this.#rooms.publisher.conversion(model, version);

  storeArtifact: ControlServices['storeArtifact'] = bytes => this.#rooms.blobs.put(bytes);

  publish: ControlServices['publish'] = (model, request, change) =>
    this.#rooms.publisher.publish(model, request, change);

  moveAlias: ControlServices['moveAlias'] = (model, alias, version, change) =>
    this.#rooms.fleet.moveAlias(model, alias, version, change);

  removeAlias: ControlServices['removeAlias'] = (model, alias, change) =>
    this.#rooms.fleet.removeAlias(model, alias, change);

  rollback: ControlServices['rollback'] = (model, change) => this.#rooms.fleet.rollback(model, change);

  removeVersion: ControlServices['removeVersion'] = (model, version) => this.#rooms.fleet.removeVersion(model, version);

  removeModel: ControlServices['removeModel'] = async model => {
    await this.#rooms.fleet.removeModel(model);
    await this.#rooms.rollouts.forget(model);
  };

  startRollout: ControlServices['startRollout'] = (model, request, actor) =>
    this.#rooms.rollouts.start(model, request, actor);

  actOnRollout: ControlServices['actOnRollout'] = (model, action, change) =>
    this.#rooms.rollouts.act(model, action, change);

  rollouts: ControlServices['rollouts'] = async model => {
    await this.#rooms.registry.versions(model);
    return this.#rooms.rollouts.list(model);
  };

  rollout: ControlServices['rollout'] = (model, id) => this.#rooms.rollouts.read(model, id);

  deployment: ControlServices['deployment'] = async model => {
    await this.#rooms.registry.versions(model);
    return { deployment: this.#rooms.deployments.of(model).spec ?? null };
  };

  setDeployment: ControlServices['setDeployment'] = async (model, deployment, change) => {
    const { registry, deployments, fleet } = this.#rooms;
    await checkTargets(registry, model, deployment);
    await deployments.set(model, deployment, change);
    await fleet.announce(model);
    return this.deployment(model);
  };

  traffic: ControlServices['traffic'] = async (model, range, points) => {
    await this.#rooms.registry.versions(model);
    return this.#rooms.reader.traffic(model, range, points);
  };

  performance: ControlServices['performance'] = async (model, range) => {
    await this.#rooms.registry.versions(model);
    return this.#rooms.reader.performance(model, range);
  };

  driftCells: ControlServices['driftCells'] = async (model, range) => {
    await this.#rooms.registry.versions(model);
    return this.#rooms.reader.driftCells(model, range);
  };

  driftDetail: ControlServices['driftDetail'] = async (model, cell) => {
    await this.#rooms.registry.version(model, cell.version);
    const detail = await this.#rooms.reader.driftDetail(model, cell);
    if (detail === undefined) throw fault('not_found', `A judged window of ${cell.column} there`);
    return detail;
  };

  verdicts: ControlServices['verdicts'] = async (model, filter) => {
    await this.#rooms.registry.versions(model);
    return this.#rooms.reader.verdicts(model, filter);
  };

  recentPredictions: ControlServices['recentPredictions'] = async (model, filter) => {
    await this.#rooms.registry.versions(model);
    return this.#rooms.predictions.recent(model, filter);
  };

  exportPredictions: ControlServices['exportPredictions'] = async (model, filter, format) => {
    await this.#rooms.registry.versions(model);
    return this.#export(model, filter, format);
  };

  async #export(
    model: ModelName,
    filter: PredictionFilter,
    format: 'csv' | 'parquet' | 'jsonl',
  ): Promise<ExportedFile> {
    const path = join(this.#rooms.runDirectory, `export-${randomUUID()}.${format}`);
    const remove = (): Promise<void> => rm(path, { force: true });
    try {
      await this.#rooms.predictions.exportTo(model, filter, format, path);
      return { path, [Symbol.asyncDispose]: remove };
    } catch (error) {
      await remove();
      throw error;
    }
  }

  alerts: ControlServices['alerts'] = filter => this.#rooms.alerts.list(filter);

  metrics: ControlServices['metrics'] = () => this.#rooms.metrics.render(() => this.summaries());

  subscribe: ControlServices['subscribe'] = listener => this.#rooms.bus.subscribe(listener);

  /** What the console hears every second. */
  async pulse(atMs: number): Promise<void> {
    const { bus, meter } = this.#rooms;
    if (!bus.hasListeners) return;
    bus.emit({ kind: 'pulse', atMs, models: await this.summaries(), recording: meter.recording() });
  }

  /** A model's versions or aliases changed. */
  announce(model: string): void {
    this.#rooms.bus.emit({ kind: 'registry', model: modelNameSchema.parse(model) });
  }
}
