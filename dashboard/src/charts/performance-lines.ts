import type { PerformancePoint, PerformanceResponse } from '@holdfast/api';
import type { Values } from './traffic-lines.ts';

/** One metric over windows, one line per version. */
export interface PerformanceLines {
  /** Middles of the windows. */
  readonly middlesMs: readonly number[];
  readonly byVersion: ReadonlyMap<number, Values>;
  /** Labelled share of the predictions of each window. */
  readonly coverage: Values;
}

export function middleOf(window: { readonly windowStartMs: number; readonly windowEndMs: number }): number {
  return (window.windowStartMs + window.windowEndMs) / 2;
}

/** The metrics that were measured, the preferred one first. */
export function metricNames(response: PerformanceResponse, preferred: string | undefined): readonly string[] {
  const names = new Set<string>();
  for (const point of response.points) for (const name of Object.keys(point.metrics)) names.add(name);
  const sorted = [...names].sort();
  return preferred !== undefined && names.has(preferred)
    ? [preferred, ...sorted.filter(name => name !== preferred)]
    : sorted;
}

export function performanceLines(points: readonly PerformancePoint[], metric: string): PerformanceLines {
  const middlesMs = [...new Set(points.map(middleOf))].sort((a, b) => a - b);
  const at = new Map(middlesMs.map((middle, index) => [middle, index]));
  const byVersion = new Map<number, Values>();
  const predictions = middlesMs.map(() => 0);
  const labelled = middlesMs.map(() => 0);
  for (const point of points) {
    const index = at.get(middleOf(point))!;
    const values = byVersion.get(point.version) ?? middlesMs.map(() => null);
    values[index] = point.metrics[metric] ?? null;
    byVersion.set(point.version, values);
    predictions[index] = predictions[index]! + point.predictions;
    labelled[index] = labelled[index]! + point.labelled;
  }
  const coverage = predictions.map((count, index) => (count > 0 ? labelled[index]! / count : null));
  return { middlesMs, byVersion: new Map([...byVersion].sort(([a], [b]) => a - b)), coverage };
}
