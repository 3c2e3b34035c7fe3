import type { Verdict } from '@holdfast/api';

/**
 * The value of a metric beyond which its performance monitor calls it worse than tolerated: the baseline moved by the
 * tolerance, in the direction in which the verdicts count a loss; undefined until a verdict shows that direction.
 */
export function toleratedLimit(verdicts: readonly Verdict[], metric: string, baseline: number): number | undefined {
  for (const verdict of verdicts) {
    if (verdict.subject !== metric || verdict.threshold === null) continue;
    if (verdict.statistic === null || verdict.effect === null) continue;
    const direction = Math.sign((verdict.statistic - baseline) * verdict.effect);
    if (direction === 0) continue;
    const unit = verdict.effectName.startsWith('relative') ? Math.abs(baseline) : 1;
    return baseline + direction * verdict.threshold * unit;
  }
  return undefined;
}
