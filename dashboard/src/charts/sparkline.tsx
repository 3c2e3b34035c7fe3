import { useMemo } from 'preact/hooks';
import { pulsesKept } from '../live/pulse-history.ts';

const width = 120;
const height = 28;

interface Shape {
  readonly line: string;
  readonly area: string;
}

/** The path of a sparkline in a box of 120 x 28, newest value at the right edge, zero at the bottom. */
export function sparklinePath(values: readonly number[]): Shape {
  if (values.length < 2) return { line: '', area: '' };
  const top = Math.max(...values, 1e-9);
  const step = width / (pulsesKept - 1);
  const startX = width - step * (values.length - 1);
  const points = values.map((value, index) => {
    const x = startX + step * index;
    const y = height - 1.5 - (value / top) * (height - 4);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  const line = `M${points.join('L')}`;
  return { line, area: `${line}L${width} ${height}L${startX.toFixed(1)} ${height}Z` };
}

/** Requests per second in the last two minutes. */
export function Sparkline({ values, label }: { readonly values: readonly number[]; readonly label: string }) {
  const shape = useMemo(() => sparklinePath(values), [values]);
  return (
    <svg class="sparkline" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <path class="sparkline-floor" d={`M0 ${height - 0.5}H${width}`} />
      <path class="sparkline-area" d={shape.area} />
      <path class="sparkline-line" d={shape.line} />
    </svg>
  );
}
