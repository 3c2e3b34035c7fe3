import { dense, type Estimator } from '../sklearn/records.ts';
import type { Row } from './walked-answer.ts';

type Write = (estimator: Estimator) => (row: Row) => Row;

const perColumn =
  (change: (x: number, column: number) => number): ((row: Row) => Row) =>
  row =>
    row.map((x, column) => change(Number(x), column));

export const standardScaler: Write = estimator => {
  const mean = estimator.flag('with_mean', true) && estimator.has('mean_') ? estimator.dense('mean_').data : undefined;
  const scale = estimator.has('scale_') ? estimator.dense('scale_').data : undefined;
  return perColumn((x, i) => (x - (mean?.[i] ?? 0)) / (scale?.[i] ?? 1));
};

const minMaxScaler: Write = estimator => {
  const scale = estimator.dense('scale_').data;
  const offset = estimator.dense('min_').data;
  const range = estimator.raw('feature_range');
  if (estimator.flag('clip', false) && range !== undefined) {
    const [low = 0, high = 1] = dense(range, 'feature_range').data;
    return perColumn((x, i) => Math.min(high, Math.max(low, x * scale[i]! + offset[i]!)));
  }
  return perColumn((x, i) => x * scale[i]! + offset[i]!);
};

const maxAbsScaler: Write = estimator => {
  const scale = estimator.dense('scale_').data;
  return perColumn((x, i) => x / scale[i]!);
};

const robustScaler: Write = estimator => {
  const center = estimator.has('center_') ? estimator.dense('center_').data : undefined;
  const scale = estimator.has('scale_') ? estimator.dense('scale_').data : undefined;
  return perColumn((x, i) => (x - (center?.[i] ?? 0)) / (scale?.[i] ?? 1));
};

const normalizer: Write = estimator => {
  const norm = estimator.text('norm') ?? 'l2';
  return row => {
    const values = row.map(Number);
    const size =
      norm === 'l1'
        ? values.reduce((sum, x) => sum + Math.abs(x), 0)
        : norm === 'max'
          ? Math.max(...values.map(Math.abs))
          : Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
    return size === 0 ? values : values.map(x => x / size);
  };
};

/** Centred rows times the components, divided by the deviations when whitened. */
const pca: Write = estimator => {
  const components = estimator.dense('components_');
  const [count = 0, width = 0] = components.dims;
  const mean = estimator.has('mean_') ? estimator.dense('mean_').data : new Float64Array(width);
  const deviations = estimator.flag('whiten', false)
    ? estimator.dense('explained_variance_').data.map(Math.sqrt)
    : undefined;
  return row =>
    Array.from({ length: count }, (_, k) => {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += (Number(row[i]) - mean[i]!) * components.data[k * width + i]!;
      return sum / (deviations?.[k] ?? 1);
    });
};

const binarizer: Write = estimator => {
  const threshold = estimator.number('threshold') ?? 0;
  return perColumn(x => (x > threshold ? 1 : 0));
};

/** Scalers, and projections on components. */
export const scalingTransforms: Readonly<Record<string, Write>> = {
  StandardScaler: standardScaler,
  MinMaxScaler: minMaxScaler,
  MaxAbsScaler: maxAbsScaler,
  RobustScaler: robustScaler,
  Normalizer: normalizer,
  PCA: pca,
  TruncatedSVD: pca,
  IncrementalPCA: pca,
  Binarizer: binarizer,
};
