import { TuneFault } from '../fault.ts';
import type { CategoricalParam, FloatParam, IntParam, OrderedParam, Scalar } from './params.ts';

/**
 * A number line mapped to [0, 1]: the logarithm first where asked; a grid of k points owns k cells that fill [0, 1],
 * so that rounding a uniform number picks each point with the share of its cell.
 */
export interface NumericDomain {
  readonly kind: 'numeric';
  /** Distinct values; Infinity for a continuous range. */
  readonly count: number;
  toUnit(value: Scalar): number;
  fromUnit(unit: number): Scalar;
  /** The unit position of the nearest grid point; the number itself on a continuous range. */
  snap(unit: number): number;
  /** Index of the grid point that owns this position; 0 on a continuous range. */
  indexOf(unit: number): number;
  /** Unit position of grid point i. */
  unitAt(index: number): number;
  /** The cell [from, to] of grid point i. */
  cellAt(index: number): readonly [number, number];
  has(value: Scalar): boolean;
}

/** Unordered values; a point holds the index. */
export interface CategoryDomain {
  readonly kind: 'category';
  readonly count: number;
  readonly values: readonly Scalar[];
  toIndex(value: Scalar): number;
  has(value: Scalar): boolean;
}

export type Domain = NumericDomain | CategoryDomain;

const clamp = (x: number, low: number, high: number): number => (x < low ? low : x > high ? high : x);

function continuous(low: number, high: number, log: boolean): NumericDomain {
  const a = log ? Math.log(low) : low;
  const width = (log ? Math.log(high) : high) - a;
  return {
    kind: 'numeric',
    count: Number.POSITIVE_INFINITY,
    toUnit: value => (width === 0 ? 0.5 : clamp(((log ? Math.log(Number(value)) : Number(value)) - a) / width, 0, 1)),
    fromUnit: unit => {
      const t = a + clamp(unit, 0, 1) * width;
      return clamp(log ? Math.exp(t) : t, low, high);
    },
    snap: unit => clamp(unit, 0, 1),
    indexOf: () => 0,
    unitAt: () => 0.5,
    cellAt: () => [0, 1],
    has: value => typeof value === 'number' && value >= low && value <= high,
  };
}

/** An evenly spaced grid whose i-th value is given by `valueAt`. */
function evenGrid(count: number, valueAt: (i: number) => Scalar, find: (value: Scalar) => number): NumericDomain {
  const indexOf = (unit: number): number => clamp(Math.floor(unit * count), 0, count - 1);
  return {
    kind: 'numeric',
    count,
    toUnit: value => (clamp(Math.round(find(value)), 0, count - 1) + 0.5) / count,
    fromUnit: unit => valueAt(indexOf(unit)),
    snap: unit => (indexOf(unit) + 0.5) / count,
    indexOf,
    unitAt: i => (i + 0.5) / count,
    cellAt: i => [i / count, (i + 1) / count],
    has: value => {
      const i = find(value);
      return i >= -1e-9 && i <= count - 1 + 1e-9 && Math.abs(i - Math.round(i)) < 1e-6;
    },
  };
}

/** Whole numbers on a log scale: the cell of v reaches from v - 1/2 to v + 1/2. */
function logIntegers(low: number, high: number): NumericDomain {
  const a = Math.log(low - 0.5);
  const width = Math.log(high + 0.5) - a;
  const unitOf = (x: number): number => (Math.log(x) - a) / width;
  const nearest = (unit: number): number => clamp(Math.round(Math.exp(a + clamp(unit, 0, 1) * width)), low, high);
  return {
    kind: 'numeric',
    count: high - low + 1,
    toUnit: value => unitOf(clamp(Math.round(Number(value)), low, high)),
    fromUnit: nearest,
    snap: unit => unitOf(nearest(unit)),
    indexOf: unit => nearest(unit) - low,
    unitAt: i => unitOf(low + i),
    cellAt: i => [unitOf(low + i - 0.5), unitOf(low + i + 0.5)],
    has: value => Number.isInteger(value) && Number(value) >= low && Number(value) <= high,
  };
}

function checkRange(name: string, p: FloatParam | IntParam): void {
  const fail = (why: string): never => {
    throw new TuneFault('bad_parameter', name, why);
  };
  if (!Number.isFinite(p.low) || !Number.isFinite(p.high)) fail('low and high must be finite numbers');
  if (p.low > p.high) fail(`low ${p.low} is above high ${p.high}`);
  if (p.log === true && p.low <= 0) fail(`a log scale needs low > 0, not ${p.low}`);
  if (p.step !== undefined && !(p.step > 0)) fail(`step must be above 0, not ${p.step}`);
  if (p.step !== undefined && p.log === true && !(p.type === 'int' && p.step === 1))
    fail('log and step exclude each other');
  if (p.type === 'int' && ![p.low, p.high, p.step ?? 1].every(Number.isSafeInteger)) fail('an int needs whole numbers');
}

/** Removes the dust of binary fractions from low + i * step. */
const tidy = (x: number): number => Number(x.toPrecision(14));

export function rangeDomain(name: string, p: FloatParam | IntParam): NumericDomain {
  checkRange(name, p);
  if (p.type === 'int' && p.log === true) return logIntegers(p.low, p.high);
  const step = p.step ?? (p.type === 'int' ? 1 : undefined);
  if (step === undefined) return continuous(p.low, p.high, p.log ?? false);
  const count = Math.floor((p.high - p.low) / step + 1e-9) + 1;
  return evenGrid(
    count,
    i => tidy(p.low + i * step),
    value => (typeof value === 'number' ? (value - p.low) / step : Number.NaN),
  );
}

function checkValues(name: string, values: readonly Scalar[]): void {
  if (values.length === 0) throw new TuneFault('bad_parameter', name, 'it has no value to choose from');
  if (new Set(values).size !== values.length) throw new TuneFault('bad_parameter', name, 'a value appears twice');
  if (values.some(v => typeof v === 'number' && !Number.isFinite(v)))
    throw new TuneFault('bad_parameter', name, 'numbers must be finite');
}

export function orderedDomain(name: string, p: OrderedParam): NumericDomain {
  checkValues(name, p.values);
  const find = (value: Scalar): number => {
    const i = p.values.indexOf(value);
    return i < 0 ? Number.NaN : i;
  };
  return evenGrid(p.values.length, i => p.values[i]!, find);
}

export function categoryDomain(name: string, values: CategoricalParam['values']): CategoryDomain {
  checkValues(name, values);
  return {
    kind: 'category',
    count: values.length,
    values,
    toIndex: value => values.indexOf(value),
    has: value => values.includes(value),
  };
}
