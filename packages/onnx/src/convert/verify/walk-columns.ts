import { functionName } from '../sklearn/numpy-functions.ts';
import { type Dense, dense, type Estimator } from '../sklearn/records.ts';
import { interpolated } from './walk-isotonic.ts';
import { standardScaler } from './walk-transforms.ts';
import { NotWalkable, type Row } from './walked-answer.ts';

type Transform = (row: Row) => Row;

/** Where the normal distribution reaches p, by Newton's method on its series around zero, for p from 1e-8 to 1/2. */
function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  let x = 0;
  for (let round = 0; round < 60; round++) {
    const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
    let term = x;
    let sum = x;
    for (let odd = 3; Math.abs(term) > 1e-18 * Math.abs(sum); odd += 2) {
      term *= (x * x) / odd;
      sum += term;
    }
    const step = (0.5 + density * sum - p) / density;
    x -= step;
    if (Math.abs(step) < 1e-13) break;
  }
  return x;
}

/** Shares nearer to 0 or 1 than this are cut off, and so are values nearer to the ends. */
const boundsThreshold = 1e-7;

function quantileTransformer(estimator: Estimator): Transform {
  const table = estimator.dense('quantiles_');
  const [count = 0, width = 0] = table.dims;
  const references = estimator.dense('references_').data;
  const isNormal = estimator.text('output_distribution') === 'normal';
  const columns = Array.from({ length: width }, (_, i) =>
    Array.from({ length: count }, (_row, r) => table.data[r * width + i]!),
  );
  const mirrored = columns.map(points => points.map(point => -point).reverse());
  const mirroredReferences = [...references].map(share => -share).reverse();
  const least = boundsThreshold - Number.EPSILON;
  return row =>
    row.map((cell, i) => {
      const x = Number(cell);
      if (Number.isNaN(x)) return x;
      const points = columns[i]!;
      const [first, last] = [points[0]!, points[count - 1]!];
      let share = (interpolated(x, points, references) - interpolated(-x, mirrored[i]!, mirroredReferences)) / 2;
      if (isNormal ? x + boundsThreshold > last : x === last) share = 1;
      if (isNormal ? x - boundsThreshold < first : x === first) share = 0;
      return isNormal ? normalQuantile(Math.min(1 - least, Math.max(least, share))) : share;
    });
}

/** Exponents nearer to zero than this make a difference of nearly equal powers, which rounding decides. */
const leastExponent = 1e-5;

/** Yeo-Johnson or Box-Cox by column, then standardised. */
function powerTransformer(estimator: Estimator): Transform {
  const lambdas = [...estimator.dense('lambdas_').data];
  const isBoxCox = estimator.text('method') === 'box-cox';
  const power = (base: number, exponent: number): number =>
    exponent === 0 ? Math.log(base) : (base ** exponent - 1) / exponent;
  const isNearZero = (exponent: number): boolean => exponent !== 0 && Math.abs(exponent) < leastExponent;
  if (lambdas.some(lambda => isNearZero(lambda) || isNearZero(2 - lambda)))
    throw new NotWalkable('PowerTransformer with an exponent close to zero');
  const standardize = estimator.flag('standardize', true)
    ? standardScaler(estimator.child('_scaler'))
    : (row: Row): Row => row;
  return row =>
    standardize(
      row.map((cell, i) => {
        const x = Number(cell);
        const lambda = lambdas[i]!;
        if (isBoxCox) return power(x, lambda);
        return x >= 0 ? power(x + 1, lambda) : -power(1 - x, 2 - lambda);
      }),
    );
}

/** The bin of each value, as a number or one column per bin. */
function kBinsDiscretizer(estimator: Estimator): Transform {
  const edges = estimator.list('bin_edges_').map((item, i) => [...dense(item, `bin_edges_[${i}]`).data]);
  const [major = 0, minor = 0] = (estimator.text('_sklearn_version') ?? '').split('.').map(Number);
  if (major === 0) throw new NotWalkable('KBinsDiscretizer of an unknown version');
  const isTolerant = major * 1000 + minor < 1003;
  const isOrdinal = estimator.text('encode') === 'ordinal';
  return row =>
    row.flatMap((cell, i) => {
      const x = Number(cell);
      const moved = isTolerant ? x + (1e-8 + 1e-5 * Math.abs(x)) : x;
      const inner = edges[i]!.slice(1, -1);
      const bin = inner.filter(edge => moved >= edge).length;
      return isOrdinal ? [bin] : Array.from({ length: inner.length + 1 }, (_, b) => Number(b === bin));
    });
}

/** Products of columns: by degree, then in lexicographic order. */
function polynomialFeatures(estimator: Estimator): Transform {
  const raw = estimator.raw('degree') ?? null;
  const degrees = raw === null ? [2] : [...dense(raw, 'degree').data];
  const [low, high] = degrees.length === 2 ? [degrees[0]!, degrees[1]!] : [0, degrees[0]!];
  const isDistinct = estimator.flag('interaction_only', false);
  const hasBias = estimator.flag('include_bias', true);
  return row => {
    const products: number[] = hasBias ? [1] : [];
    const multiply = (product: number, from: number, left: number): void => {
      if (left === 0) products.push(product);
      else for (let i = from; i < row.length; i++) multiply(product * Number(row[i]), isDistinct ? i + 1 : i, left - 1);
    };
    for (let degree = Math.max(1, low); degree <= high; degree++) multiply(1, 0, degree);
    return products;
  };
}

function rowTimes(table: Dense, isTransposed: boolean): (row: readonly number[]) => number[] {
  const [rows = 0, columns = 0] = table.dims;
  const [outputs, inputs] = isTransposed ? [columns, rows] : [rows, columns];
  const at = (o: number, i: number): number => table.data[isTransposed ? i * columns + o : o * columns + i]!;
  return row =>
    Array.from({ length: outputs }, (_, o) => {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += row[i]! * at(o, i);
      return sum;
    });
}

/** Rows less their mean, where there is one, times the components. */
function projected(estimator: Estimator): Transform {
  const times = rowTimes(estimator.dense('components_'), false);
  const mean = estimator.has('mean_') ? estimator.dense('mean_').data : undefined;
  return row => times(row.map((x, i) => Number(x) - (mean?.[i] ?? 0)));
}

function rbfSampler(estimator: Estimator): Transform {
  const weights = estimator.dense('random_weights_');
  const times = rowTimes(weights, true);
  const offset = estimator.dense('random_offset_').data;
  return row => times(row.map(Number)).map((x, i) => Math.sqrt(2 / offset.length) * Math.cos(x + offset[i]!));
}

const functions: Readonly<Record<string, (x: number) => number>> = {
  abs: Math.abs,
  absolute: Math.abs,
  fabs: Math.abs,
  cbrt: Math.cbrt,
  ceil: Math.ceil,
  floor: Math.floor,
  cos: Math.cos,
  sin: Math.sin,
  exp: Math.exp,
  exp2: x => 2 ** x,
  expm1: Math.expm1,
  expit: x => 1 / (1 + Math.exp(-x)),
  log: Math.log,
  log10: Math.log10,
  log1p: Math.log1p,
  log2: Math.log2,
  negative: x => -x,
  positive: x => x,
  reciprocal: x => 1 / x,
  sign: Math.sign,
  sqrt: Math.sqrt,
  square: x => x * x,
  tanh: Math.tanh,
};

/** A function of numpy or scipy by its name. @throws NotWalkable */
export function columnFunction(estimator: Estimator, attribute: 'func' | 'inverse_func'): (x: number) => number {
  const raw = estimator.raw(attribute) ?? null;
  if (raw === null) return x => x;
  const name = functionName(raw, estimator);
  const found = functions[name];
  if (found === undefined) throw new NotWalkable(`the function ${name}`);
  return found;
}

function functionTransformer(estimator: Estimator): Transform {
  if (!estimator.has('func')) return row => row;
  const change = columnFunction(estimator, 'func');
  return row => row.map(x => change(Number(x)));
}

export const columnTransforms: Readonly<Record<string, (estimator: Estimator) => Transform>> = {
  QuantileTransformer: quantileTransformer,
  PowerTransformer: powerTransformer,
  KBinsDiscretizer: kBinsDiscretizer,
  PolynomialFeatures: polynomialFeatures,
  FastICA: projected,
  GaussianRandomProjection: projected,
  SparseRandomProjection: projected,
  RBFSampler: rbfSampler,
  FunctionTransformer: functionTransformer,
};

/** Most edges of a column that rows are drawn at. */
const mostEdges = 60;

/** Values per column at which a transform changes its slope or its step. */
export function columnEdges(estimator: Estimator): number[][] | undefined {
  const thinned = (values: readonly number[]): number[] => {
    const step = Math.max(1, (values.length - 1) / (mostEdges - 1));
    return Array.from(
      { length: Math.min(values.length, mostEdges) },
      (_, i) => values[Math.min(values.length - 1, Math.round(i * step))]!,
    );
  };
  if (estimator.className === 'KBinsDiscretizer')
    return estimator.list('bin_edges_').map(item => thinned([...dense(item, 'bin_edges_').data]));
  if (estimator.className !== 'QuantileTransformer') return undefined;
  const { data, dims } = estimator.dense('quantiles_');
  const [count = 0, width = 0] = dims;
  return Array.from({ length: width }, (_, i) =>
    thinned(Array.from({ length: count }, (_row, r) => data[r * width + i]!)),
  );
}
