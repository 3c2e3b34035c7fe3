import type { MetricRegistry } from '../../telemetry/index.ts';
import type { ArmReport } from '../gateway-report.ts';
import { ArmMetrics, type ArmName, ArmNumbers } from './arm-numbers.ts';
import type { PredictionReader } from './predicted.ts';

function keyOf({ model, release, stage, version, role }: ArmName): string {
  return `${model} ${release} ${stage} ${version} ${role}`;
}

/** The numbers of all arms; an arm that is routed again after a new table goes on counting where it was. */
export class ArmBook {
  readonly #metrics: ArmMetrics;
  readonly #arms = new Map<string, ArmNumbers>();
  #routed: ReadonlySet<ArmNumbers> = new Set();

  constructor(registry: MetricRegistry) {
    this.#metrics = new ArmMetrics(registry);
  }

  arm(name: ArmName, reader: PredictionReader): ArmNumbers {
    const key = keyOf(name);
    const known = this.#arms.get(key) ?? new ArmNumbers(name, reader, this.#metrics);
    this.#arms.set(key, known);
    return known;
  }

  /** These are in force; the others are forgotten when they have nothing to report. */
  keep(routed: ReadonlySet<ArmNumbers>): void {
    this.#routed = routed;
  }

  /** What happened since the last call. */
  take(): ArmReport[] {
    const reports: ArmReport[] = [];
    for (const [key, arm] of this.#arms) {
      const report = arm.take();
      if (report !== undefined) reports.push(report);
      else if (!this.#routed.has(arm)) this.#forget(key, arm);
    }
    return reports;
  }

  #forget(key: string, { name }: ArmNumbers): void {
    this.#arms.delete(key);
    const { model, release } = name;
    const isLast = ![...this.#arms.values()].some(arm => arm.name.model === model && arm.name.release === release);
    if (isLast) this.#metrics.remove(model, release);
  }
}
