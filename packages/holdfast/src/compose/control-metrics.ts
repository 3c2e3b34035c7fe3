import type { Alert, ModelName, ModelSummary, RecordingStatus } from '@holdfast/api';
import type { MonitoringReader } from '../monitoring/index.ts';
import { MetricRegistry } from '../telemetry/index.ts';

export interface ControlMetricsSources {
  readonly reader: MonitoringReader;
  readonly recording: () => RecordingStatus;
  readonly firing: () => Promise<readonly Alert[]>;
}

/** What control tells Prometheus: drift, performance, alerts and recording, as they are at the scrape. */
export class ControlMetrics {
  readonly #sources: ControlMetricsSources;

  constructor(sources: ControlMetricsSources) {
    this.#sources = sources;
  }

  /** The text format, made anew at every scrape, so that what was removed is gone. */
  async render(summaries: () => Promise<readonly ModelSummary[]>): Promise<string> {
    const registry = new MetricRegistry();
    const models = await summaries();
    this.#recording(registry);
    await this.#alerts(registry, models);
    const gauges = {
      effect: registry.gauge('holdfast_drift_effect', 'Size-corrected effect of a column in the latest judged window.'),
      threshold: registry.gauge('holdfast_drift_threshold', 'Effect above which the column counts as drifted.'),
      breached: registry.gauge(
        'holdfast_monitor_breached',
        '1 when the latest judged window of this monitor is in breach.',
      ),
      performance: registry.gauge('holdfast_performance', 'Metric of the latest window with ground truth.'),
      baseline: registry.gauge('holdfast_performance_baseline', 'The same metric on the baseline.'),
      coverage: registry.gauge('holdfast_label_coverage_ratio', 'Share of that window that has ground truth.'),
      champion: registry.gauge('holdfast_champion_version', 'Version that answers requests which name none.'),
    };
    for (const { name, champion } of models) {
      if (champion === null) continue;
      gauges.champion.labels({ model: name }).set(champion);
      await this.#drift(gauges, name, champion);
      await this.#performance(gauges, name, champion);
    }
    return registry.render();
  }

  #recording(registry: MetricRegistry): void {
    const { recordedTotal, droppedTotal, labelsTotal } = this.#sources.recording();
    registry.counter('holdfast_predictions_recorded_total', 'Predictions on disk.').labels().set(recordedTotal);
    registry
      .counter('holdfast_predictions_dropped_total', 'Predictions answered but not recorded.')
      .labels()
      .set(droppedTotal);
    registry.counter('holdfast_labels_total', 'Labels acknowledged.').labels().set(labelsTotal);
  }

  async #alerts(registry: MetricRegistry, models: readonly ModelSummary[]): Promise<void> {
    const firing = registry.gauge('holdfast_alerts_firing', 'Alerts firing now.');
    for (const { name } of models) firing.labels({ model: name }).set(0);
    for (const alert of await this.#sources.firing()) firing.labels({ model: alert.model }).add();
  }

  async #drift(gauges: Gauges, model: ModelName, version: number): Promise<void> {
    for (const verdict of await this.#sources.reader.latestVerdicts(model, version)) {
      const { monitor, subject } = verdict;
      gauges.breached.labels({ model, version, monitor, subject }).set(verdict.outcome === 'breached' ? 1 : 0);
      if (monitor !== 'data-drift' && monitor !== 'prediction-drift') continue;
      const labels = { model, version, column: subject };
      if (verdict.effect !== null) gauges.effect.labels(labels).set(verdict.effect);
      if (verdict.threshold !== null) gauges.threshold.labels(labels).set(verdict.threshold);
    }
  }

  async #performance(gauges: Gauges, model: ModelName, version: number): Promise<void> {
    const { reader } = this.#sources;
    const { baseline } = await reader.performance(model, { fromMs: 0, toMs: 0 }, version);
    for (const [metric, value] of Object.entries(baseline))
      gauges.baseline.labels({ model, version, metric }).set(value);
    const latest = await reader.latestPerformance(model, version);
    if (latest === undefined) return;
    for (const [metric, value] of Object.entries(latest.metrics)) {
      gauges.performance.labels({ model, version, metric }).set(value);
    }
    if (latest.predictions > 0) gauges.coverage.labels({ model, version }).set(latest.labelled / latest.predictions);
  }
}

type Gauge = ReturnType<MetricRegistry['gauge']>;
type Gauges = Readonly<Record<'effect' | 'threshold' | 'breached' | 'performance' | 'baseline' | 'coverage', Gauge>>;
