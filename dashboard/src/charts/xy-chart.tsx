import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { AxisScale } from './axis-scale.ts';

/** What a point looks like; the names are classes of study.css. */
export type PointTone = 'best' | 'good' | 'plain' | 'faint' | 'bad';

export interface XyPoint {
  /** The trial that the point stands for. */
  readonly number: number;
  readonly x: number;
  readonly y: number;
  readonly tone: PointTone;
  readonly text: string;
}

export interface XyLine {
  readonly key: string;
  readonly tone: PointTone;
  readonly isStepped?: boolean;
  /** Places from 0 to 1, y upwards. */
  readonly places: readonly (readonly [number, number])[];
}

export interface XyCell {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** 0 calm to 4 strong. */
  readonly level: number;
}

interface XyChartProps {
  /** What the chart shows, for those who do not see it. */
  readonly label: string;
  readonly x: AxisScale;
  readonly y: AxisScale;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly points: readonly XyPoint[];
  readonly lines?: readonly XyLine[];
  readonly cells?: readonly XyCell[];
  readonly chosen: ReadonlySet<number>;
  readonly onChoose: (number: number) => void;
  readonly height?: number;
}

const pad = { left: 58, right: 14, top: 26, bottom: 40 };

function pathOf(line: XyLine, toX: (unit: number) => number, toY: (unit: number) => number): string {
  return line.places
    .map(([x, y], i) => {
      const [left, top] = [toX(x).toFixed(1), toY(y).toFixed(1)];
      if (i === 0) return `M${left} ${top}`;
      return line.isStepped === true ? `H${left}V${top}` : `L${left} ${top}`;
    })
    .join('');
}

/** Width of an element as it changes. */
function useWidth(): { readonly ref: { current: HTMLDivElement | null }; readonly width: number } {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(480);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidth(Math.max(240, element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { ref, width };
}

/**
 * Points, lines and cells over two axes. The pointer or the arrow keys read the points one by one; Enter or a click
 * chooses the trial.
 */
export function XyChart(props: XyChartProps) {
  const { label, x, y, xTitle, yTitle, points, lines = [], cells = [], chosen, onChoose, height = 276 } = props;
  const { ref, width } = useWidth();
  const [focus, setFocus] = useState<number | undefined>(undefined);
  const order = useMemo(() => [...points].sort((a, b) => a.x - b.x || a.number - b.number), [points]);
  const toX = (unit: number): number => pad.left + unit * (width - pad.left - pad.right);
  const toY = (unit: number): number => height - pad.bottom - unit * (height - pad.top - pad.bottom);
  const focused = points.find(point => point.number === focus);

  const nearest = (event: MouseEvent): XyPoint | undefined => {
    const box = ref.current?.getBoundingClientRect();
    if (box === undefined) return undefined;
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    let found: XyPoint | undefined;
    let least = 24 ** 2;
    for (const point of points) {
      const distance = (toX(point.x) - left) ** 2 + (toY(point.y) - top) ** 2;
      if (distance < least) [found, least] = [point, distance];
    }
    return found;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const now = order.findIndex(point => point.number === focus);
    const to = { ArrowRight: now + 1, ArrowLeft: now < 0 ? order.length - 1 : now - 1, Home: 0, End: order.length - 1 }[
      event.key
    ];
    if (to !== undefined) setFocus(order[Math.min(order.length - 1, Math.max(0, to))]?.number);
    else if ((event.key === 'Enter' || event.key === ' ') && focus !== undefined) onChoose(focus);
    else if (event.key === 'Escape') setFocus(undefined);
    else return;
    event.preventDefault();
  };
  return (
    <div
      class="xy"
      ref={ref}
      role="group"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys read the points
      tabIndex={0}
      aria-label={label}
      onKeyDown={onKeyDown}
      onBlur={() => setFocus(undefined)}
      onMouseMove={event => setFocus(nearest(event)?.number)}
      onMouseLeave={() => setFocus(undefined)}
      onClick={event => {
        const point = nearest(event);
        if (point !== undefined) onChoose(point.number);
      }}
    >
      <svg width={width} height={height} aria-hidden="true">
        {cells.map(cell => (
          <rect
            key={`${cell.x} ${cell.y}`}
            class={`xy-cell level-${cell.level}`}
            x={toX(cell.x)}
            y={toY(cell.y + cell.height)}
            width={toX(cell.x + cell.width) - toX(cell.x) + 0.5}
            height={toY(cell.y) - toY(cell.y + cell.height) + 0.5}
          />
        ))}
        {y.ticks.map(tick => (
          <g key={tick.label}>
            <path class="xy-grid" d={`M${pad.left} ${toY(tick.at)}H${width - pad.right}`} />
            <text class="xy-tick" x={pad.left - 8} y={toY(tick.at) + 4} text-anchor="end">
              {tick.label.length > 9 ? `${tick.label.slice(0, 8)}…` : tick.label}
            </text>
          </g>
        ))}
        {x.ticks.map(tick => (
          <text key={tick.label} class="xy-tick" x={toX(tick.at)} y={height - pad.bottom + 16} text-anchor="middle">
            {tick.label.length > 12 ? `${tick.label.slice(0, 11)}…` : tick.label}
          </text>
        ))}
        <path class="xy-axis" d={`M${pad.left} ${height - pad.bottom}H${width - pad.right}`} />
        <text class="xy-title" x={width - pad.right} y={height - 6} text-anchor="end">
          {xTitle}
        </text>
        <text class="xy-title" x={pad.left + 4} y={pad.top - 12}>
          {yTitle}
        </text>
        {lines.map(line => (
          <path key={line.key} class={`xy-line ${line.tone}`} d={pathOf(line, toX, toY)} />
        ))}
        {points.map(point => (
          <circle
            key={point.number}
            class={`xy-point ${point.tone}${chosen.has(point.number) ? ' chosen' : ''}${point.number === focus ? ' focused' : ''}`}
            cx={toX(point.x)}
            cy={toY(point.y)}
            r={point.tone === 'best' || chosen.has(point.number) ? 5 : 3.5}
          />
        ))}
      </svg>
      <output class={`xy-note${focused === undefined ? ' hidden' : ''}`} style={noteStyle(focused, toX, width)}>
        {focused?.text ?? ''}
      </output>
    </div>
  );
}

/** The note stands over the half of the chart where its point is not. */
function noteStyle(point: XyPoint | undefined, toX: (unit: number) => number, width: number): Record<string, string> {
  if (point === undefined) return {};
  return toX(point.x) > width / 2 ? { left: `${pad.left + 6}px` } : { right: `${pad.right}px` };
}
