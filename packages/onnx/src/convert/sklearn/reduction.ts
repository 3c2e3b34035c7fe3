import {
  type Frame,
  frameWidth,
  type Lowering,
  matrix,
  matrixFrame,
  requireWidth,
  type SklearnClass,
  selectColumns,
} from './lowering.ts';
import type { Estimator } from './records.ts';

const family = 'decomposition and feature selection';

/** Random projections keep a matrix of components; no centring. */
function projection(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const components = estimator.dense('components_');
  const [outputs = 0, inputs = 0] = components.dims;
  requireWidth(x, inputs, estimator);
  const transposed = new Float64Array(components.data.length);
  for (let i = 0; i < outputs; i++)
    for (let j = 0; j < inputs; j++) transposed[j * outputs + i] = components.data[i * inputs + j]!;
  return matrixFrame(
    to.graph.op('Gemm', [matrix(x, to, estimator), to.graph.double(transposed, [inputs, outputs])]),
    outputs,
  );
}

/** Random Fourier features of the RBF kernel. */
function rbfSampler(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const weights = estimator.dense('random_weights_');
  const [inputs = 0, outputs = 0] = weights.dims;
  requireWidth(x, inputs, estimator);
  const angle = graph.op('Add', [
    graph.op('Gemm', [matrix(x, to, estimator), graph.double(weights.data, weights.dims)]),
    graph.double(estimator.dense('random_offset_').data),
  ]);
  const wave = graph.op('Cos', [angle]);
  return matrixFrame(graph.op('Mul', [wave, graph.double(Math.sqrt(2) / Math.sqrt(outputs))]), outputs);
}

/** Principal components and kin: centre, project, whiten. */
function components(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const matrixOf = estimator.dense('components_');
  const [outputs = 0, inputs = 0] = matrixOf.dims;
  requireWidth(x, inputs, estimator);
  const isWhitened = estimator.flag('whiten', false) && estimator.className !== 'FastICA';
  const deviations = isWhitened
    ? estimator.dense('explained_variance_').data.map(v => Math.max(Math.sqrt(v), Number.EPSILON))
    : undefined;
  const transposed = new Float64Array(matrixOf.data.length);
  for (let i = 0; i < outputs; i++)
    for (let j = 0; j < inputs; j++) transposed[j * outputs + i] = matrixOf.data[i * inputs + j]!;
  let value = matrix(x, to, estimator);
  if (estimator.has('mean_')) value = graph.op('Sub', [value, graph.double(estimator.dense('mean_').data)]);
  value = graph.op('Gemm', [value, graph.double(transposed, [inputs, outputs])]);
  if (deviations !== undefined) value = graph.op('Div', [value, graph.double(deviations)]);
  return matrixFrame(value, outputs);
}

/** Feature selection: the support is a mask, or follows from scores and the parameters of the class. */
function selector(estimator: Estimator, x: Frame, to: Lowering): Frame {
  return selectColumns(x, keptColumns(estimator, frameWidth(x)), to);
}

function keptColumns(estimator: Estimator, width: number): number[] {
  const all = Array.from({ length: width }, (_, i) => i);
  if (estimator.has('support_')) {
    const mask = estimator.dense('support_').data;
    if (mask.length !== width) estimator.refuse(`has a support of ${mask.length} for ${width} columns`);
    return all.filter(i => mask[i] !== 0);
  }
  switch (estimator.className) {
    case 'VarianceThreshold': {
      const variances = estimator.dense('variances_').data;
      const threshold = estimator.number('threshold') ?? 0;
      return all.filter(i => variances[i]! > threshold);
    }
    case 'SelectKBest':
      return bestByScore(estimator, all);
    case 'SelectPercentile':
      return bestByPercentile(estimator, all);
    case 'SelectFpr': {
      const alpha = estimator.number('alpha') ?? 0.05;
      const p = estimator.dense('pvalues_').data;
      return all.filter(i => p[i]! < alpha);
    }
    case 'SelectFwe': {
      const alpha = estimator.number('alpha') ?? 0.05;
      const p = estimator.dense('pvalues_').data;
      return all.filter(i => p[i]! < alpha / p.length);
    }
    default:
      return estimator.refuse('keeps no fitted support');
  }
}

const cleanScores = (scores: Float64Array): Float64Array =>
  scores.map(score => (Number.isNaN(score) ? -1.7976931348623157e308 : score));

function bestByScore(estimator: Estimator, all: readonly number[]): number[] {
  if (estimator.text('k') === 'all') return [...all];
  const scores = cleanScores(estimator.dense('scores_').data);
  // The order is stable and ascending, the last k win; ties go to later columns.
  const order = all.toSorted((a, b) => scores[a]! - scores[b]! || a - b);
  return order.slice(Math.max(0, order.length - (estimator.number('k') ?? 10))).toSorted((a, b) => a - b);
}

function bestByPercentile(estimator: Estimator, all: readonly number[]): number[] {
  const percentile = estimator.number('percentile') ?? 10;
  if (percentile === 100) return [...all];
  if (percentile === 0) return [];
  const scores = cleanScores(estimator.dense('scores_').data);
  const sorted = scores.toSorted();
  const at = ((sorted.length - 1) * (100 - percentile)) / 100;
  const low = Math.floor(at);
  const threshold = sorted[low]! + (at - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!);
  const kept = new Set(all.filter(i => scores[i]! > threshold));
  const ties = all.filter(i => scores[i] === threshold);
  const room = Math.max(0, Math.floor((scores.length * percentile) / 100) - kept.size);
  for (const i of ties.slice(0, room)) kept.add(i);
  return all.filter(i => kept.has(i));
}

/** Projections and selections of columns. */
export const reductionClasses: Readonly<Record<string, SklearnClass>> = {
  PCA: { family, transform: components },
  IncrementalPCA: { family, transform: components },
  TruncatedSVD: { family, transform: components },
  FastICA: { family, transform: components },
  SelectKBest: { family, transform: selector },
  SelectPercentile: { family, transform: selector },
  SelectFpr: { family, transform: selector },
  SelectFwe: { family, transform: selector },
  VarianceThreshold: { family, transform: selector },
  RFE: { family, transform: selector },
  RFECV: { family, transform: selector },
  SequentialFeatureSelector: { family, transform: selector },
  GaussianRandomProjection: { family, transform: projection },
  SparseRandomProjection: { family, transform: projection },
  RBFSampler: { family, transform: rbfSampler },
};
