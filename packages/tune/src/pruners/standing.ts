import { rankByDomination } from '../maths/domination.ts';
import type { LossReport, ReportedTrial } from './pruner.ts';

/** The last report at or before a step. */
export function reportAt(trial: ReportedTrial, step: number): LossReport | undefined {
  let found: LossReport | undefined;
  for (const report of trial.reports) {
    if (report.step > step) break;
    found = report;
  }
  return found;
}

/** The losses with which a trial entered a step: its first report at or after it. */
export function lossesOnReaching(trial: ReportedTrial, step: number): readonly number[] | undefined {
  return trial.reports.find(r => r.step >= step)?.losses;
}

/** The lowest loss of each objective so far. */
export function bestSoFar(trial: ReportedTrial): readonly number[] {
  const best = [...(trial.reports[0]?.losses ?? [])];
  for (const { losses } of trial.reports)
    losses.forEach((v, i) => {
      if (v < best[i]!) best[i] = v;
    });
  return best;
}

/** Indices best first: by value with one objective, by fronts and crowding with several. */
export function ranking(losses: readonly (readonly number[])[]): number[] {
  if ((losses[0]?.length ?? 1) > 1) return rankByDomination(losses);
  return losses.map((_, i) => i).sort((a, b) => losses[a]![0]! - losses[b]![0]! || a - b);
}

/** Percentile of sorted values, interpolated linearly. */
export function percentileOf(values: readonly number[], percentile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (percentile / 100) * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  return low + (at - below) * ((sorted[below + 1] ?? low) - low);
}

/** Whether `ours` is worse than the given percentile of the others. */
export function isBelowPercentile(
  ours: readonly number[],
  others: readonly (readonly number[])[],
  percentile: number,
): boolean {
  if (ours.length === 1)
    return (
      ours[0]! >
      percentileOf(
        others.map(o => o[0]!),
        percentile,
      )
    );
  const position = ranking([ours, ...others]).indexOf(0);
  return position > (percentile / 100) * others.length;
}
