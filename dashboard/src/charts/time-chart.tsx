import type { ComponentChildren } from 'preact';
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import { dash } from '../app/format.ts';
import { format, messages } from '../app/language.ts';
import { isDark } from '../app/theme.ts';
import { type ChartLine, type ChartSpec, shapeOf } from './chart-spec.ts';
import { drawPlot, type Plot } from './plot.ts';
import type { Range } from './range.ts';

const height = 210;

interface TimeChartProps {
  readonly title: string;
  readonly unit?: string;
  readonly spec: ChartSpec;
  readonly syncKey: string;
  readonly onZoom: (range: Range) => void;
  readonly onReset: () => void;
  /** Controls beside the title. */
  readonly extra?: ComponentChildren;
}

function valueAt(line: ChartLine, index: number | null): string {
  const value = index === null ? line.values.findLast(each => each !== null) : line.values[index];
  return value === null || value === undefined ? dash : line.text(value);
}

function Legend({ spec, index }: { readonly spec: ChartSpec; readonly index: number | null }) {
  return (
    <ul class="chart-legend">
      {spec.lines.map(line => (
        <li key={line.label}>
          <span class={`swatch ${line.kind}`} style={{ color: `var(--${line.colour})` }} />
          {line.label} <strong>{valueAt(line, index)}</strong>
        </li>
      ))}
      {spec.levels.map(level => (
        <li key={level.label}>
          <span class="swatch dotted" style={{ color: `var(--${level.colour})` }} />
          {level.label} <strong>{level.text(level.value)}</strong>
        </li>
      ))}
    </ul>
  );
}

function nextIndex(key: string, now: number | null, shown: readonly [number, number]): number | null | undefined {
  const [first, last] = shown;
  switch (key) {
    case 'ArrowLeft':
      return now === null ? last : Math.max(now - 1, first);
    case 'ArrowRight':
      return now === null ? first : Math.min(now + 1, last);
    case 'Home':
      return first;
    case 'End':
      return last;
    case 'Escape':
      return null;
    default:
      return undefined;
  }
}

function shownIndices(spec: ChartSpec): readonly [number, number] {
  const first = spec.xsMs.findIndex(atMs => atMs >= spec.shown.fromMs);
  const last = spec.xsMs.findLastIndex(atMs => atMs <= spec.shown.toMs);
  return [Math.max(first, 0), Math.max(last, 0)];
}

/** A chart over time: pointer and arrow keys read its values, a drag zooms, a double click resets. */
export function TimeChart({ title, unit, spec, syncKey, onZoom, onReset, extra }: TimeChartProps) {
  const canvas = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | undefined>(undefined);
  const latest = useRef({ spec, onZoom, onReset });
  latest.current = { spec, onZoom, onReset };
  const [index, setIndex] = useState<number | null>(null);
  const [isFocused, setFocused] = useState(false);
  const titleId = useId();
  const shape = useMemo(() => shapeOf(spec), [spec]);
  const dark = isDark.value;

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const drawn = drawPlot(element, latest.current.spec, {
      width: element.clientWidth,
      height,
      syncKey,
      onZoom: range => latest.current.onZoom(range),
      onReset: () => latest.current.onReset(),
      onCursor: setIndex,
    });
    plot.current = drawn;
    const observer = new ResizeObserver(() => drawn.resize(element.clientWidth));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current = undefined;
      drawn.destroy();
    };
  }, [shape, dark, syncKey]);

  useEffect(() => {
    plot.current?.show(spec);
  }, [spec]);

  const m = messages.value;
  const f = format.value;
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = nextIndex(event.key, index, shownIndices(spec));
    if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    plot.current?.pointAt(next);
    setIndex(next);
  };
  const atMs = index === null ? undefined : spec.xsMs[index];
  const from = f.dateTime(spec.shown.fromMs, spec.timeZone);
  const to = f.dateTime(spec.shown.toMs, spec.timeZone);
  return (
    <section class="card chart-card" aria-labelledby={titleId}>
      <div class="chart-head">
        <h3 id={titleId}>
          {title} {unit !== undefined && <span class="unit">{unit}</span>}
        </h3>
        <span class="chart-time">{atMs === undefined ? '' : f.dateTime(atMs, spec.timeZone)}</span>
        {extra}
      </div>
      <div aria-live={isFocused ? 'polite' : 'off'}>
        <Legend spec={spec} index={index} />
      </div>
      <div
        class="chart-canvas"
        style={{ height: `${height}px` }}
        ref={canvas}
        role="group"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys read the values of the chart
        tabIndex={0}
        aria-label={m.chartSummary(title, f.count(spec.xsMs.length), from, to)}
        onKeyDown={onKeyDown}
        onFocus={() => setFocused(true)}
        onBlur={() => {
          setFocused(false);
          plot.current?.pointAt(null);
        }}
      />
    </section>
  );
}
