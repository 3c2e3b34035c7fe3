import type { LightgbmModel } from '../boosting/read-lightgbm.ts';
import type { XgboostModel } from '../boosting/xgboost-model.ts';
import { type Labels, plainLabels } from '../sklearn/records.ts';
import { sumTrees } from '../trees/evaluate-tree.ts';
import type { DecisionTree } from '../trees/tree-ensemble.ts';
import { largest, logistic, softmax } from './shares.ts';
import { type ColumnSampler, nearly, type ReferenceOutput, type SourceReference } from './verification.ts';
import { answersOf, type WalkedAnswer } from './walked-answer.ts';

type Rows = readonly (readonly (number | string)[])[];

function evaluated(rows: Rows, answer: (row: readonly number[]) => WalkedAnswer): readonly ReferenceOutput[] {
  return answersOf(rows.map(row => answer(row.map(Number))));
}

/** Thresholds per column, for boosters that are parts of something else. */
export function boosterCuts(model: LightgbmModel | XgboostModel, features: number): (readonly number[])[] {
  const trees = 'trees' in model ? model.trees : model.booster.kind === 'trees' ? model.booster.trees : [];
  return samplers(trees, features, true).map(column => (column.kind === 'number' ? column.cuts : []));
}

/** Thresholds per column and whether a column holds categories. */
function samplers(trees: readonly DecisionTree[], features: number, mayMiss: boolean): ColumnSampler[] {
  const cuts = Array.from({ length: features }, () => new Set<number>());
  const whole = new Set<number>();
  for (const tree of trees) {
    for (let node = 0; node < tree.left.length; node++) {
      if (tree.left[node]! < 0) continue;
      const column = tree.feature[node]! % features;
      const members = tree.members?.get(node);
      if (members === undefined) cuts[column]!.add(tree.threshold[node]!);
      else {
        whole.add(column);
        for (const member of members) cuts[column]!.add(member).add(member + 1);
      }
    }
  }
  return cuts.map((set, column) => ({
    kind: 'number',
    cuts: [...set],
    center: 0,
    spread: 1,
    mayMiss,
    ...(whole.has(column) && { whole: true }),
  }));
}

/** The answer of a booster whose margins are known; `classes` undefined means the numbers 0, 1, ... */
function decided(
  objective: string,
  margins: readonly number[],
  classes: Labels | undefined,
  sigmoid: number,
): WalkedAnswer {
  const labels = (count: number): readonly (string | number | boolean)[] =>
    classes === undefined ? Array.from({ length: count }, (_, i) => i) : plainLabels(classes);
  const [margin = 0] = margins;
  switch (objective) {
    case 'binary:logistic':
    case 'binary': {
      const p = logistic(sigmoid * margin);
      return largest(labels(2), [1 - p, p]);
    }
    case 'binary:hinge':
      return { kind: 'classes', labels: labels(2), index: margin > 0 ? 1 : 0, gap: Math.abs(margin) };
    case 'multi:softprob':
    case 'multi:softmax':
    case 'multiclass':
    case 'softmax':
      return largest(labels(margins.length), softmax(margins));
    case 'multiclassova':
      return largest(
        labels(margins.length),
        margins.map(score => logistic(sigmoid * score)),
      );
    case 'reg:logistic':
    case 'cross_entropy':
    case 'xentropy':
      return { kind: 'values', values: margins.map(logistic) };
    case 'cross_entropy_lambda':
    case 'xentlambda':
      return { kind: 'values', values: margins.map(score => Math.log1p(Math.exp(score))) };
    case 'count:poisson':
    case 'reg:gamma':
    case 'reg:tweedie':
    case 'survival:cox':
    case 'survival:aft':
    case 'poisson':
    case 'gamma':
    case 'tweedie':
      return { kind: 'values', values: margins.map(Math.exp) };
    default:
      return { kind: 'values', values: margins };
  }
}

/** Start margin of an objective whose base score is kept on the scale of the prediction. */
function startMargin(objective: string, score: number): number {
  if (objective === 'binary:logistic' || objective === 'reg:logistic') return Math.log(score / (1 - score));
  if (/^(count:poisson|reg:gamma|reg:tweedie|survival:cox|survival:aft)$/.test(objective)) return Math.log(score);
  return score;
}

export interface XgboostWalk {
  readonly model: XgboostModel;
  readonly rounds: number | undefined;
  readonly missing: number | undefined;
  readonly classes: Labels | undefined;
}

/** Margins of an XGBoost model for one row, walked tree by tree. */
export function xgboostAnswer({ model, rounds, missing, classes }: XgboostWalk, row: readonly number[]): WalkedAnswer {
  const { booster, groups, features } = model;
  const x = row.map(value =>
    missing !== undefined && Math.fround(value) === Math.fround(missing) ? Number.NaN : Math.fround(value),
  );
  const start = Array.from({ length: groups }, (_, i) => {
    const score = model.baseScore[model.baseScore.length === 1 ? 0 : i] ?? 0;
    return model.isBaseScoreMargin ? score : startMargin(model.objective, score);
  });
  if (booster.kind === 'linear') {
    const margins = start.map((score, group) => {
      let sum = score + booster.weights[features * groups + group]!;
      x.forEach((value, i) => {
        if (!Number.isNaN(value)) sum += value * booster.weights[i * groups + group]!;
      });
      return Math.fround(sum);
    });
    return decided(model.objective, margins, classes, 1);
  }
  const trees = rounds === undefined ? booster.trees : booster.trees.slice(0, rounds * booster.treesPerRound);
  const sums = sumTrees(trees, groups, x);
  return decided(
    model.objective,
    start.map((score, i) => Math.fround(score + sums[i]!)),
    classes,
    1,
  );
}

export function xgboostReference(walk: XgboostWalk): SourceReference {
  const { booster, features } = walk.model;
  return {
    describes: 'an evaluator that walks the trees of the XGBoost file in TypeScript',
    bar: nearly(1e-6),
    columns: booster.kind === 'trees' ? samplers(booster.trees, features, true) : samplers([], features, true),
    evaluate: rows => evaluated(rows, row => xgboostAnswer(walk, row)),
  };
}

export interface LightgbmWalk {
  readonly model: LightgbmModel;
  readonly rounds: number | undefined;
  readonly classes: Labels | undefined;
}

export function lightgbmAnswer({ model, rounds, classes }: LightgbmWalk, row: readonly number[]): WalkedAnswer {
  const columns = Math.max(1, model.treesPerRound);
  const trees = rounds === undefined ? model.trees : model.trees.slice(0, rounds * columns);
  const seen = model.views.flatMap(view =>
    row.map(value => {
      if (view === 'zero-missing') return Math.abs(value) <= 1.0000000180025095e-35 ? Number.NaN : value;
      return view === 'category' ? Math.trunc(value) : value;
    }),
  );
  const sums = [...sumTrees(trees, columns, seen)];
  const [name = '', ...options] = model.objective.split(' ');
  const sigmoid = Number(options.find(option => option.startsWith('sigmoid:'))?.slice(8) ?? 1);
  const margins = model.isAveraged ? sums.map(sum => sum / (trees.length / columns)) : sums;
  if (name === 'regression' && options.includes('sqrt'))
    return { kind: 'values', values: margins.map(score => Math.sign(score) * score * score) };
  const isShares = model.isAveraged && model.trees.every(tree => tree.value.every(leaf => leaf >= 0 && leaf <= 1));
  if (isShares && name === 'binary') {
    const p = margins[0] ?? 0;
    const labels = classes === undefined ? [0, 1] : plainLabels(classes);
    return largest(labels, [1 - p, p]);
  }
  if (isShares && columns > 1)
    return largest(classes === undefined ? margins.map((_, i) => i) : plainLabels(classes), margins);
  return decided(name, margins, classes, sigmoid);
}

export function lightgbmReference(walk: LightgbmWalk): SourceReference {
  const { model } = walk;
  const columns = samplers(model.trees, model.features, true);
  return {
    describes: 'an evaluator that walks the trees of the LightGBM model in TypeScript',
    bar: nearly(1e-12),
    columns: columns.map(column => (column.kind === 'number' ? { ...column, cuts: [...column.cuts, 0] } : column)),
    evaluate: rows => evaluated(rows, row => lightgbmAnswer(walk, row)),
  };
}
