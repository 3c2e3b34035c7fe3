import { NumpyArray } from '../pickle/python-values.ts';
import { dense, type Estimator, labels, plainLabels } from '../sklearn/records.ts';

export type Cell = number | string;
type Row = readonly Cell[];

/** A class or setting that the walk over the source does not know; the conversion stands, but is not compared. */
export class NotWalkable extends Error {
  override readonly name = 'NotWalkable';
}

/** What a scikit-learn transformer makes of one row. @throws NotWalkable */
export function transformOf(estimator: Estimator): (row: Row) => Row {
  const write = transforms[estimator.className];
  if (write === undefined) throw new NotWalkable(estimator.className);
  return write(estimator);
}

type Write = (estimator: Estimator) => (row: Row) => Row;

const perColumn =
  (change: (x: number, column: number) => number): ((row: Row) => Row) =>
  row =>
    row.map((x, column) => change(Number(x), column));

const standardScaler: Write = estimator => {
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

const simpleImputer: Write = estimator => {
  const raw = estimator.raw('statistics_');
  if (raw instanceof NumpyArray && raw.type.letter === 'O' && raw.objects.some(item => typeof item === 'string'))
    throw new NotWalkable('SimpleImputer of text');
  const mark =
    estimator.flag('add_indicator', false) && estimator.has('indicator_')
      ? missingIndicator(estimator.child('indicator_'))
      : (): Row => [];
  const statistics = estimator.dense('statistics_').data;
  const missing = estimator.number('missing_values') ?? Number.NaN;
  if (statistics.some(Number.isNaN)) throw new NotWalkable('SimpleImputer with empty columns');
  const isMissing = (x: number): boolean => (Number.isNaN(missing) ? Number.isNaN(x) : x === missing);
  return row => [...row.map((x, i) => (isMissing(Number(x)) ? statistics[i]! : Number(x))), ...mark(row)];
};

function missingIndicator(estimator: Estimator): (row: Row) => Row {
  const missing = estimator.number('missing_values') ?? Number.NaN;
  const features = [...estimator.dense('features_').data];
  return row =>
    features.map(feature => {
      const x = Number(row[feature]);
      return Number(Number.isNaN(missing) ? Number.isNaN(x) : x === missing);
    });
}

/** Categories per column as cells; a missing category is not walked. */
export function categoriesOf(estimator: Estimator): Cell[][] {
  return estimator.list('categories_').map((item, i) =>
    plainLabels(labels(item, `categories_[${i}]`)).map(value => {
      if (typeof value === 'boolean') return Number(value);
      if (typeof value === 'number' && Number.isNaN(value)) throw new NotWalkable('a category that is missing');
      return value;
    }),
  );
}

const oneHotEncoder: Write = estimator => {
  if (estimator.flag('_infrequent_enabled', false)) throw new NotWalkable('OneHotEncoder with infrequent categories');
  const categories = categoriesOf(estimator);
  const dropped = estimator.has('drop_idx_') ? estimator.raw('drop_idx_') : undefined;
  const drops =
    dropped === undefined || dropped === null
      ? []
      : dropped instanceof NumpyArray && dropped.type.letter === 'O'
        ? dropped.objects.map(item => (item === null ? -1 : dense(item, 'drop_idx_').data[0]!))
        : [...dense(dropped, 'drop_idx_').data];
  return row =>
    row.flatMap((x, column) =>
      categories[column]!.flatMap((category, i) => (drops[column] === i ? [] : [category === x ? 1 : 0])),
    );
};

const ordinalEncoder: Write = estimator => {
  if (estimator.flag('_infrequent_enabled', false)) throw new NotWalkable('OrdinalEncoder with infrequent categories');
  const categories = categoriesOf(estimator);
  const unknown =
    estimator.text('handle_unknown') === 'use_encoded_value' ? (estimator.number('unknown_value') ?? Number.NaN) : -1;
  return row =>
    row.map((x, column) => {
      const code = categories[column]!.indexOf(x);
      return code < 0 ? unknown : code;
    });
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

const transforms: Readonly<Record<string, Write>> = {
  StandardScaler: standardScaler,
  MinMaxScaler: minMaxScaler,
  MaxAbsScaler: maxAbsScaler,
  RobustScaler: robustScaler,
  Normalizer: normalizer,
  SimpleImputer: simpleImputer,
  MissingIndicator: missingIndicator,
  OneHotEncoder: oneHotEncoder,
  OrdinalEncoder: ordinalEncoder,
  PCA: pca,
  TruncatedSVD: pca,
  IncrementalPCA: pca,
  Binarizer: binarizer,
};
