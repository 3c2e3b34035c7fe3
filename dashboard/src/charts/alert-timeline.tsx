import type { Alert } from '@holdfast/api';
import { format, messages } from '../app/language.ts';
import type { Span } from './range.ts';

interface Bar {
  readonly alert: Alert;
  /** Percent of the shown span. */
  readonly left: number;
  readonly width: number;
}

/** The part of each alert that falls into the shown span; alerts outside are left out. */
export function alertBars(alerts: readonly Alert[], shown: Span): readonly Bar[] {
  const length = shown.toMs - shown.fromMs;
  return alerts.flatMap(alert => {
    const endMs = alert.state === 'resolved' ? alert.lastWindowMs : shown.toMs;
    const from = Math.max(alert.sinceMs, shown.fromMs);
    const to = Math.min(Math.max(endMs, alert.sinceMs), shown.toMs);
    if (to < from) return [];
    return [{ alert, left: ((from - shown.fromMs) / length) * 100, width: ((to - from) / length) * 100 }];
  });
}

/** One lane per monitor: when its alerts were open, on the shared time range. */
export function AlertTimeline({
  alerts,
  shown,
  timeZone,
}: {
  readonly alerts: readonly Alert[];
  readonly shown: Span;
  readonly timeZone: string | undefined;
}) {
  const m = messages.value;
  const f = format.value;
  const bars = alertBars(alerts, shown);
  const lanes = [...new Set(bars.map(bar => bar.alert.monitor))];
  if (lanes.length === 0) return null;
  return (
    <div class="timeline" role="img" aria-label={m.alertTimeline}>
      {lanes.map(lane => (
        <div key={lane} class="lane">
          <span class="lane-name">{m.monitor[lane]}</span>
          <div class="lane-track">
            {bars
              .filter(bar => bar.alert.monitor === lane)
              .map(({ alert, left, width }) => (
                <span
                  key={alert.id}
                  class={`lane-bar ${alert.state}`}
                  style={{ left: `${left.toFixed(3)}%`, width: `max(4px, ${width.toFixed(3)}%)` }}
                  title={`${m.phase[alert.state]}: ${alert.title}\n${m.since(f.dateTime(alert.sinceMs, timeZone))}`}
                />
              ))}
          </div>
        </div>
      ))}
      <div class="lane lane-ends">
        <span />
        <div>
          <span>{f.dateTime(shown.fromMs, timeZone)}</span>
          <span>{f.dateTime(shown.toMs, timeZone)}</span>
        </div>
      </div>
    </div>
  );
}
