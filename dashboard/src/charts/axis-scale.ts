/** A value as it is plotted: a number, or a category by its text. */
export type PlotValue = number | string;

export interface Tick {
  /** Place on the axis, 0 to 1. */
  readonly at: number;
  readonly label: string;
}

/** One axis: where a value lies between 0 and 1, and what is written beside it. */
export interface AxisScale {
  readonly kind: 'linear' | 'log' | 'category';
  readonly unitOf: (value: PlotValue) => number;
  readonly ticks: readonly Tick[];
}

/** Steps of 1, 2 or 5 times a power of ten, about `count` of them. */
export function niceStep(span: number, count: number): number {
  const raw = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = raw / power;
  return power * (factor > 5 ? 10 : factor > 2 ? 5 : factor > 1 ? 2 : 1);
}

/** A number as short as it can be said without loss on an axis. */
function label(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(1).replace('.0e', 'e').replace('e+', 'e');
  return String(Number(value.toPrecision(4)));
}

function linear(low: number, high: number): AxisScale {
  const air = high > low ? (high - low) * 0.04 : Math.abs(low) * 0.1 || 0.5;
  const from = low - air;
  const width = high + air - from;
  const step = niceStep(width, 6);
  const ticks: Tick[] = [];
  for (let value = Math.ceil(from / step) * step; value <= from + width; value += step) {
    // Sums of steps drift in the last bits.
    const clean = Number(value.toPrecision(12));
    ticks.push({ at: (clean - from) / width, label: label(clean) });
  }
  return { kind: 'linear', unitOf: value => (Number(value) - from) / width, ticks };
}

function logarithmic(low: number, high: number): AxisScale {
  const inner = linear(Math.log10(low), Math.log10(high));
  const unitOf = (value: PlotValue): number => inner.unitOf(Math.log10(Number(value)));
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  const every = Math.max(1, Math.ceil((to - from) / 6));
  const ticks: Tick[] = [];
  for (let power = from; power <= to; power += every) {
    const at = unitOf(10 ** power);
    if (at >= 0 && at <= 1) ticks.push({ at, label: label(10 ** power) });
  }
  return ticks.length >= 2
    ? { kind: 'log', unitOf, ticks }
    : { kind: 'log', unitOf, ticks: [low, high].map(value => ({ at: unitOf(value), label: label(value) })) };
}

function categorical(names: readonly string[]): AxisScale {
  const place = (index: number): number => (names.length === 1 ? 0.5 : 0.06 + (0.88 * index) / (names.length - 1));
  return {
    kind: 'category',
    unitOf: value => place(Math.max(0, names.indexOf(String(value)))),
    ticks: names.map((name, index) => ({ at: place(index), label: name })),
  };
}

/**
 * The scale of an axis for values, with some air at its ends.
 *
 * @param options.isLog whether the axis shows powers of ten; only where every value is above 0
 * @param options.names the categories in their order; @default those of the values, sorted
 */
export function scaleFor(
  values: readonly PlotValue[],
  options: { readonly isLog?: boolean; readonly names?: readonly string[] } = {},
): AxisScale {
  const numbers = values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value));
  if (options.names !== undefined || numbers.length < values.length)
    return categorical(options.names ?? [...new Set(values.map(String))].sort());
  if (numbers.length === 0) return linear(0, 1);
  const low = numbers.reduce((a, b) => Math.min(a, b));
  const high = numbers.reduce((a, b) => Math.max(a, b));
  return options.isLog === true && low > 0 ? logarithmic(low, high) : linear(low, high);
}
