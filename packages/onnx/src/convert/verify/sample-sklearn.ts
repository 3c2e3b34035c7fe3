import type { LightgbmModel } from '../boosting/read-lightgbm.ts';
import type { XgboostModel } from '../boosting/xgboost-model.ts';
import type { PyValue } from '../pickle/python-values.ts';
import { columnSteps, namesOf, pipelineSteps, unwrapped } from '../sklearn/compose.ts';
import type { InputColumns } from '../sklearn/input-columns.ts';
import { asEstimator, type Dense, dense, type Estimator, namedParts } from '../sklearn/records.ts';
import type { ColumnSampler } from './verification.ts';
import { boosterCuts } from './walk-boosters.ts';
import { columnEdges } from './walk-columns.ts';
import { categoriesOf } from './walk-encoders.ts';
import { textsFor } from './walk-text.ts';
import { treesOf } from './walk-tree.ts';
import { lightgbmWalk, xgboostWalk } from './walk-wrapped-boosters.ts';

const forest = /^(DecisionTree|ExtraTree|RandomForest|ExtraTrees)|^GradientBoosting/;

/** What to draw the input columns of a scikit-learn object from: thresholds, categories, or around the fitted means. */
export function samplersOf(estimator: Estimator, { kinds }: InputColumns): ColumnSampler[] {
  const start = kinds.map(
    (kind): ColumnSampler =>
      kind === 'string'
        ? { kind: 'text', values: ['a', 'b', 'some words'] }
        : { kind: 'number', cuts: [], center: 0, spread: 2, mayMiss: false },
  );
  return refined(estimator, start);
}

function refined(estimator: Estimator, columns: readonly ColumnSampler[]): ColumnSampler[] {
  const inner = unwrapped(estimator);
  if (inner !== undefined) return refined(inner, columns);
  const { className } = estimator;
  if (className === 'Pipeline') return pipelineSamplers(estimator, columns);
  if (className === 'ColumnTransformer') return partSamplers(estimator, columns);
  if (estimator.has('_preprocessor')) return refined(estimator.child('_preprocessor'), columns);
  if (className === 'StandardScaler' && estimator.has('mean_') && estimator.has('scale_')) {
    const mean = estimator.dense('mean_').data;
    const scale = estimator.dense('scale_').data;
    return columns.map((column, i) =>
      column.kind === 'number' ? { ...column, center: mean[i] ?? 0, spread: scale[i] ?? 1 } : column,
    );
  }
  if (/^(OneHot|Ordinal|Target)Encoder$/.test(className)) return encoderSamplers(estimator, columns);
  if (/^(Count|Tfidf|Hashing)Vectorizer$/.test(className)) {
    const values = textsFor(estimator);
    return columns.map(column => (column.kind === 'text' ? { kind: 'text', values } : column));
  }
  if (className === 'FeatureUnion')
    return namedParts(estimator.raw('transformer_list'), estimator.path)
      .filter(item => typeof item.part !== 'string' && item.part !== null)
      .reduce<ColumnSampler[]>((found, item) => refined(asEstimator(item.part, item.name), found), [...columns]);
  const edges = columnEdges(estimator);
  if (edges !== undefined) return withCuts(columns, edges);
  if (className === 'PowerTransformer' && estimator.text('method') === 'box-cox')
    return columns.map(column => (column.kind === 'number' ? { ...column, center: 3, spread: 1.4 } : column));
  if (className === 'SimpleImputer' || className === 'MissingIndicator')
    return columns.map(column =>
      column.kind === 'number' ? { ...column, mayMiss: true } : { ...column, values: [...column.values, ''] },
    );
  if (className.startsWith('Bagging') || className === 'IsolationForest') return subsetSamplers(estimator, columns);
  if (/^(XGB|LGBM)/.test(className)) return withCuts(columns, boosterCuts(wrappedModel(estimator), columns.length));
  if (/^(Voting|AdaBoost|Stacking|OneVs|MultiOutput)/.test(className))
    return estimator
      .children('estimators_')
      .reduce<ColumnSampler[]>((found, member) => refined(member, found), [...columns]);
  if (forest.test(className)) return withCuts(columns, forestCuts(estimator, columns.length));
  if (className.startsWith('HistGradientBoosting')) return histogramSamplers(estimator, columns);
  if (className === 'GaussianNB' || className === 'KMeans') {
    const table = estimator.dense(className === 'KMeans' ? 'cluster_centers_' : 'theta_');
    const width = table.dims[1] ?? 1;
    return withCuts(
      columns,
      columns.map((_, i) => Array.from({ length: table.dims[0] ?? 0 }, (_row, r) => table.data[r * width + i]!)),
    );
  }
  const table = memorized(estimator);
  if (table !== undefined) return withCuts(columns, valuesPerColumn(estimator.dense(table), columns.length));
  return [...columns];
}

/** The attribute that holds rows which the object compares its input with. */
function memorized(estimator: Estimator): string | undefined {
  return ['support_vectors_', 'X_fit_', '_fit_X', 'centroids_', 'means_'].find(
    name => estimator.has(name) && !estimator.has('components_'),
  );
}

/** Values that rows between the memorized ones are made of; more of them would only make more rows. */
const valuesOfTable = 16;

function valuesPerColumn(table: Dense, width: number): number[][] {
  const [rows = 0, columns = 0] = table.dims;
  const step = Math.max(1, rows / valuesOfTable);
  return Array.from({ length: width }, (_, column) =>
    Array.from(
      { length: Math.min(rows, valuesOfTable) },
      (_value, i) => table.data[Math.floor(i * step) * columns + column] ?? Number.NaN,
    ),
  );
}

function wrappedModel(estimator: Estimator): LightgbmModel | XgboostModel {
  return estimator.className.startsWith('LGBM') ? lightgbmWalk(estimator).model : xgboostWalk(estimator).model;
}

/** Members that see a part of the columns each. */
function subsetSamplers(estimator: Estimator, columns: readonly ColumnSampler[]): ColumnSampler[] {
  const found = [...columns];
  const members = estimator.children('estimators_');
  estimator.list('estimators_features_').forEach((item, i) => {
    const subset = [...dense(item, 'estimators_features_').data];
    const inner = refined(
      members[i]!,
      subset.map(column => found[column]!),
    );
    subset.forEach((column, at) => {
      found[column] = inner[at] ?? found[column]!;
    });
  });
  return found;
}

function pipelineSamplers(estimator: Estimator, columns: readonly ColumnSampler[]): ColumnSampler[] {
  return stepSamplers(pipelineSteps(estimator), columns);
}

/**
 * The first step sees the input; an imputer leaves what it does not fill to the steps behind it, and behind a scaler the
 * thresholds of the last step are taken back to the input's scale.
 */
function stepSamplers(steps: readonly Estimator[], columns: readonly ColumnSampler[]): ColumnSampler[] {
  const [first, ...rest] = steps;
  if (first === undefined) return [...columns];
  if (first.className === 'SimpleImputer' && !first.flag('add_indicator', false))
    return refined(first, stepSamplers(rest, columns));
  const drawn = refined(first, columns);
  const [second] = rest;
  if (first.className !== 'StandardScaler' || second === undefined || !forest.test(second.className)) return drawn;
  const cuts = forestCuts(second, columns.length);
  return drawn.map((column, i) =>
    column.kind === 'number' ? { ...column, cuts: cuts[i]!.map(cut => cut * column.spread + column.center) } : column,
  );
}

function partSamplers(estimator: Estimator, columns: readonly ColumnSampler[]): ColumnSampler[] {
  const found = [...columns];
  for (const { name, part, columns: at } of columnSteps(estimator, columns.length, namesOf(estimator))) {
    if (typeof part === 'string' || part === null) continue;
    const inner = refined(
      asEstimator(part, `${estimator.path}.${name}`),
      at.map(column => found[column]!),
    );
    at.forEach((column, i) => {
      found[column] = inner[i] ?? found[column]!;
    });
  }
  return found;
}

/** Known categories, missing ones where they are one, and some that were never seen. */
function encoderSamplers(estimator: Estimator, columns: readonly ColumnSampler[]): ColumnSampler[] {
  const lists = categoriesOf(estimator);
  return columns.map((column, i): ColumnSampler => {
    const list = lists[i] ?? [];
    if (column.kind === 'text') return { kind: 'text', values: [...list.map(String), 'never seen'] };
    const cuts = list.map(Number).filter(category => !Number.isNaN(category));
    const mayMiss = column.mayMiss || cuts.length < list.length;
    return { ...column, cuts, mayMiss, whole: cuts.every(Number.isInteger) };
  });
}

function forestCuts(estimator: Estimator, width: number): number[][] {
  const cuts = Array.from({ length: width }, () => new Set<number>());
  const trees = estimator.className.startsWith('GradientBoosting')
    ? estimator.list('estimators_').flatMap((item, i) => treesOf(asEstimator(item, `estimators_[${i}]`)))
    : treesOf(estimator);
  for (const tree of trees)
    for (let node = 0; node < tree.left.length; node++)
      if (tree.left[node]! >= 0) cuts[tree.feature[node]!]?.add(tree.threshold[node]!);
  return cuts.map(set => [...set]);
}

function withCuts(columns: readonly ColumnSampler[], cuts: readonly (readonly number[])[]): ColumnSampler[] {
  return columns.map((column, i) =>
    column.kind === 'number' ? { ...column, cuts: [...new Set([...column.cuts, ...(cuts[i] ?? [])])] } : column,
  );
}

/** Bin edges are where its trees can split; categorical columns have their categories there. */
function histogramSamplers(estimator: Estimator, columns: readonly ColumnSampler[]): ColumnSampler[] {
  if (!estimator.has('_bin_mapper')) return [...columns];
  const mapper = estimator.child('_bin_mapper');
  const edges: readonly PyValue[] = mapper.list('bin_thresholds_');
  const isCategorical = mapper.has('is_categorical_') ? mapper.dense('is_categorical_').data : [];
  return columns.map((column, i) =>
    column.kind === 'number'
      ? {
          ...column,
          cuts: [...dense(edges[i], 'bin_thresholds_').data],
          mayMiss: true,
          ...(isCategorical[i] === 1 && { whole: true }),
        }
      : column,
  );
}
