import type { MonitorsConfig } from '../../config/index.ts';
import { describeCount, describeDuration, describeNumber, describePromise } from '../describe.ts';
import { type Finding, undecidedParts } from '../finding.ts';

/** Rows of an earlier window of the same length. */
export interface EarlierWindow {
  readonly startMs: number;
  readonly rows: number;
}

/** Earlier windows needed before volume is judged. */
const fewestEarlier = 3;
/** Earlier windows that count. */
const mostEarlier = 30;
const dayMs = 86_400_000;
const weekMs = 7 * dayMs;

/**
 * Volume of a window against the median of earlier ones: of the same hour of the week or of the day where there are
 * enough of them, so that nights and weekends are no alarm.
 */
export function judgeVolume(
  window: { readonly startMs: number; readonly endMs: number; readonly rows: number },
  earlier: readonly EarlierWindow[],
  config: MonitorsConfig['volume'],
): readonly Finding[] {
  if (!config.enabled) return [];
  const lengthMs = window.endMs - window.startMs;
  const peers = peersOf(window.startMs, earlier);
  const base = {
    monitor: 'volume',
    subject: 'rows',
    role: null,
    test: 'ratio to the median of earlier windows',
    effectName: 'ratio to the median',
    baselineRows: peers.reduce((sum, one) => sum + one.rows, 0),
    windowRows: window.rows,
  } as const;
  if (peers.length < fewestEarlier) {
    return [
      {
        ...base,
        ...undecidedParts,
        because: 'too-few-windows',
        sentence: `Volume is not judged: ${describeCount(peers.length)} earlier windows of ${describeDuration(lengthMs)}, ${fewestEarlier} are needed.`,
      },
    ];
  }
  const rows = peers.map(one => one.rows).sort((a, b) => a - b);
  const median = medianOf(rows);
  // A window must also lie outside everything seen before, as volume may vary a lot by itself.
  const isLow = window.rows < config.lowRatio * median && window.rows < rows[0]!;
  const isHigh = window.rows > config.highRatio * median && window.rows > rows.at(-1)!;
  const ratio = median > 0 ? window.rows / median : window.rows > 0 ? Number.POSITIVE_INFINITY : 1;
  const isBreached = isLow || isHigh;
  // Rank argument: of k + 1 exchangeable windows, the last is the smallest or the largest with probability 2 / (k + 1).
  const falseAlarmRate = Math.min(1, 2 / (peers.length + 1));
  const measured = `${describeCount(window.rows)} rows in ${describeDuration(lengthMs)}, the median of ${peers.length} earlier windows is ${describeNumber(median)}`;
  return [
    {
      ...base,
      outcome: isBreached ? 'breached' : 'stable',
      statistic: window.rows,
      pValue: null,
      effect: Number.isFinite(ratio) ? ratio : null,
      threshold: isHigh ? config.highRatio : config.lowRatio,
      falseAlarmRate,
      sentence: isBreached
        ? `Traffic is ${isLow ? 'low' : 'high'}: ${measured}; ${describePromise(falseAlarmRate)}.`
        : `Traffic is as usual: ${measured}.`,
    },
  ];
}

function peersOf(startMs: number, earlier: readonly EarlierWindow[]): readonly EarlierWindow[] {
  const recent = [...earlier].sort((a, b) => b.startMs - a.startMs);
  for (const period of [weekMs, dayMs]) {
    const same = recent.filter(one => (startMs - one.startMs) % period === 0);
    if (same.length >= fewestEarlier) return same.slice(0, mostEarlier);
  }
  return recent.slice(0, mostEarlier);
}

function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
