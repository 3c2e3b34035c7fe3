import { type FaultCode, faults, type Tensor } from '@holdfast/api';
import { type Cell, Histogram, type MetricRegistry } from '../../telemetry/index.ts';
import type { ArmReport } from '../gateway-report.ts';
import type { ArmRole } from '../routing.ts';
import type { PredictionReader } from './predicted.ts';

export interface ArmName {
  readonly model: string;
  readonly release: string;
  readonly stage: number;
  readonly version: number;
  readonly role: ArmRole;
}

type CopyOutcome = 'compared' | 'failed' | 'dropped';
const copyOutcomes: readonly CopyOutcome[] = ['compared', 'failed', 'dropped'];

/** Rows of one request whose outputs are looked at. */
const rowsPerRequest = 64;
/** Distinct outputs counted between two reports; further ones are counted together. */
const mostKeys = 512;
const otherKey = '(other)';

/** Declared at start, so that an alert can tell none from not measured. */
export class ArmMetrics {
  readonly #requests: ReturnType<MetricRegistry['counter']>;
  readonly #errors: ReturnType<MetricRegistry['counter']>;
  readonly #seconds: ReturnType<MetricRegistry['histogram']>;
  readonly #copies: ReturnType<MetricRegistry['counter']>;
  readonly #disagreements: ReturnType<MetricRegistry['counter']>;

  constructor(registry: MetricRegistry) {
    const by = 'of a model under deployment, by version, role and release';
    this.#requests = registry.counter('holdfast_arm_requests_total', `Requests ${by}`);
    this.#errors = registry.counter('holdfast_arm_errors_total', `Failed requests ${by}`);
    this.#seconds = registry.histogram('holdfast_arm_duration_seconds', `Time to the answer ${by}`);
    this.#copies = registry.counter('holdfast_shadow_copies_total', 'Copies for shadow versions, by outcome');
    this.#disagreements = registry.counter(
      'holdfast_shadow_disagreements_total',
      'Rows that a shadow version predicts otherwise than the champion',
    );
  }

  cells({ model, release, version, role }: ArmName) {
    const labels = { model, version, role, release };
    const shadow = { model, version, release };
    return {
      requests: this.#requests.labels(labels),
      errors: this.#errors.labels(labels),
      seconds: this.#seconds.labels(labels),
      copies: role === 'shadow' ? this.#copyCells(shadow) : undefined,
      disagreements: role === 'shadow' ? this.#disagreements.labels(shadow) : undefined,
    };
  }

  #copyCells(labels: Readonly<Record<string, string | number>>): ReadonlyMap<CopyOutcome, Cell> {
    return new Map(copyOutcomes.map(outcome => [outcome, this.#copies.labels({ ...labels, outcome })]));
  }

  remove(model: string, release: string): void {
    const families = [this.#requests, this.#errors, this.#seconds, this.#copies, this.#disagreements];
    for (const family of families) family.remove({ model, release });
  }
}

/** What one arm did since it was last asked. */
export class ArmNumbers {
  readonly name: ArmName;
  /** As they stand in the prediction log, before the caller's own tags. */
  readonly tags: string;
  readonly #reader: PredictionReader;
  readonly #cells: ReturnType<ArmMetrics['cells']>;
  #requests = 0;
  #errors = 0;
  #rows = 0;
  #nonFiniteRows = 0;
  #latency = new Histogram();
  #outputs = new Map<string, number>();
  #dropped = 0;
  #compared = 0;
  #disagreed = 0;
  #championLatency = new Histogram();

  constructor(name: ArmName, reader: PredictionReader, metrics: ArmMetrics) {
    this.name = name;
    this.tags = `role=${name.role},release=${name.release}`;
    this.#reader = reader;
    this.#cells = metrics.cells(name);
  }

  /** @param latencyUs undefined when the model did not run for it, so that versions are compared by their models */
  answered(outputs: readonly Tensor[], rows: number, latencyUs: number | undefined): void {
    this.#count(latencyUs);
    this.#rows += rows;
    const looked = Math.min(rows, rowsPerRequest);
    for (let row = 0; row < looked; row++) {
      if (this.#reader.isNonFinite(outputs, row)) this.#nonFiniteRows++;
      const key = this.#reader.keyOf(outputs, row);
      if (key !== undefined) this.#predicted(key, 1 / looked);
    }
  }

  #predicted(key: string, weight: number): void {
    const kept = this.#outputs.has(key) || this.#outputs.size < mostKeys ? key : otherKey;
    this.#outputs.set(kept, (this.#outputs.get(kept) ?? 0) + weight);
  }

  #count(latencyUs: number | undefined): void {
    this.#requests++;
    this.#cells.requests.add();
    if (latencyUs === undefined) return;
    this.#latency.record(latencyUs);
    this.#cells.seconds.record(latencyUs);
  }

  /** A caller that left before its answer waited at least so long. */
  canceled(latencyUs: number): void {
    this.#count(latencyUs);
  }

  /** What is the caller's mistake says nothing about the arm. */
  failed(code: FaultCode): void {
    if (faults[code].http < 500) return;
    this.#requests++;
    this.#errors++;
    this.#cells.requests.add();
    this.#cells.errors.add();
  }

  /** A copy was run: compares its outputs with the champion's of the same request. */
  compared(own: readonly Tensor[], champion: readonly Tensor[], rows: number, tolerance: number): void {
    const looked = Math.min(rows, rowsPerRequest);
    let disagreeing = 0;
    for (let row = 0; row < looked; row++) if (!this.#reader.agree(own, champion, row, tolerance)) disagreeing++;
    this.#compared++;
    this.#disagreed += looked === 0 ? 0 : disagreeing / looked;
    this.#cells.copies?.get('compared')?.add();
    this.#cells.disagreements?.add(disagreeing);
  }

  /** What the champion took for the request that was copied. */
  championTook(latencyUs: number): void {
    this.#championLatency.record(latencyUs);
  }

  copyFailed(): void {
    this.#cells.copies?.get('failed')?.add();
  }

  copyDropped(): void {
    this.#dropped++;
    this.#cells.copies?.get('dropped')?.add();
  }

  /** What happened since the last call; undefined when nothing did. */
  take(): ArmReport | undefined {
    const { role, ...name } = this.name;
    if (role === 'segment' || (this.#requests === 0 && this.#dropped === 0)) return undefined;
    const report: ArmReport = {
      ...name,
      role,
      requests: this.#requests,
      errors: this.#errors,
      rows: this.#rows,
      nonFiniteRows: this.#nonFiniteRows,
      latency: this.#latency.toSparse(),
      latencySum: this.#latency.sum,
      outputs: [...this.#outputs],
      copies:
        role === 'shadow'
          ? {
              dropped: this.#dropped,
              compared: this.#compared,
              disagreed: this.#disagreed,
              championLatency: this.#championLatency.toSparse(),
            }
          : undefined,
    };
    this.#requests = 0;
    this.#errors = 0;
    this.#rows = 0;
    this.#nonFiniteRows = 0;
    this.#latency = new Histogram();
    this.#outputs = new Map();
    this.#dropped = 0;
    this.#compared = 0;
    this.#disagreed = 0;
    this.#championLatency = new Histogram();
    return report;
  }
}
