import type { Alert, Verdict } from '@holdfast/api';

const named = 3;

const nouns: Readonly<Record<Alert['monitor'], string>> = {
  'data-drift': 'Data drift',
  'prediction-drift': 'Prediction drift',
  'data-quality': 'Data quality',
  performance: 'Performance',
  'service-level': 'Service level',
  volume: 'Volume',
  runtime: 'Runtime',
};

const severities: Readonly<Record<Alert['monitor'], Alert['severity']>> = {
  'data-drift': 'warning',
  'prediction-drift': 'warning',
  'data-quality': 'warning',
  performance: 'critical',
  'service-level': 'critical',
  volume: 'warning',
  runtime: 'critical',
};

/** `Data drift: origin_delay, hour, distance and 2 more`. */
export function titleOf(monitor: Alert['monitor'], subjects: readonly string[]): string {
  const shown = subjects.slice(0, named).join(', ');
  const more = subjects.length > named ? ` and ${subjects.length - named} more` : '';
  return subjects.length === 0 ? nouns[monitor] : `${nouns[monitor]}: ${shown}${more}`;
}

export function severityOf(monitor: Alert['monitor']): Alert['severity'] {
  return severities[monitor];
}

function excessOf(verdict: Verdict): number {
  if (verdict.effect === null || verdict.threshold === null || verdict.threshold === 0) return 0;
  return Math.abs(verdict.effect) / Math.abs(verdict.threshold);
}

/** Breaches, the one furthest beyond its threshold first. */
export function worstFirst(breaches: readonly Verdict[]): Verdict[] {
  return [...breaches].sort((a, b) => excessOf(b) - excessOf(a));
}
