import { interpolate } from './interpolate.ts';
import {
  type Frame,
  frameWidth,
  joinFrames,
  type Lowering,
  matrix,
  matrixFrame,
  requireWidth,
  type SklearnClass,
} from './lowering.ts';
import { normalQuantile } from './normal-quantile.ts';
import { dense, type Estimator } from './records.ts';

const family = 'scaling and numeric transforms';

function scaled(
  estimator: Estimator,
  x: Frame,
  to: Lowering,
  minus: Float64Array | undefined,
  divideBy: Float64Array | undefined,
): Frame {
  let value = matrix(x, to, estimator);
  const { graph } = to;
  const width = frameWidth(x);
  for (const vector of [minus, divideBy]) if (vector !== undefined) requireWidth(x, vector.length, estimator);
  if (minus !== undefined) value = graph.op('Sub', [value, graph.double(minus)]);
  if (divideBy !== undefined) value = graph.op('Div', [value, graph.double(divideBy)]);
  return matrixFrame(value, width);
}

function standardScaler(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const mean = estimator.flag('with_mean', true) && estimator.has('mean_') ? estimator.dense('mean_').data : undefined;
  const scale =
    estimator.flag('with_std', true) && (estimator.has('scale_') || estimator.has('std_'))
      ? estimator.dense(estimator.has('scale_') ? 'scale_' : 'std_').data
      : undefined;
  return scaled(estimator, x, to, mean, scale);
}

function minMaxScaler(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const scale = estimator.dense('scale_').data;
  requireWidth(x, scale.length, estimator);
  const value = graph.op('Add', [
    graph.op('Mul', [matrix(x, to, estimator), graph.double(scale)]),
    graph.double(estimator.dense('min_').data),
  ]);
  if (!estimator.flag('clip', false)) return matrixFrame(value, scale.length);
  const [low = 0, high = 1] = dense(estimator.raw('feature_range'), `${estimator.path}.feature_range`).data;
  return matrixFrame(graph.op('Clip', [value, graph.double(low), graph.double(high)]), scale.length);
}

function maxAbsScaler(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const frame = scaled(estimator, x, to, undefined, estimator.dense('scale_').data);
  if (!estimator.flag('clip', false)) return frame;
  return matrixFrame(
    to.graph.op('Clip', [frame.blocks[0]!.value, to.graph.double(-1), to.graph.double(1)]),
    frameWidth(frame),
  );
}

function robustScaler(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const center =
    estimator.flag('with_centering', true) && estimator.has('center_') ? estimator.dense('center_').data : undefined;
  const scale =
    estimator.flag('with_scaling', true) && estimator.has('scale_') ? estimator.dense('scale_').data : undefined;
  return scaled(estimator, x, to, center, scale);
}

/** Rows divided by their norm; a row of zeros stays zero. */
export function rowNormalized(value: string, norm: string, to: Lowering): string {
  const { graph } = to;
  const axis = graph.ints(1);
  const size =
    norm === 'l1'
      ? graph.op('ReduceSum', [graph.op('Abs', [value]), axis], { keepdims: 1n })
      : norm === 'max'
        ? graph.op('ReduceMax', [graph.op('Abs', [value]), axis], { keepdims: 1n })
        : graph.op('Sqrt', [graph.op('ReduceSumSquare', [value, axis], { keepdims: 1n })]);
  const safe = graph.op('Where', [graph.op('Equal', [size, graph.double(0)]), graph.double(1), size]);
  return graph.op('Div', [value, safe]);
}

function normalizer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  return matrixFrame(rowNormalized(matrix(x, to, estimator), estimator.text('norm') ?? 'l2', to), frameWidth(x));
}

function binarizer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const above = to.graph.op('Greater', [matrix(x, to, estimator), to.graph.double(estimator.number('threshold') ?? 0)]);
  return matrixFrame(to.graph.cast(above, 'double'), frameWidth(x));
}

/** Products of input columns up to a degree, in the order scikit-learn lists the combinations. */
function polynomialFeatures(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const width = frameWidth(x);
  const raw = estimator.raw('degree');
  const isRange = raw !== undefined && raw !== null && typeof raw === 'object';
  const range = isRange ? dense(raw, estimator.path).data : undefined;
  const lowest = range?.[0] ?? 0;
  const highest = range?.[1] ?? estimator.number('degree') ?? 2;
  const products = combinations(width, Math.max(1, lowest), highest, estimator.flag('interaction_only', false));
  if (products.length > 20_000) estimator.refuse(`makes ${products.length} columns, more than can be written`);
  const input = matrix(x, to, estimator);
  // Column `width` is constant one, so that every product has the same number of factors.
  const one = graph.op('Expand', [
    graph.double(1, [1, 1]),
    graph.op('Concat', [graph.op('Shape', [input], { start: 0n, end: 1n }), graph.ints(1)], { axis: 0n }),
  ]);
  const padded = graph.op('Concat', [input, one], { axis: 1n });
  let value: string | undefined;
  for (let factor = 0; factor < highest; factor++) {
    const picked = graph.op('Gather', [padded, graph.ints(...products.map(product => product[factor] ?? width))], {
      axis: 1n,
    });
    value = value === undefined ? picked : graph.op('Mul', [value, picked]);
  }
  const main: Frame[] = value === undefined ? [] : [matrixFrame(value, products.length)];
  const frames = estimator.flag('include_bias', true) ? [matrixFrame(one, 1), ...main] : main;
  return joinFrames(frames, to);
}

function combinations(width: number, lowest: number, highest: number, isDistinct: boolean): number[][] {
  const all: number[][] = [];
  const extend = (prefix: number[], length: number): void => {
    if (all.length > 20_000) return;
    if (prefix.length === length) {
      all.push(prefix);
      return;
    }
    const last = prefix.at(-1);
    for (let i = last === undefined ? 0 : isDistinct ? last + 1 : last; i < width; i++) extend([...prefix, i], length);
  };
  for (let length = lowest; length <= highest; length++) extend([], length);
  return all;
}

/** Box-Cox or Yeo-Johnson with the fitted exponent of each column, then standardised when asked. */
function powerTransformer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const lambdas = estimator.dense('lambdas_').data;
  requireWidth(x, lambdas.length, estimator);
  const input = matrix(x, to, estimator);
  const isBoxCox = estimator.text('method') === 'box-cox';
  const value = isBoxCox ? boxCox(input, lambdas, to) : yeoJohnson(input, lambdas, to);
  const frame = matrixFrame(value, lambdas.length);
  if (!estimator.flag('standardize', true)) return frame;
  return standardScaler(estimator.child('_scaler'), frame, { ...to, graph });
}

/** ((x^l) - 1) / l, or log x where l is 0. */
function boxCox(x: string, lambdas: Float64Array, to: Lowering): string {
  return powerOrLog(x, lambdas, to);
}

function powerOrLog(base: string, exponents: Float64Array, to: Lowering): string {
  const { graph } = to;
  const isZero = exponents.map(l => (Math.abs(l) < 2.220446049250313e-16 ? 1 : 0));
  const safe = exponents.map((l, i) => (isZero[i] ? 1 : l));
  const power = graph.op('Div', [
    graph.op('Sub', [graph.op('Pow', [base, graph.double(safe)]), graph.double(1)]),
    graph.double(safe),
  ]);
  if (!isZero.includes(1)) return power;
  return graph.op('Where', [
    graph.constant(
      'bool',
      [isZero.length],
      Array.from(isZero, flag => flag === 1),
    ),
    graph.op('Log', [base]),
    power,
  ]);
}

/** Yeo and Johnson (2000): Box-Cox of x + 1 above zero, mirrored with exponent 2 - l below. */
function yeoJohnson(x: string, lambdas: Float64Array, to: Lowering): string {
  const { graph } = to;
  const zero = graph.double(0);
  const one = graph.double(1);
  const positive = graph.op('Add', [graph.op('Max', [x, zero]), one]);
  const negative = graph.op('Sub', [one, graph.op('Min', [x, zero])]);
  const above = powerOrLog(positive, lambdas, to);
  const below = graph.op('Neg', [
    powerOrLog(
      negative,
      lambdas.map(l => 2 - l),
      to,
    ),
  ]);
  const chosen = graph.op('Where', [graph.op('Less', [x, zero]), below, above]);
  return graph.op('Where', [graph.op('IsNaN', [x]), x, chosen]);
}

function binEdges(estimator: Estimator): Float64Array[] {
  return estimator.list('bin_edges_').map((edges, i) => dense(edges, `${estimator.path}.bin_edges_[${i}]`).data);
}

/** Position of each value between the inner bin edges, as ordinal or one-hot columns. */
function kBinsDiscretizer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const edges = binEdges(estimator);
  requireWidth(x, edges.length, estimator);
  const encode = estimator.text('encode') ?? 'onehot';
  const input = matrix(x, to, estimator);
  const frames = edges.map((list, i): Frame => {
    const column = graph.op('Gather', [input, graph.ints(i)], { axis: 1n });
    const inner = list.slice(1, -1);
    const bins = list.length - 1;
    // Versions before 1.3 tolerate values just below an edge, by 1e-8 + 1e-5 |x|.
    const shifted = to.version > 0 && to.version < 1003 ? tolerant(column, to) : column;
    const passed =
      inner.length === 0 ? undefined : graph.cast(graph.op('GreaterOrEqual', [shifted, graph.double(inner)]), 'double');
    const position =
      passed === undefined
        ? graph.op('Mul', [column, graph.double(0)])
        : graph.op('ReduceSum', [passed, graph.ints(1)], { keepdims: 1n });
    if (encode === 'ordinal') return matrixFrame(position, 1);
    const numbers = graph.double(Float64Array.from({ length: bins }, (_, bin) => bin));
    return matrixFrame(graph.cast(graph.op('Equal', [position, numbers]), 'double'), bins);
  });
  return joinFrames(frames, to);
}

function tolerant(column: string, to: Lowering): string {
  const { graph } = to;
  return graph.op('Add', [
    column,
    graph.op('Add', [graph.double(1e-8), graph.op('Mul', [graph.double(1e-5), graph.op('Abs', [column])])]),
  ]);
}

/** How near to the first and the last quantile a value counts as beyond it, where scores are normal. */
const boundsThreshold = 1e-7;

/**
 * Empirical distribution function by linear interpolation, averaged from both sides as scikit-learn does, then
 * uniform or normal scores.
 */
function quantileTransformer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const quantiles = estimator.dense('quantiles_');
  const references = estimator.dense('references_').data;
  const [count = 0, width = 0] = quantiles.dims;
  requireWidth(x, width, estimator);
  const isNormal = estimator.text('output_distribution') === 'normal';
  const input = matrix(x, to, estimator);
  const frames = Array.from({ length: width }, (_, i): Frame => {
    const column = graph.op('Gather', [input, graph.ints(i)], { axis: 1n });
    const points = Float64Array.from({ length: count }, (_, row) => quantiles.data[row * width + i]!);
    const up = interpolate(column, points, references, to);
    const reversed = points.toReversed().map(value => -value);
    const down = graph.op('Neg', [
      interpolate(
        graph.op('Neg', [column]),
        reversed,
        references.toReversed().map(value => -value),
        to,
      ),
    ]);
    const middle = graph.op('Mul', [graph.double(0.5), graph.op('Add', [up, down])]);
    const [first, last] = [graph.double(points[0]!), graph.double(points[count - 1]!)];
    const lowest = isNormal
      ? graph.op('Less', [graph.op('Sub', [column, graph.double(boundsThreshold)]), first])
      : graph.op('Equal', [column, first]);
    const highest = isNormal
      ? graph.op('Greater', [graph.op('Add', [column, graph.double(boundsThreshold)]), last])
      : graph.op('Equal', [column, last]);
    const high = graph.op('Where', [highest, graph.double(1), middle]);
    const bounded = graph.op('Where', [lowest, graph.double(0), high]);
    const scores = isNormal ? normalQuantile(graph, bounded) : bounded;
    return matrixFrame(graph.op('Where', [graph.op('IsNaN', [column]), column, scores]), 1);
  });
  return joinFrames(frames, to);
}

/** Transforms of numeric columns. */
export const scalerClasses: Readonly<Record<string, SklearnClass>> = {
  StandardScaler: { family, transform: standardScaler },
  MinMaxScaler: { family, transform: minMaxScaler },
  MaxAbsScaler: { family, transform: maxAbsScaler },
  RobustScaler: { family, transform: robustScaler },
  Normalizer: { family, transform: normalizer },
  Binarizer: { family, transform: binarizer },
  PolynomialFeatures: { family, transform: polynomialFeatures },
  PowerTransformer: { family, transform: powerTransformer },
  QuantileTransformer: { family, transform: quantileTransformer },
  KBinsDiscretizer: { family, transform: kBinsDiscretizer },
};
