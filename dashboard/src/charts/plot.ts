import uPlot from 'uplot';
import { type ChartLine, type ChartSpec, limitsOf } from './chart-spec.ts';
import { type Colour, colourReader } from './colours.ts';
import { drawBreaches, drawLevels, drawMarkers } from './draw-marks.ts';
import { dragged, type Range } from './range.ts';
import { timeLabels } from './time-axis.ts';

const font = 'system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif';
const axisFont = `11px ${font}`;

/** A drawn chart; it redraws itself with what `show` is given. */
export interface Plot {
  show(spec: ChartSpec): void;
  resize(width: number): void;
  /** Puts the cursor on a point of the axis, as the pointer would. */
  pointAt(index: number | null): void;
  destroy(): void;
}

export interface PlotOptions {
  readonly width: number;
  readonly height: number;
  /** Charts with the same key share their cursor. */
  readonly syncKey: string;
  readonly onZoom: (range: Range) => void;
  readonly onReset: () => void;
  readonly onCursor: (index: number | null) => void;
}

function seriesOf(line: ChartLine, read: (name: Colour) => string): uPlot.Series {
  const stroke = read(line.colour);
  const base: uPlot.Series = { label: line.label, scale: line.scale, stroke, points: { show: false }, spanGaps: false };
  switch (line.kind) {
    case 'line':
      return {
        ...base,
        width: 1.75,
        points: { show: (_plot, _series, from, to) => to - from < 40, size: 4, fill: stroke },
      };
    case 'area':
      return { ...base, width: 1.75, fill: stroke.replace('rgb(', 'rgba(').replace(')', ', 0.1)') };
    case 'thin':
      return { ...base, width: 1 };
    case 'dotted':
      return { ...base, width: 1.25, dash: [3, 3] };
    case 'bars': {
      const paths = uPlot.paths.bars?.({ size: [0.7, 40], align: 0 });
      return { ...base, width: 0, fill: stroke, ...(paths !== undefined && { paths }) };
    }
    default:
      return line.kind satisfies never;
  }
}

function axesOf(spec: () => ChartSpec, read: (name: Colour) => string): uPlot.Axis[] {
  const common: uPlot.Axis = { stroke: read('muted'), font: axisFont, ticks: { show: false } };
  return [
    {
      ...common,
      size: 34,
      gap: 6,
      space: 80,
      grid: { show: false },
      border: { show: true, stroke: read('grid'), width: 1 },
      values: (_plot, marks, _axis, _space, stepMs) => [...timeLabels(marks, stepMs, spec().locale, spec().timeZone)],
    },
    {
      ...common,
      scale: 'y',
      size: 56,
      gap: 8,
      space: 36,
      grid: { stroke: read('grid'), width: 1 },
      values: (_plot, marks) => marks.map(mark => (mark === null ? '' : spec().axisText(mark))),
    },
  ];
}

function alignedData(spec: ChartSpec): uPlot.AlignedData {
  return [[...spec.xsMs], ...spec.lines.map(line => line.values)];
}

function plotOptions(current: () => ChartSpec, options: PlotOptions, read: (name: Colour) => string): uPlot.Options {
  const { timeZone, lines } = current();
  return {
    width: options.width,
    height: options.height,
    ms: 1,
    padding: [8, 24, 0, 0],
    legend: { show: false },
    ...(timeZone !== undefined && { tzDate: (atMs: number) => uPlot.tzDate(new Date(atMs), timeZone) }),
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false, dist: 6 },
      points: {
        size: 7,
        width: 2,
        stroke: () => read('surface'),
        fill: (_plot, index) => read(lines[index - 1]!.colour),
      },
      sync: {
        key: options.syncKey,
        scales: ['x', null],
        filters: { pub: type => type === 'mousemove' || type === 'mouseleave' },
      },
      bind: {
        dblclick: () => () => {
          options.onReset();
          return null;
        },
      },
    },
    scales: {
      x: { time: true, range: () => [current().shown.fromMs, current().shown.toMs] },
      y: { range: (_plot, low, high) => limitsOf(low, high, current()) },
      share: { range: () => [0, 4] },
    },
    axes: axesOf(current, read),
    series: [{}, ...lines.map(line => seriesOf(line, read))],
    hooks: {
      drawAxes: [plot => drawLevels(plot, current(), read)],
      draw: [plot => drawBreaches(plot, current(), read), plot => drawMarkers(plot, current(), read, font)],
      setCursor: [plot => options.onCursor(plot.cursor.idx ?? null)],
      setSelect: [
        plot => {
          if (plot.select.width < 4) return;
          const range = dragged(
            plot.posToVal(plot.select.left, 'x'),
            plot.posToVal(plot.select.left + plot.select.width, 'x'),
          );
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          if (range !== undefined) options.onZoom(range);
        },
      ],
    },
  };
}

/** Draws a chart over time into `within`. */
export function drawPlot(within: HTMLElement, first: ChartSpec, options: PlotOptions): Plot {
  let spec = first;
  const read = colourReader(within);
  const plot = new uPlot(
    plotOptions(() => spec, options, read),
    alignedData(spec),
    within,
  );
  return {
    show(next) {
      spec = next;
      plot.batch(() => {
        plot.setData(alignedData(next), false);
        plot.setScale('x', { min: next.shown.fromMs, max: next.shown.toMs });
      });
    },
    resize: width => plot.setSize({ width, height: options.height }),
    pointAt(index) {
      const atMs = index === null ? undefined : spec.xsMs[index];
      const left = atMs === undefined ? -10 : plot.valToPos(atMs, 'x');
      plot.setCursor({ left, top: atMs === undefined ? -10 : plot.bbox.height / devicePixelRatio / 2 });
    },
    destroy() {
      plot.destroy();
      within.replaceChildren();
    },
  };
}
