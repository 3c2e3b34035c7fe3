import type { Task } from '@holdfast/api';
import type { MonitorsConfig } from '../../config/index.ts';
import { describeCount, describeNumber, describePromise, describeShare } from '../describe.ts';
import { type Finding, undecidedParts } from '../finding.ts';
import type { BaselineMetric } from '../profiles/reference.ts';
import type { Measured } from './measure.ts';

/** What a version's performance is compared with. */
export interface PerformanceReference {
  readonly source: 'baseline' | 'live';
  readonly labelled: number;
  readonly metrics: Readonly<Record<string, BaselineMetric>>;
}

interface JudgedMetric {
  readonly name: string;
  readonly title: string;
  readonly isBetterHigh: boolean;
  /** `absolute`: the tolerance is in the metric's own unit; `relative`: a share of the baseline's value. */
  readonly tolerance: 'absolute' | 'relative';
}

const metricsOf: Readonly<Record<Task['kind'], readonly JudgedMetric[]>> = {
  binary: [
    { name: 'roc_auc', title: 'ROC AUC', isBetterHigh: true, tolerance: 'absolute' },
    { name: 'accuracy', title: 'Accuracy', isBetterHigh: true, tolerance: 'absolute' },
    { name: 'log_loss', title: 'Log loss', isBetterHigh: false, tolerance: 'relative' },
    { name: 'brier', title: 'Brier score', isBetterHigh: false, tolerance: 'absolute' },
  ],
  multiclass: [
    { name: 'accuracy', title: 'Accuracy', isBetterHigh: true, tolerance: 'absolute' },
    { name: 'log_loss', title: 'Log loss', isBetterHigh: false, tolerance: 'relative' },
  ],
  regression: [
    { name: 'mae', title: 'Mean absolute error', isBetterHigh: false, tolerance: 'relative' },
    { name: 'rmse', title: 'Root mean squared error', isBetterHigh: false, tolerance: 'relative' },
  ],
  none: [],
};

/** The metric of a task that speaks for it in overviews; undefined for a task without ground truth. */
export function leadingMetric(task: Task['kind']): string | undefined {
  return metricsOf[task][0]?.name;
}

/**
 * Realised performance of a window against the baseline's, metric by metric: breached when the metric is worse than the
 * baseline by more than the tolerance even at the favourable end of its confidence interval. As late labels make us look
 * at a window again and again, the interval holds at all those looks together.
 *
 * @param predictions rows of the window, labelled or not
 */
export function judgePerformance(
  task: Task,
  measured: Measured,
  predictions: number,
  reference: PerformanceReference | undefined,
  config: MonitorsConfig['performance'],
  falseAlarmRate: number,
): readonly Finding[] {
  const judged = metricsOf[task.kind];
  if (!config.enabled) return [];
  const rate = falseAlarmRate / Math.max(1, judged.length);
  return judged.map(metric => {
    const base = {
      monitor: 'performance',
      subject: metric.name,
      role: null,
      test: 'anytime-valid confidence interval',
      effectName: `${metric.tolerance === 'relative' ? 'relative ' : ''}loss against the baseline`,
      baselineRows: reference?.labelled ?? 0,
      windowRows: measured.labelled,
    } as const;
    const coverage = predictions === 0 ? 0 : measured.labelled / predictions;
    if (measured.labelled < config.minimumLabels) {
      return {
        ...base,
        ...undecidedParts,
        because: 'too-few-labels',
        sentence: `${metric.title} is not judged: ground truth is known for ${describeCount(measured.labelled)} of ${describeCount(predictions)} predictions, ${describeCount(config.minimumLabels)} are needed.`,
      };
    }
    const now = measured.metrics[metric.name];
    const before = reference?.metrics[metric.name];
    if (now === undefined || before === undefined || now.standardError === null) {
      const why =
        now === undefined || now.standardError === null
          ? 'it cannot be computed from the outputs and the ground truth of this window'
          : 'there is no baseline performance to compare it with';
      return {
        ...base,
        ...undecidedParts,
        because: before === undefined ? 'no-baseline' : 'not-computable',
        sentence: `${metric.title} is not judged: ${why}.`,
      };
    }
    return judgeMetric(metric, base, now, before, {
      coverage,
      labelled: measured.labelled,
      config,
      rate,
      falseAlarmRate,
      reference,
    });
  });
}

interface MetricCircumstances {
  readonly coverage: number;
  readonly labelled: number;
  readonly config: MonitorsConfig['performance'];
  readonly rate: number;
  readonly falseAlarmRate: number;
  readonly reference: PerformanceReference | undefined;
}

function judgeMetric(
  metric: JudgedMetric,
  base: Pick<Finding, 'monitor' | 'subject' | 'role' | 'test' | 'effectName' | 'baselineRows' | 'windowRows'>,
  now: BaselineMetric,
  before: BaselineMetric,
  { coverage, labelled, config, rate, falseAlarmRate, reference }: MetricCircumstances,
): Finding {
  const unit = metric.tolerance === 'relative' && before.value > 0 ? before.value : 1;
  const sign = metric.isBetterHigh ? 1 : -1;
  const loss = (sign * (before.value - now.value)) / unit;
  const error = Math.hypot(now.standardError ?? 0, before.standardError ?? 0);
  const radius = (anytimeFactor(labelled, config.minimumLabels, rate) * error) / unit;
  const isBreached = loss - radius > config.tolerance;
  const low = now.value - anytimeFactor(labelled, config.minimumLabels, rate) * (now.standardError ?? 0);
  const high = now.value + anytimeFactor(labelled, config.minimumLabels, rate) * (now.standardError ?? 0);
  const against = reference?.source === 'live' ? 'in the first labelled window' : 'on the baseline';
  const measured = `${describeNumber(now.value)} (between ${describeNumber(low)} and ${describeNumber(high)}) against ${describeNumber(before.value)} ${against}`;
  const labels = `${describeCount(labelled)} labels, ${describeShare(coverage)} of predictions`;
  const tolerated = `a loss of ${metric.tolerance === 'relative' ? describeShare(config.tolerance) : describeNumber(config.tolerance)} is tolerated`;
  return {
    ...base,
    outcome: isBreached ? 'breached' : 'stable',
    statistic: now.value,
    pValue: null,
    effect: loss,
    threshold: config.tolerance,
    falseAlarmRate,
    sentence: isBreached
      ? `${metric.title} ${metric.isBetterHigh ? 'fell' : 'rose'} to ${measured}; ${tolerated} (${labels}); ${describePromise(falseAlarmRate)}.`
      : `${metric.title} is ${measured}; ${tolerated} (${labels}).`,
  };
}

/**
 * Standard errors to either side that hold at every number of labels at once (normal mixture boundary, Robbins 1970):
 * sqrt((1 + 1/r) ln((1 + r) / alpha^2)) with r = n / n0, narrowest around n0 labels.
 */
export function anytimeFactor(labels: number, tunedFor: number, alpha: number): number {
  const ratio = labels / (tunedFor * mixtureScale);
  return Math.sqrt((1 + 1 / ratio) * Math.log((1 + ratio) / (alpha * alpha)));
}

/** Labels per minimum at which the boundary starts to be tight: the mixture's variance is that of an eighth of n0. */
const mixtureScale = 1 / 8;
