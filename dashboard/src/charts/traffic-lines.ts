import type { TrafficPoint, TrafficResponse } from '@holdfast/api';

/** More steps than this are never drawn. */
const longestGrid = 4000;

export type Values = (number | null)[];

/** Traffic on a regular grid of time, ready to draw; null where nothing was measured. */
export interface TrafficLines {
  readonly stepMs: number;
  readonly startsMs: number[];
  /** Rows in each step per version; null before a version's first and after its last rows. */
  readonly rows: ReadonlyMap<number, Values>;
  /** The slowest version's quantiles, where several answered in one step. */
  readonly p50Ms: Values;
  readonly p90Ms: Values;
  readonly p99Ms: Values;
  /** Errors as a share of the requests. */
  readonly errorShare: Values;
}

function gridOf(points: readonly TrafficPoint[], stepMs: number): number[] {
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const point of points) {
    first = Math.min(first, point.startMs);
    last = Math.max(last, point.startMs);
  }
  const steps = Math.min(Math.round((last - first) / stepMs) + 1, longestGrid);
  return Array.from({ length: steps }, (_, index) => first + index * stepMs);
}

function larger(a: number | null | undefined, b: number | null): number | null {
  if (a === null || a === undefined) return b;
  return b === null ? a : Math.max(a, b);
}

function withZeros(values: Values): Values {
  const first = values.findIndex(value => value !== null);
  const last = values.findLastIndex(value => value !== null);
  return values.map((value, index) => (value === null && index > first && index < last ? 0 : value));
}

/**
 * Puts traffic on a grid.
 *
 * @param options.version only this version; all of them when absent
 * @param options.endMs the end of what is measured: the last step is left out while it is still filling
 */
export function trafficLines(
  response: TrafficResponse,
  options: { readonly version?: number | undefined; readonly endMs?: number } = {},
): TrafficLines {
  const { stepMs } = response;
  const mine = response.points.filter(point => options.version === undefined || point.version === options.version);
  let startsMs = mine.length === 0 ? [] : gridOf(mine, stepMs);
  const isFilling = options.endMs !== undefined && (startsMs.at(-1) ?? 0) + stepMs > options.endMs;
  if (isFilling && startsMs.length > 3) startsMs = startsMs.slice(0, -1);
  const empty = (): Values => startsMs.map(() => null);
  const rows = new Map<number, Values>();
  const lines = { p50Ms: empty(), p90Ms: empty(), p99Ms: empty() };
  const requests = startsMs.map(() => 0);
  const errors = startsMs.map(() => 0);
  for (const point of mine) {
    const at = Math.round((point.startMs - startsMs[0]!) / stepMs);
    if (at < 0 || at >= startsMs.length) continue;
    const version = rows.get(point.version) ?? empty();
    rows.set(point.version, version);
    version[at] = (version[at] ?? 0) + point.rows;
    for (const key of ['p50Ms', 'p90Ms', 'p99Ms'] as const) lines[key][at] = larger(lines[key][at], point[key]);
    requests[at] = requests[at]! + point.requests;
    errors[at] = errors[at]! + point.errors;
  }
  for (const [version, values] of rows) rows.set(version, withZeros(values));
  const errorShare = requests.map((count, at) => (count > 0 ? errors[at]! / count : null));
  return { stepMs, startsMs, rows: new Map([...rows].sort(([a], [b]) => a - b)), ...lines, errorShare };
}

const rateUnits = [
  ['second', 1000],
  ['minute', 60_000],
  ['hour', 3_600_000],
  ['day', 86_400_000],
] as const;

export type RateUnit = (typeof rateUnits)[number][0];

/** The shortest unit of time in which the busiest step has at least one row. */
export function rateUnitOf(lines: TrafficLines): { readonly unit: RateUnit; readonly perStep: number } {
  let most = 0;
  for (const values of lines.rows.values()) for (const value of values) most = Math.max(most, value ?? 0);
  for (const [unit, length] of rateUnits) {
    const perStep = length / lines.stepMs;
    if (most * perStep >= 1) return { unit, perStep };
  }
  return most === 0
    ? { unit: 'second', perStep: 1000 / lines.stepMs }
    : { unit: 'day', perStep: 86_400_000 / lines.stepMs };
}
