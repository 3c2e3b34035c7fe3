/** A stretch of time, ms since epoch. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What the reader looks at: everything, the latest stretch (both follow live), or a fixed stretch. */
export type Range =
  | { readonly kind: 'all' }
  | { readonly kind: 'last'; readonly ms: number }
  | ({ readonly kind: 'fixed' } & Span);

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const units: Readonly<Record<string, number>> = { m: minute, h: hour, d: day };
const presets = [15 * minute, hour, 6 * hour, day, 7 * day, 30 * day, 90 * day];

/** The shortest stretch that can be zoomed into. */
export const shortestMs = 1000;

export function lastText(ms: number): string {
  if (ms % day === 0) return `${ms / day}d`;
  if (ms % hour === 0) return `${ms / hour}h`;
  return `${Math.round(ms / minute)}m`;
}

/** Reads the range from an address such as `?range=7d` or `?from=2001-02-01T00:00Z&to=2001-02-08T00:00Z`. */
export function rangeOf(query: URLSearchParams): Range {
  const fromMs = Date.parse(query.get('from') ?? '');
  const toMs = Date.parse(query.get('to') ?? '');
  if (Number.isFinite(fromMs) && Number.isFinite(toMs) && toMs > fromMs) return { kind: 'fixed', fromMs, toMs };
  const match = /^(\d{1,4})([mhd])$/.exec(query.get('range') ?? '');
  const ms = match === null ? 0 : Number(match[1]) * units[match[2]!]!;
  return ms > 0 ? { kind: 'last', ms } : { kind: 'all' };
}

export function writeRange(query: URLSearchParams, range: Range): void {
  for (const key of ['from', 'to', 'range']) query.delete(key);
  if (range.kind === 'last') query.set('range', lastText(range.ms));
  if (range.kind === 'fixed') {
    query.set('from', new Date(range.fromMs).toISOString());
    query.set('to', new Date(range.toMs).toISOString());
  }
}

/** The stretch that a range means while the predictions cover `whole`. */
export function resolve(range: Range, whole: Span): Span {
  switch (range.kind) {
    case 'all':
      return whole.toMs - whole.fromMs >= shortestMs ? whole : { fromMs: whole.toMs - minute, toMs: whole.toMs };
    case 'last':
      return { fromMs: whole.toMs - range.ms, toMs: whole.toMs };
    case 'fixed':
      return { fromMs: range.fromMs, toMs: range.toMs };
    default:
      return range satisfies never;
  }
}

/** The presets that are shorter than the whole span, at most five, the longest last. */
export function presetsFor(whole: Span): readonly number[] {
  return presets.filter(ms => ms < whole.toMs - whole.fromMs).slice(-5);
}

/** Zooms about the middle; a factor below 1 zooms in. Zooming out beyond the whole span means everything. */
export function zoomBy(shown: Span, factor: number, whole: Span): Range {
  const length = Math.max((shown.toMs - shown.fromMs) * factor, shortestMs);
  if (length >= whole.toMs - whole.fromMs) return { kind: 'all' };
  const middle = (shown.fromMs + shown.toMs) / 2;
  const fromMs = Math.min(Math.max(middle - length / 2, whole.fromMs), whole.toMs - length);
  return { kind: 'fixed', fromMs: Math.round(fromMs), toMs: Math.round(fromMs + length) };
}

/** Moves by a share of what is shown, stopping at the ends of the whole span. */
export function moveBy(shown: Span, share: number, whole: Span): Range {
  const length = shown.toMs - shown.fromMs;
  if (length >= whole.toMs - whole.fromMs) return { kind: 'all' };
  const fromMs = Math.min(Math.max(shown.fromMs + length * share, whole.fromMs), whole.toMs - length);
  return { kind: 'fixed', fromMs: Math.round(fromMs), toMs: Math.round(fromMs + length) };
}

/** A stretch that a drag selected, in order and not too short; undefined for a click. */
export function dragged(aMs: number, bMs: number): Range | undefined {
  const fromMs = Math.round(Math.min(aMs, bMs));
  const toMs = Math.round(Math.max(aMs, bMs));
  return toMs - fromMs < shortestMs ? undefined : { kind: 'fixed', fromMs, toMs };
}
