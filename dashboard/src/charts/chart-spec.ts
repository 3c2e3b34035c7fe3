import type { Colour } from './colours.ts';
import type { Span } from './range.ts';
import type { Values } from './traffic-lines.ts';
import type { VersionMarker } from './version-markers.ts';

/** One line, area or row of bars of a chart. */
export interface ChartLine {
  readonly label: string;
  readonly colour: Colour;
  readonly kind: 'line' | 'area' | 'thin' | 'dotted' | 'bars';
  /** `y`: the chart's own scale; `share`: 0 to 1 in the lowest quarter. */
  readonly scale: 'y' | 'share';
  readonly values: Values;
  readonly text: (value: number) => string;
}

/** A horizontal line across a chart. */
export interface Level {
  readonly label: string;
  readonly value: number;
  readonly colour: Colour;
  readonly dash: readonly number[];
  readonly text: (value: number) => string;
}

/** What a chart over time shows; all times in ms since epoch. */
export interface ChartSpec {
  readonly xsMs: readonly number[];
  readonly lines: readonly ChartLine[];
  readonly levels: readonly Level[];
  readonly markers: readonly VersionMarker[];
  /** Points drawn as a diamond: the index on the axis of the line. */
  readonly breaches: readonly { readonly atMs: number; readonly value: number }[];
  readonly shown: Span;
  /** `zero`: the scale starts at 0; `fit`: it fits the values. */
  readonly floor: 'zero' | 'fit';
  /** The least top of a scale that starts at 0, so that a flat line of nothing stays at the bottom of small values. */
  readonly leastTop?: number;
  readonly axisText: (value: number) => string;
  readonly locale: string;
  readonly timeZone: string | undefined;
  readonly markerText: (version: number) => string;
}

/** What decides how a chart is built, as opposed to what it shows now. */
export function shapeOf(spec: ChartSpec): string {
  return JSON.stringify([
    spec.lines.map(line => [line.label, line.colour, line.kind, line.scale]),
    spec.floor,
    spec.locale,
    spec.timeZone ?? '',
  ]);
}

/** The limits of the y scale: around the values and the levels, with some air, never empty. */
export function limitsOf(low: number | null, high: number | null, spec: ChartSpec): [number, number] {
  const values = spec.levels.map(level => level.value);
  if (low !== null && Number.isFinite(low)) values.push(low);
  if (high !== null && Number.isFinite(high)) values.push(high);
  if (values.length === 0) return [0, 1];
  const bottom = Math.min(...values);
  const top = Math.max(...values);
  if (spec.floor === 'zero') return [0, Math.max(top * 1.15, spec.leastTop ?? 0) || 1];
  const air = top - bottom > 0 ? (top - bottom) * 0.2 : Math.abs(top) * 0.05 || 0.5;
  // The lowest quarter belongs to the bars of shares.
  const hasShares = spec.lines.some(line => line.scale === 'share');
  return [bottom - air - (hasShares ? (top - bottom + air) * 0.3 : 0), top + air];
}
