import { NumpyArray, PyDict, PyList, type PyValue } from '../pickle/python-values.ts';
import { columnSteps, isPassthrough, namesOf, pipelineSteps, unwrapped } from '../sklearn/compose.ts';
import {
  asEstimator,
  type Dense,
  dense,
  type Estimator,
  fieldColumn,
  namedParts,
  plainLabels,
} from '../sklearn/records.ts';
import { largest, softmax } from './walk-boosters.ts';
import { columnTransforms } from './walk-columns.ts';
import { ensemblePredictors } from './walk-ensembles.ts';
import { huberShares, linearPredictors } from './walk-linear.ts';
import { multiclassPredictors } from './walk-multiclass.ts';
import { neighborPredictors } from './walk-neighbors.ts';
import { vectorPredictors } from './walk-support-vectors.ts';
import { textTransforms } from './walk-text.ts';
import { NotWalkable, transformOf } from './walk-transforms.ts';
import type { Predictor, Row } from './walked-answer.ts';

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

/**
 * A predictor written from scikit-learn's formulas, one row at a time, that shares the reader of the file with the
 * converter but none of its arithmetic.
 * @param version major * 1000 + minor of the scikit-learn that saved the object
 * @throws NotWalkable for a class that is not written here
 */
export function predictorOf(estimator: Estimator, version: number): Predictor {
  const inner = unwrapped(estimator);
  if (inner !== undefined) return predictorOf(inner, version);
  const made = ensemblePredictors[estimator.className] ?? multiclassPredictors[estimator.className];
  if (made !== undefined) return made(estimator, { version, predictor: member => predictorOf(member, version) });
  const write = predictors[estimator.className];
  if (write === undefined) throw new NotWalkable(estimator.className);
  return write(estimator, version);
}

/** What one row becomes in a fitted transformer. */
export function transformerOf(estimator: Estimator): (row: Row) => Row {
  const inner = unwrapped(estimator);
  if (inner !== undefined) return transformerOf(inner);
  if (estimator.className === 'Pipeline') {
    const steps = pipelineSteps(estimator).map(transformerOf);
    return row => steps.reduce((current, step) => step(current), row);
  }
  if (estimator.className === 'ColumnTransformer') return columnTransformer(estimator);
  if (estimator.className === 'FeatureUnion') {
    const weights = weightsOf(estimator);
    const parts = namedParts(estimator.raw('transformer_list'), estimator.path)
      .filter(item => item.part !== 'drop')
      .map(item => {
        const step = isPassthrough(item.part)
          ? (row: Row): Row => row
          : transformerOf(asEstimator(item.part, `${estimator.path}.${item.name}`));
        return weighing(step, weights.get(item.name));
      });
    return row => parts.flatMap(part => part(row));
  }
  return (textTransforms[estimator.className] ?? columnTransforms[estimator.className] ?? transformOf)(estimator);
}

function weightsOf(estimator: Estimator): ReadonlyMap<string, number> {
  const raw = estimator.raw('transformer_weights');
  if (!(raw instanceof PyDict)) return new Map();
  return new Map(raw.names().map(name => [name, dense(raw.get(name), 'transformer_weights').data[0] ?? 1]));
}

function weighing(step: (row: Row) => Row, weight: number | undefined): (row: Row) => Row {
  return weight === undefined ? step : row => step(row).map(value => Number(value) * weight);
}

function columnTransformer(estimator: Estimator): (row: Row) => Row {
  const weights = weightsOf(estimator);
  const width = estimator.number('n_features_in_') ?? estimator.number('_n_features') ?? Number.NaN;
  if (Number.isNaN(width)) throw new NotWalkable('ColumnTransformer of an old version');
  const parts = columnSteps(estimator, width, namesOf(estimator)).flatMap(({ name, part, columns }) => {
    if (part === 'drop' || part === null || columns.length === 0) return [];
    const step =
      part === 'passthrough' ? (row: Row): Row => row : transformerOf(asEstimator(part, `${estimator.path}.${name}`));
    return [weighing((row: Row): Row => step(columns.map(column => row[column]!)), weights.get(name))];
  });
  return row => parts.flatMap(part => part(row));
}

type Write = (estimator: Estimator, version: number) => Predictor;

const numbers = (row: Row): number[] => row.map(Number);

function pipeline(estimator: Estimator, version: number): Predictor {
  const steps = pipelineSteps(estimator);
  const before = steps.slice(0, -1).map(transformerOf);
  const last = predictorOf(steps.at(-1)!, version);
  return row => last(before.reduce((current, step) => step(current), row));
}

/** w x + b per output. */
function linear(estimator: Estimator): (row: Row) => number[] {
  const weights = estimator.dense('coef_');
  const outputs = weights.dims.length > 1 ? weights.dims[0]! : 1;
  const features = weights.data.length / outputs;
  const bias = estimator.dense('intercept_').data;
  return row =>
    Array.from({ length: outputs }, (_, output) => {
      let sum = bias[bias.length === 1 ? 0 : output] ?? 0;
      for (let i = 0; i < features; i++) sum += weights.data[output * features + i]! * Number(row[i]);
      return sum;
    });
}

const linearRegressor: Write = estimator => {
  const scores = linear(estimator);
  return row => ({ kind: 'values', values: scores(row) });
};

/** Decision by the sign of one score or by the largest of several. */
function byScores(estimator: Estimator, shares?: (scores: readonly number[]) => readonly number[]): Predictor {
  const scores = linear(estimator);
  const isHeldApart = !estimator.has('classes_') && estimator.has('_label_binarizer');
  const holder = isHeldApart ? estimator.child('_label_binarizer') : estimator;
  const classes = plainLabels(holder.labels('classes_'));
  return row => {
    const found = scores(row);
    const answer = found.length === 1 ? largest(classes, [-found[0]!, found[0]!]) : largest(classes, found);
    if (answer.kind !== 'classes') return answer;
    const { shares: _, ...decision } = answer;
    return { ...decision, scores: found, ...(shares !== undefined && { shares: shares(found) }) };
  };
}

function oneVersusRest(scores: readonly number[]): number[] {
  if (scores.length === 1) return [1 - logistic(scores[0]!), logistic(scores[0]!)];
  const each = scores.map(logistic);
  const sum = each.reduce((total, p) => total + p, 0);
  return each.map(p => p / sum);
}

const logisticRegression: Write = estimator => {
  const classes = estimator.labels('classes_').values.length;
  const mode = estimator.text('multi_class') ?? 'auto';
  const isPerClass =
    mode === 'ovr' ||
    mode === 'warn' ||
    (mode === 'auto' && (classes === 2 || /liblinear|warn/.test(estimator.text('solver') ?? '')));
  return byScores(estimator, scores => {
    if (isPerClass) return oneVersusRest(scores);
    if (scores.length > 1) return softmax(scores);
    // A missing mode means the automatic choice, which is one sigmoid for two classes.
    return mode === 'multinomial' ? softmax([-scores[0]!, scores[0]!]) : oneVersusRest(scores);
  });
};

const sgdClassifier: Write = estimator => {
  const loss = estimator.text('loss') ?? '';
  if (loss === 'modified_huber') return byScores(estimator, huberShares);
  return byScores(estimator, loss.startsWith('log') ? oneVersusRest : undefined);
};

const gaussianBayes: Write = estimator => {
  const means = estimator.dense('theta_');
  const variances = estimator.dense(estimator.has('var_') ? 'var_' : 'sigma_').data;
  const priors = estimator.dense('class_prior_').data;
  const classes = plainLabels(estimator.labels('classes_'));
  const features = means.dims[1]!;
  return row => {
    const logs = classes.map((_, c) => {
      let sum = Math.log(priors[c]!);
      for (let i = 0; i < features; i++) {
        const variance = variances[c * features + i]!;
        sum -=
          0.5 * Math.log(2 * Math.PI * variance) +
          (Number(row[i]) - means.data[c * features + i]!) ** 2 / (2 * variance);
      }
      return sum;
    });
    return largest(classes, softmax(logs));
  };
};

const multinomialBayes: Write = estimator => {
  const logs = estimator.dense('feature_log_prob_');
  const priors = estimator.dense('class_log_prior_').data;
  const classes = plainLabels(estimator.labels('classes_'));
  const features = logs.dims[1]!;
  return row =>
    largest(
      classes,
      softmax(
        classes.map((_, c) =>
          row.reduce((sum: number, x, i) => sum + Number(x) * logs.data[c * features + i]!, priors[c]!),
        ),
      ),
    );
};

const activations: Readonly<Record<string, (layer: number[]) => number[]>> = {
  identity: layer => layer,
  relu: layer => layer.map(x => Math.max(0, x)),
  logistic: layer => layer.map(logistic),
  tanh: layer => layer.map(Math.tanh),
  softmax,
};

function perceptron(estimator: Estimator): (row: Row) => number[] {
  const read = (name: string): Dense[] => estimator.list(name).map((item, i) => dense(item, `${name}[${i}]`));
  const weights = read('coefs_');
  const biases = read('intercepts_');
  const hidden = activations[estimator.text('activation') ?? 'identity'];
  const output = activations[estimator.text('out_activation_') ?? 'identity'];
  if (hidden === undefined || output === undefined) throw new NotWalkable('an unknown activation');
  return row =>
    weights.reduce<number[]>((layer, weight, l) => {
      const width = weight.dims[1]!;
      const next = Array.from({ length: width }, (_, j) =>
        layer.reduce((sum, x, i) => sum + x * weight.data[i * width + j]!, biases[l]!.data[j]!),
      );
      return (l === weights.length - 1 ? output : hidden)(next);
    }, numbers(row));
}

const mlpClassifier: Write = estimator => {
  const run = perceptron(estimator);
  const classes = plainLabels(estimator.labels('classes_'));
  return row => {
    const out = run(row);
    return largest(classes, out.length === 1 ? [1 - out[0]!, out[0]!] : out);
  };
};

const mlpRegressor: Write = estimator => {
  const run = perceptron(estimator);
  return row => ({ kind: 'values', values: run(row) });
};

/** One tree of scikit-learn's own kind: float32 of the input against float64 thresholds. */
export interface WalkedTree {
  readonly feature: Float64Array;
  readonly threshold: Float64Array;
  readonly left: Float64Array;
  readonly right: Float64Array;
  readonly missingLeft: Float64Array | undefined;
  readonly values: Dense;
}

export function treeOf(estimator: Estimator): WalkedTree {
  const tree = estimator.child('tree_');
  const nodes = tree.raw('nodes');
  if (!(nodes instanceof NumpyArray)) throw new NotWalkable('a tree without nodes');
  const column = (name: string): Float64Array => fieldColumn(nodes, name) ?? new Float64Array();
  return {
    feature: column('feature'),
    threshold: column('threshold'),
    left: column('left_child'),
    right: column('right_child'),
    missingLeft: fieldColumn(nodes, 'missing_go_to_left'),
    values: tree.dense('values'),
  };
}

function leafOf(tree: WalkedTree, row: Row): number {
  let node = 0;
  while (tree.left[node]! >= 0) {
    const x = Math.fround(Number(row[tree.feature[node]!]));
    const isLeft = Number.isNaN(x) ? tree.missingLeft?.[node] === 1 : x <= tree.threshold[node]!;
    node = (isLeft ? tree.left : tree.right)[node]!;
  }
  return node;
}

export function treesOf(estimator: Estimator): WalkedTree[] {
  return estimator.has('tree_') ? [treeOf(estimator)] : estimator.children('estimators_').map(treeOf);
}

const forestClassifier: Write = (estimator, version) => {
  if ((estimator.number('n_outputs_') ?? 1) !== 1) throw new NotWalkable('a forest of several outputs');
  const trees = treesOf(estimator);
  const classes = plainLabels(estimator.labels('classes_'));
  return row => {
    const sums = classes.map(() => 0);
    for (const tree of trees) {
      const at = leafOf(tree, row) * classes.length;
      const counts = classes.map((_, c) => tree.values.data[at + c]!);
      const total = version >= 1003 ? 1 : counts.reduce((sum, count) => sum + count, 0) || 1;
      counts.forEach((count, c) => {
        sums[c] = sums[c]! + count / total;
      });
    }
    return largest(
      classes,
      sums.map(sum => sum / trees.length),
    );
  };
};

const forestRegressor: Write = estimator => {
  const trees = treesOf(estimator);
  const outputs = trees[0]?.values.dims[1] ?? 1;
  return row => {
    const sums = new Array<number>(outputs).fill(0);
    for (const tree of trees) {
      const at = leafOf(tree, row) * outputs;
      for (let i = 0; i < outputs; i++) sums[i] = sums[i]! + tree.values.data[at + i]!;
    }
    return { kind: 'values', values: sums.map(sum => sum / trees.length) };
  };
};

/** Start score of gradient boosting, when it is a constant. */
function startOf(estimator: Estimator, columns: number, version: number): readonly number[] {
  const init = estimator.raw('init_') ?? estimator.raw('init');
  if (init === 'zero') return new Array<number>(columns).fill(0);
  const start = asEstimator(init, 'init_');
  if (start.className === 'DummyRegressor') return [...start.dense('constant_').data];
  if (start.className !== 'DummyClassifier')
    throw new NotWalkable(`gradient boosting that starts from ${start.className}`);
  const tiny = 1.1920928955078125e-7;
  const prior = [...start.dense('class_prior_').data].map(p => Math.min(1 - tiny, Math.max(tiny, p)));
  const odds = Math.log(prior[1]! / (1 - prior[1]!));
  if (columns === 1) return [estimator.text('loss') === 'exponential' ? odds / 2 : odds];
  const logs = prior.map(Math.log);
  const mean = logs.reduce((sum, x) => sum + x, 0) / columns;
  return version >= 1004 ? logs.map(x => x - mean) : logs;
}

function boostedScores(estimator: Estimator, columns: number, version: number): (row: Row) => number[] {
  const rate = estimator.number('learning_rate') ?? 1;
  const start = startOf(estimator, columns, version);
  const trees = estimator.list('estimators_').map((item, i) => treeOf(asEstimator(item, `estimators_[${i}]`)));
  return row => {
    const scores = [...start];
    trees.forEach((tree, i) => {
      scores[i % columns] = scores[i % columns]! + rate * tree.values.data[leafOf(tree, row)]!;
    });
    return scores;
  };
}

const boostingClassifier: Write = (estimator, version) => {
  const classes = plainLabels(estimator.labels('classes_'));
  const columns = classes.length === 2 ? 1 : classes.length;
  const scores = boostedScores(estimator, columns, version);
  const factor = estimator.text('loss') === 'exponential' ? 2 : 1;
  return row => {
    const found = scores(row);
    const p = logistic(factor * found[0]!);
    return largest(classes, columns === 1 ? [1 - p, p] : softmax(found));
  };
};

const boostingRegressor: Write = (estimator, version) => {
  const scores = boostedScores(estimator, 1, version);
  return row => ({ kind: 'values', values: scores(row) });
};

/** A histogram-based tree: float64 thresholds, and bitsets of raw categories. */
function histogramTree(value: PyValue, isKnown: (feature: number, category: number) => boolean): (row: Row) => number {
  const predictor = asEstimator(value, 'predictor');
  const nodes = predictor.raw('nodes');
  if (!(nodes instanceof NumpyArray)) throw new NotWalkable('a tree without nodes');
  const column = (name: string): Float64Array => fieldColumn(nodes, name) ?? new Float64Array(nodes.length);
  const threshold = fieldColumn(nodes, 'num_threshold') ?? column('threshold');
  const [isLeaf, feature, left, right, missing, isCategorical, bitset, leaf] = [
    'is_leaf',
    'feature_idx',
    'left',
    'right',
    'missing_go_to_left',
    'is_categorical',
    'bitset_idx',
    'value',
  ].map(column) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const sets = predictor.has('raw_left_cat_bitsets')
    ? predictor.dense('raw_left_cat_bitsets').data
    : new Float64Array();
  return row => {
    let node = 0;
    while (isLeaf[node] !== 1) {
      const x = Number(row[feature[node]!]);
      let isLeft = x <= threshold[node]!;
      if (Number.isNaN(x)) isLeft = missing[node] === 1;
      else if (isCategorical[node] === 1) {
        const word = sets[bitset[node]! * 8 + Math.floor(x / 32)] ?? 0;
        isLeft = isKnown(feature[node]!, x) ? Math.floor(word / 2 ** (x % 32)) % 2 === 1 : missing[node] === 1;
      }
      node = (isLeft ? left : right)[node]!;
    }
    return leaf[node]!;
  };
}

function histogramScores(estimator: Estimator): (row: Row) => number[] {
  const before = estimator.has('_preprocessor')
    ? transformerOf(estimator.child('_preprocessor'))
    : (row: Row): Row => row;
  const mapper = estimator.has('_bin_mapper') ? estimator.child('_bin_mapper') : undefined;
  const bins = mapper?.has('bin_thresholds_') ? mapper.list('bin_thresholds_') : [];
  const known = bins.map(item => new Set(dense(item, 'bin_thresholds_').data));
  const baseline = estimator.dense('_baseline_prediction').data;
  const rounds = estimator.list('_predictors').map(round => {
    if (!(round instanceof PyList)) throw new NotWalkable('a boosting round that is no list');
    return round.items.map(item => histogramTree(item, (feature, category) => known[feature]?.has(category) ?? true));
  });
  return row => {
    const seen = before(row);
    const scores = [...baseline];
    for (const round of rounds)
      round.forEach((tree, column) => {
        scores[column] = scores[column]! + tree(seen);
      });
    return scores;
  };
}

const histogramClassifier: Write = estimator => {
  const scores = histogramScores(estimator);
  const classes = plainLabels(estimator.labels('classes_'));
  return row => {
    const found = scores(row);
    return largest(classes, found.length === 1 ? [1 - logistic(found[0]!), logistic(found[0]!)] : softmax(found));
  };
};

const histogramRegressor: Write = estimator => {
  const scores = histogramScores(estimator);
  const isLog = /poisson|gamma/.test(estimator.text('loss') ?? '');
  return row => ({ kind: 'values', values: scores(row).map(score => (isLog ? Math.exp(score) : score)) });
};

const kMeans: Write = estimator => {
  const centers = estimator.dense('cluster_centers_');
  const [count = 0, width = 0] = centers.dims;
  return row => {
    const distances = Array.from({ length: count }, (_, c) =>
      Math.sqrt(row.reduce((sum: number, x, i) => sum + (Number(x) - centers.data[c * width + i]!) ** 2, 0)),
    );
    const nearest = largest(
      [...distances.keys()],
      distances.map(distance => -distance),
    );
    return nearest.kind === 'classes'
      ? { kind: 'cluster', index: nearest.index, distances, gap: nearest.gap }
      : nearest;
  };
};

const predictors: Readonly<Record<string, Write>> = {
  Pipeline: pipeline,
  LinearRegression: linearRegressor,
  Ridge: linearRegressor,
  RidgeCV: linearRegressor,
  Lasso: linearRegressor,
  LassoCV: linearRegressor,
  ElasticNet: linearRegressor,
  ElasticNetCV: linearRegressor,
  LinearSVR: linearRegressor,
  SGDRegressor: linearRegressor,
  HuberRegressor: linearRegressor,
  BayesianRidge: linearRegressor,
  ARDRegression: linearRegressor,
  LogisticRegression: logisticRegression,
  LogisticRegressionCV: logisticRegression,
  SGDClassifier: sgdClassifier,
  RidgeClassifier: estimator => byScores(estimator),
  LinearSVC: estimator => byScores(estimator),
  Perceptron: estimator => byScores(estimator),
  PassiveAggressiveClassifier: estimator => byScores(estimator),
  RidgeClassifierCV: estimator => byScores(estimator),
  GaussianNB: gaussianBayes,
  MultinomialNB: multinomialBayes,
  MLPClassifier: mlpClassifier,
  MLPRegressor: mlpRegressor,
  DecisionTreeClassifier: forestClassifier,
  ExtraTreeClassifier: forestClassifier,
  RandomForestClassifier: forestClassifier,
  ExtraTreesClassifier: forestClassifier,
  DecisionTreeRegressor: forestRegressor,
  ExtraTreeRegressor: forestRegressor,
  RandomForestRegressor: forestRegressor,
  ExtraTreesRegressor: forestRegressor,
  GradientBoostingClassifier: boostingClassifier,
  GradientBoostingRegressor: boostingRegressor,
  HistGradientBoostingClassifier: histogramClassifier,
  HistGradientBoostingRegressor: histogramRegressor,
  KMeans: kMeans,
  MiniBatchKMeans: kMeans,
  ...vectorPredictors,
  ...neighborPredictors,
  ...linearPredictors,
};
