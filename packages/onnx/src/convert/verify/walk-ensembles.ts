import { dense, type Estimator, namedParts, plainLabels } from '../sklearn/records.ts';
import { largest, softmax } from './shares.ts';
import { columnFunction } from './walk-columns.ts';
import {
  asClasses,
  asValues,
  type ClassAnswer,
  NotWalkable,
  type Predictor,
  type Row,
  tie,
  type WalkedAnswer,
  type Walking,
  type WritePredictor,
} from './walked-answer.ts';

/** Shares over the classes of the ensemble, which members know by position; without shares the decision is one. */
function sharesOf(answer: ClassAnswer, classes: number): { shares: number[]; isOpen: boolean } {
  const shares = new Array<number>(classes).fill(0);
  answer.labels.forEach((label, i) => {
    shares[Number(label)] = answer.shares?.[i] ?? Number(i === answer.index);
  });
  return { shares, isOpen: answer.isOpen === true || (answer.shares === undefined && answer.gap < tie) };
}

function averaged(
  classes: readonly (string | number | boolean)[],
  parts: readonly { shares: readonly number[]; isOpen: boolean }[],
  weights: readonly number[],
): WalkedAnswer {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const shares = classes.map((_, c) => parts.reduce((sum, part, i) => sum + weights[i]! * part.shares[c]!, 0) / total);
  return { ...largest(classes, shares), isOpen: parts.some(part => part.isOpen) };
}

function subsetsOf(estimator: Estimator): (row: Row) => Row[] {
  const subsets = estimator.list('estimators_features_').map(item => [...dense(item, 'estimators_features_').data]);
  return row => subsets.map(columns => columns.map(column => row[column]!));
}

function baggingClassifier(estimator: Estimator, walk: Walking): Predictor {
  const members = estimator.children('estimators_').map(walk.predictor);
  const rowsOf = subsetsOf(estimator);
  const classes = plainLabels(estimator.labels('classes_'));
  return row => {
    const rows = rowsOf(row);
    const parts = members.map((member, i) => sharesOf(asClasses(member(rows[i]!)), classes.length));
    return averaged(
      classes,
      parts,
      parts.map(() => 1),
    );
  };
}

function weightedValues(answers: readonly WalkedAnswer[], weights: readonly number[]): WalkedAnswer {
  const values = answers.map(asValues);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return {
    kind: 'values',
    values: values[0]!.map((_, o) => values.reduce((sum, value, i) => sum + weights[i]! * value[o]!, 0) / total),
    isOpen: answers.some(answer => answer.isOpen === true),
  };
}

function baggingRegressor(estimator: Estimator, walk: Walking): Predictor {
  const members = estimator.children('estimators_').map(walk.predictor);
  const rowsOf = subsetsOf(estimator);
  return row => {
    const rows = rowsOf(row);
    return weightedValues(
      members.map((member, i) => member(rows[i]!)),
      members.map(() => 1),
    );
  };
}

/** One weight per member that was not dropped. */
function weightsOf(estimator: Estimator, members: number): number[] {
  const raw = estimator.raw('weights') ?? null;
  if (raw === null) return new Array<number>(members).fill(1);
  const kept = namedParts(estimator.raw('estimators'), estimator.path).map(({ part }) => part !== 'drop');
  return [...dense(raw, 'weights').data].filter((_, i) => kept[i]);
}

function votingClassifier(estimator: Estimator, walk: Walking): Predictor {
  const members = estimator.children('estimators_').map(walk.predictor);
  const weights = weightsOf(estimator, members.length);
  const classes = plainLabels(estimator.labels('classes_'));
  const isSoft = estimator.text('voting') === 'soft';
  return row => {
    const answers = members.map(member => asClasses(member(row)));
    if (isSoft) {
      if (answers.some(answer => answer.shares === undefined)) throw new NotWalkable('a vote without probabilities');
      return averaged(
        classes,
        answers.map(answer => sharesOf(answer, classes.length)),
        weights,
      );
    }
    const votes = classes.map(() => 0);
    answers.forEach((answer, i) => {
      const vote = Number(answer.labels[answer.index]);
      votes[vote] = votes[vote]! + weights[i]!;
    });
    const { index, gap } = largest(classes, votes);
    // Of equal votes the first class wins, where the weights leave no rounding.
    const lead = weights.every(Number.isInteger) ? 1 : gap;
    const isOpen = answers.some(answer => answer.gap < tie || answer.isOpen === true);
    return { kind: 'classes', labels: classes, index, gap: lead, isOpen };
  };
}

function votingRegressor(estimator: Estimator, walk: Walking): Predictor {
  const members = estimator.children('estimators_').map(walk.predictor);
  const weights = weightsOf(estimator, members.length);
  return row =>
    weightedValues(
      members.map(member => member(row)),
      weights,
    );
}

/** What the members answer by the method that was used in training, side by side, and the row when it is passed on. */
function stacked(estimator: Estimator, walk: Walking): (row: Row) => { row: Row; isOpen: boolean } {
  const members = estimator.children('estimators_').map(walk.predictor);
  const methods = estimator.list('stack_method_');
  const passes = estimator.flag('passthrough', false);
  return row => {
    let isOpen = false;
    const columns = members.flatMap((member, i): readonly number[] => {
      const answer = member(row);
      isOpen ||= answer.isOpen === true;
      if (answer.kind === 'values') return answer.values;
      const { shares, scores, index, gap } = asClasses(answer);
      if (methods[i] === 'predict_proba' && shares !== undefined) return shares.length === 2 ? shares.slice(1) : shares;
      if (methods[i] === 'decision_function' && scores !== undefined) return scores;
      if (methods[i] !== 'predict') throw new NotWalkable(`stacking by ${String(methods[i])}`);
      isOpen ||= gap < tie;
      return [index];
    });
    return { row: passes ? [...columns, ...row] : columns, isOpen };
  };
}

function stackingClassifier(estimator: Estimator, walk: Walking): Predictor {
  const before = stacked(estimator, walk);
  const last = walk.predictor(estimator.child('final_estimator_'));
  const labels = plainLabels(estimator.labels('classes_'));
  return row => {
    const { row: columns, isOpen } = before(row);
    const answer = asClasses(last(columns));
    return { ...answer, labels, isOpen: isOpen || answer.isOpen === true };
  };
}

function stackingRegressor(estimator: Estimator, walk: Walking): Predictor {
  const before = stacked(estimator, walk);
  const last = walk.predictor(estimator.child('final_estimator_'));
  return row => {
    const { row: columns, isOpen } = before(row);
    const answer = last(columns);
    return { ...answer, isOpen: isOpen || answer.isOpen === true };
  };
}

/** Shares below this, but not zero, have logarithms that rounding moves. */
const leastShare = 1e-6;

/** SAMME.R adds up centred log probabilities. */
function adaBoostByShares(estimator: Estimator, walk: Walking): Predictor {
  const members = estimator.children('estimators_').map(walk.predictor);
  // Shares of a tree are written in its leaves, so that nothing rounds them.
  const isRounded = estimator.children('estimators_').some(member => !/Tree/.test(member.className));
  const weights = estimator.dense('estimator_weights_').data.subarray(0, members.length);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const classes = plainLabels(estimator.labels('classes_'));
  const count = classes.length;
  return row => {
    let isOpen = false;
    const sums = classes.map(() => 0);
    for (const member of members) {
      const { shares } = asClasses(member(row));
      if (shares === undefined || shares.length !== count) throw new NotWalkable('SAMME.R without probabilities');
      isOpen ||= isRounded && shares.some(share => share > 0 && share < leastShare);
      const logs = shares.map(share => Math.log(Math.max(share, Number.EPSILON)));
      const mean = logs.reduce((sum, log) => sum + log, 0) / count;
      logs.forEach((log, c) => {
        sums[c] = sums[c]! + ((count - 1) * (log - mean)) / total;
      });
    }
    return { ...boosted(classes, sums), isOpen };
  };
}

/** What the summed scores of AdaBoost say: their difference for two classes, a softmax of them for more. */
function boosted(classes: ClassAnswer['labels'], sums: readonly number[]): ClassAnswer {
  const count = classes.length;
  const scores = count === 2 ? [sums[1]! - sums[0]!] : sums;
  const shares = softmax(count === 2 ? [-scores[0]! / 2, scores[0]! / 2] : sums.map(sum => sum / (count - 1)));
  return { ...largest(classes, shares), scores };
}

/** SAMME adds up votes: the weight of a member for its class and, since 1.5, a share of it against each other one. */
function adaBoostByVotes(estimator: Estimator, walk: Walking): Predictor {
  const { version } = walk;
  const members = estimator.children('estimators_').map(walk.predictor);
  const weights = [...estimator.dense('estimator_weights_').data].slice(0, members.length);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const classes = plainLabels(estimator.labels('classes_'));
  const against = version >= 1005 ? -1 / (classes.length - 1) : 0;
  // Before 0.22 and in 1.3 and 1.4 probabilities came from other scores; the decision was this one.
  const hasShares = (version >= 22 && version < 1003) || version >= 1005;
  return row => {
    const sums = classes.map(() => 0);
    let isOpen = false;
    members.forEach((member, i) => {
      const answer = asClasses(member(row));
      isOpen ||= answer.isOpen === true || answer.gap < tie;
      classes.forEach((label, c) => {
        sums[c] = sums[c]! + (weights[i]! * (label === answer.labels[answer.index] ? 1 : against)) / total;
      });
    });
    const { shares, scores, ...decision } = boosted(classes, sums);
    return { ...decision, isOpen, ...(hasShares && { shares, scores }) };
  };
}

/** The prediction at which the weights of the members, in the order of their predictions, reach half. */
function adaBoostRegressor(estimator: Estimator, walk: Walking): Predictor {
  const members = estimator.children('estimators_').map(walk.predictor);
  const weights = estimator.dense('estimator_weights_').data;
  return row => {
    const found = members
      .map((member, i) => ({ value: asValues(member(row))[0]!, weight: weights[i]! }))
      .sort((a, b) => a.value - b.value);
    const half = found.reduce((sum, { weight }) => sum + weight, 0) / 2;
    let reached = 0;
    let isOpen = false;
    for (const { value, weight } of found) {
      reached += weight;
      isOpen ||= Math.abs(reached - half) < 1e-9 * half;
      if (reached >= half) return { kind: 'values', values: [value], isOpen };
    }
    return { kind: 'values', values: [Number.NaN], isOpen: true };
  };
}

function multiOutputRegressor(estimator: Estimator, walk: Walking): Predictor {
  const members = estimator.children('estimators_').map(walk.predictor);
  return row => {
    const answers = members.map(member => member(row));
    return { kind: 'values', values: answers.flatMap(asValues), isOpen: answers.some(one => one.isOpen === true) };
  };
}

/** Each output is predicted from the row and the outputs before it. */
function regressorChain(estimator: Estimator, walk: Walking): Predictor {
  const members = estimator.children('estimators_').map(walk.predictor);
  const order = [...dense(estimator.raw('order_'), 'order_').data];
  return row => {
    const found: number[] = [];
    let isOpen = false;
    for (const member of members) {
      const answer = member([...row, ...found]);
      isOpen ||= answer.isOpen === true;
      found.push(asValues(answer)[0]!);
    }
    return { kind: 'values', values: order.map((_, output) => found[order.indexOf(output)]!), isOpen };
  };
}

/** The regressor's answer through the inverse of what was done to its target. */
function transformedTarget(estimator: Estimator, walk: Walking): Predictor {
  const inner = walk.predictor(estimator.child('regressor_'));
  const back = inverseOf(estimator.child('transformer_'));
  return row => {
    const answer = inner(row);
    return { kind: 'values', values: asValues(answer).map(back), isOpen: answer.isOpen === true };
  };
}

function inverseOf(transformer: Estimator): (x: number, column: number) => number {
  const list = (name: string): Float64Array | undefined =>
    transformer.has(name) ? transformer.dense(name).data : undefined;
  const scale = list('scale_');
  switch (transformer.className) {
    case 'FunctionTransformer':
      return columnFunction(transformer, 'inverse_func');
    case 'StandardScaler': {
      const mean = transformer.flag('with_mean', true) ? list('mean_') : undefined;
      return (x, i) => x * (scale?.[i] ?? 1) + (mean?.[i] ?? 0);
    }
    case 'RobustScaler': {
      const center = list('center_');
      return (x, i) => x * (scale?.[i] ?? 1) + (center?.[i] ?? 0);
    }
    case 'MinMaxScaler': {
      const least = list('min_');
      return (x, i) => (x - (least?.[i] ?? 0)) / (scale?.[i] ?? 1);
    }
    default:
      throw new NotWalkable(`a target transformed by ${transformer.className}`);
  }
}

export const ensemblePredictors: Readonly<Record<string, WritePredictor>> = {
  BaggingClassifier: baggingClassifier,
  BaggingRegressor: baggingRegressor,
  VotingClassifier: votingClassifier,
  VotingRegressor: votingRegressor,
  StackingClassifier: stackingClassifier,
  StackingRegressor: stackingRegressor,
  AdaBoostClassifier: (estimator, walk) =>
    (estimator.text('algorithm') === 'SAMME.R' ? adaBoostByShares : adaBoostByVotes)(estimator, walk),
  AdaBoostRegressor: adaBoostRegressor,
  MultiOutputRegressor: multiOutputRegressor,
  MultiOutputClassifier: (estimator, walk) => {
    const members = estimator.children('estimators_').map(walk.predictor);
    return row => ({ kind: 'several', answers: members.map(member => member(row)) });
  },
  RegressorChain: regressorChain,
  RANSACRegressor: (estimator, walk) => walk.predictor(estimator.child('estimator_')),
  TransformedTargetRegressor: transformedTarget,
};
