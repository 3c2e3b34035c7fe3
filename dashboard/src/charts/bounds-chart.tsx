import type { RolloutPoint } from '@holdfast/api';
import { format } from '../app/language.ts';

interface BoundsChartProps {
  readonly points: readonly RolloutPoint[];
  readonly check: string;
  readonly label: string;
  readonly show: (value: number) => string;
}

const width = 640;
const height = 150;
const pad = { left: 64, right: 8, top: 10, bottom: 22 };

/** The effect of one check over time with the bounds that hold at all looks, and the margin it is held against. */
export function BoundsChart({ points, check, label, show }: BoundsChartProps) {
  const f = format.value;
  const series = points.flatMap(({ atMs, checks }) => {
    const one = checks.find(candidate => candidate.check === check);
    return one === undefined || one.effect === null ? [] : [{ ...one, effect: one.effect, atMs }];
  });
  const first = series[0];
  const last = series.at(-1);
  if (first === undefined || last === undefined) return null;
  const known = series.flatMap(({ effect, margin }) => [effect, margin]);
  // Bounds start out far away; the chart shows what is near the margin and lets the band run out of it.
  const spread = Math.max(...known) - Math.min(...known) || Math.abs(last.margin) || 1;
  const low = Math.min(...known) - spread;
  const high = Math.max(...known) + spread;
  const x = (atMs: number): number =>
    pad.left + ((width - pad.left - pad.right) * (atMs - first.atMs)) / Math.max(1, last.atMs - first.atMs);
  const y = (value: number): number => {
    const clipped = Math.min(high, Math.max(low, value));
    return pad.top + ((height - pad.top - pad.bottom) * (high - clipped)) / (high - low);
  };
  const line = (value: (one: (typeof series)[number]) => number): string =>
    series.map(one => `${x(one.atMs).toFixed(1)},${y(value(one)).toFixed(1)}`).join(' ');
  const band = `${line(one => one.high ?? high)} ${series
    .toReversed()
    .map(one => `${x(one.atMs).toFixed(1)},${y(one.low ?? low).toFixed(1)}`)
    .join(' ')}`;
  return (
    <figure class="bounds-chart">
      <figcaption class="hint">{label}</figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
        <polygon class="band" points={band} />
        <polyline class="margin" points={line(one => one.margin)} />
        <polyline class="effect" points={line(one => one.effect)} />
        <text x={pad.left - 6} y={y(last.margin) + 4} class="axis end">
          {show(last.margin)}
        </text>
        <text x={pad.left} y={height - 6} class="axis">
          {f.time(first.atMs)}
        </text>
        <text x={width - pad.right} y={height - 6} class="axis end">
          {f.time(last.atMs)}
        </text>
      </svg>
    </figure>
  );
}
