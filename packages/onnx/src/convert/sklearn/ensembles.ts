import { PyList, PyTuple } from '../pickle/python-values.ts';
import { argMax, byProbability, indexAbove, normalizedRows, sigmoid, withComplement } from './class-answers.ts';
import { interpolate } from './interpolate.ts';
import {
  type Answer,
  type ClassAnswer,
  type Frame,
  frameWidth,
  joinFrames,
  type Lowering,
  matrix,
  matrixFrame,
  type SklearnClass,
  selectColumns,
} from './lowering.ts';
import { asEstimator, dense, type Estimator, type Labels, labels, namedParts } from './records.ts';
import { classPairs } from './support-vectors.ts';

const family = 'meta-estimators';

function classAnswer(estimator: Estimator, x: Frame, to: Lowering): ClassAnswer {
  const answer = to.predict(estimator, x);
  return answer.kind === 'classes' ? answer : estimator.refuse('is used as a classifier but predicts no single class');
}

function valueAnswer(estimator: Estimator, x: Frame, to: Lowering): { value: string; columns: number } {
  const answer = to.predict(estimator, x);
  return answer.kind === 'values' ? answer : estimator.refuse('is used as a regressor but predicts no numbers');
}

/** One column per class of the ensemble: 1 where the member decides for it. Members know classes by position. */
function decisionColumns(answer: ClassAnswer, member: Estimator, classes: Labels, to: Lowering): string {
  const { graph } = to;
  const table = new Float64Array(answer.classes.values.length * classes.values.length);
  answer.classes.values.forEach((label, row) => {
    table[row * classes.values.length + positionOf(label, classes, member)] = 1;
  });
  return graph.op(
    'Gather',
    [graph.double(table, [answer.classes.values.length, classes.values.length]), answer.index],
    { axis: 0n },
  );
}

function positionOf(label: string | bigint | number | boolean, classes: Labels, member: Estimator): number {
  const at = (classes.values as readonly unknown[]).indexOf(label);
  return at >= 0 ? at : member.refuse(`knows the class ${String(label)}, which the ensemble does not`);
}

/** Positions 0..n-1 as labels, which is how ensembles encode classes for their members. */
function positions(count: number): Labels {
  return { type: 'int64', values: Array.from({ length: count }, (_, i) => BigInt(i)) };
}

/** Member probabilities spread over the columns of the ensemble's classes. */
function spreadProbabilities(answer: ClassAnswer, member: Estimator, count: number, to: Lowering): string {
  const { graph } = to;
  if (answer.probabilities === undefined) return decisionColumns(answer, member, positions(count), to);
  const known = answer.classes.values;
  if (known.length === count) return answer.probabilities;
  const table = new Float64Array(known.length * count);
  known.forEach((label, row) => {
    table[row * count + positionOf(label, positions(count), member)] = 1;
  });
  return graph.op('Gemm', [answer.probabilities, graph.double(table, [known.length, count])]);
}

function sumOf(values: readonly string[], to: Lowering): string {
  return values.reduce((sum, value) => to.graph.op('Add', [sum, value]));
}

function adaBoostClassifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const classes = estimator.labels('classes_');
  const count = classes.values.length;
  const members = estimator.children('estimators_');
  const weights = estimator.dense('estimator_weights_').data.subarray(0, members.length);
  const isReal = estimator.text('algorithm') === 'SAMME.R';
  const addsHits = !isReal && to.version < 1005;
  const parts = members.map((member, i) => {
    const answer = classAnswer(member, x, to);
    if (isReal) return realScores(answer, member, to);
    const hit = decisionColumns(answer, member, classes, to);
    const weight = weights[i]!;
    if (addsHits) return graph.op('Mul', [hit, graph.double(weight)]);
    return graph.op('Where', [
      graph.op('Greater', [hit, graph.double(0.5)]),
      graph.double(weight),
      graph.double(-weight / (count - 1)),
    ]);
  });
  const total = weights.reduce((sum, value) => sum + value, 0);
  const scores = graph.op('Div', [sumOf(parts, to), graph.double(total)]);
  const decision =
    count === 2
      ? graph.op('Sub', [
          graph.op('Gather', [scores, graph.ints(1)], { axis: 1n }),
          graph.op('Gather', [scores, graph.ints(0)], { axis: 1n }),
        ])
      : scores;
  const index = count === 2 ? indexAbove(graph, decision, 0) : argMax(graph, decision);
  if (addsHits && !(to.version >= 22 && to.version < 1003)) {
    // What these scores mean changed in 0.22 and again between 1.3 and 1.5; elsewhere only the decision is certain.
    to.notes.push(
      `${estimator.path}: probabilities of AdaBoost with SAMME of this version are left out; the label is exact.`,
    );
    return { kind: 'classes', classes, index };
  }
  const logits =
    count === 2
      ? graph.op('Div', [graph.op('Concat', [graph.op('Neg', [decision]), decision], { axis: 1n }), graph.double(2)])
      : graph.op('Div', [decision, graph.double(count - 1)]);
  return {
    kind: 'classes',
    classes,
    index,
    probabilities: graph.op('Softmax', [logits], { axis: 1n }),
    scores: { value: decision, columns: count === 2 ? 1 : count },
  };
}

/** Scores of the SAMME.R variant, from log probabilities. */
function realScores(answer: ClassAnswer, member: Estimator, to: Lowering): string {
  const { graph } = to;
  const p = answer.probabilities ?? member.refuse('gives no probabilities, which SAMME.R needs');
  const count = answer.classes.values.length;
  const log = graph.op('Log', [graph.op('Max', [p, graph.double(Number.EPSILON)])]);
  const mean = graph.op('Div', [graph.op('ReduceSum', [log, graph.ints(1)], { keepdims: 1n }), graph.double(count)]);
  return graph.op('Mul', [graph.double(count - 1), graph.op('Sub', [log, mean])]);
}

/** Weighted median of the members' predictions. */
function adaBoostRegressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const members = estimator.children('estimators_');
  const weights = estimator.dense('estimator_weights_').data.subarray(0, members.length);
  const all = graph.op(
    'Concat',
    members.map(member => valueAnswer(member, x, to).value),
    { axis: 1n },
  );
  const [sorted = '', order = ''] = graph.opMany('TopK', [all, graph.ints(members.length)], 2, {
    axis: 1n,
    largest: 0n,
    sorted: 1n,
  });
  const cumulative = graph.op('CumSum', [
    graph.op('Gather', [graph.double(weights), order], { axis: 0n }),
    graph.constant('int64', [], [1]),
  ]);
  const half = graph.op('Mul', [
    graph.double(0.5),
    graph.op('Gather', [cumulative, graph.ints(members.length - 1)], { axis: 1n }),
  ]);
  const reached = graph.cast(graph.op('GreaterOrEqual', [cumulative, half]), 'double');
  const at = graph.op('ArgMax', [reached], { axis: 1n, keepdims: 1n });
  return { kind: 'values', value: graph.op('GatherElements', [sorted, at], { axis: 1n }), columns: 1 };
}

function featureSubsets(estimator: Estimator, members: number): (readonly number[])[] {
  const raw = estimator.raw('estimators_features_');
  if (raw instanceof PyList || raw instanceof PyTuple)
    return raw.items.map(item => [...dense(item, `${estimator.path}.estimators_features_`).data]);
  return estimator.refuse(`keeps no feature subsets for its ${members} members`);
}

function baggingClassifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const classes = estimator.labels('classes_');
  const count = classes.values.length;
  const members = estimator.children('estimators_');
  const subsets = featureSubsets(estimator, members.length);
  const parts = members.map((member, i) =>
    spreadProbabilities(classAnswer(member, selectColumns(x, subsets[i] ?? [], to), to), member, count, to),
  );
  return byProbability(graph, classes, graph.op('Div', [sumOf(parts, to), graph.double(members.length)]));
}

function baggingRegressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const members = estimator.children('estimators_');
  const subsets = featureSubsets(estimator, members.length);
  const answers = members.map((member, i) => valueAnswer(member, selectColumns(x, subsets[i] ?? [], to), to));
  const sum = sumOf(
    answers.map(answer => answer.value),
    to,
  );
  return {
    kind: 'values',
    value: to.graph.op('Div', [sum, to.graph.double(members.length)]),
    columns: answers[0]?.columns ?? 1,
  };
}

/** Weights of the members that were not dropped. */
function votingWeights(estimator: Estimator, members: number): number[] {
  const raw = estimator.raw('weights') ?? null;
  if (raw === null) return new Array<number>(members).fill(1);
  const all = [...dense(raw, `${estimator.path}.weights`).data];
  const parts = namedParts(estimator.raw('estimators'), estimator.path);
  return all.filter((_, i) => parts[i]?.part !== 'drop' && parts[i]?.part !== null);
}

function weightedMean(parts: readonly string[], weights: readonly number[], to: Lowering): string {
  const { graph } = to;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const scaled = parts.map((part, i) =>
    weights[i] === 1 ? part : graph.op('Mul', [part, graph.double(weights[i] ?? 1)]),
  );
  return graph.op('Div', [sumOf(scaled, to), graph.double(total)]);
}

function votingClassifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const classes = estimator.labels('classes_');
  const count = classes.values.length;
  const members = estimator.children('estimators_');
  const weights = votingWeights(estimator, members.length);
  const isSoft = estimator.text('voting') === 'soft';
  const parts = members.map(member => {
    const answer = classAnswer(member, x, to);
    if (isSoft && answer.probabilities === undefined) member.refuse('gives no probabilities, which soft voting needs');
    return isSoft
      ? spreadProbabilities(answer, member, count, to)
      : decisionColumns(answer, member, positions(count), to);
  });
  const mean = weightedMean(parts, weights, to);
  return isSoft ? byProbability(to.graph, classes, mean) : { kind: 'classes', classes, index: argMax(to.graph, mean) };
}

function votingRegressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const members = estimator.children('estimators_');
  const parts = members.map(member => valueAnswer(member, x, to).value);
  return { kind: 'values', value: weightedMean(parts, votingWeights(estimator, members.length), to), columns: 1 };
}

/** What the members answer, side by side, as the final estimator learned it. */
function stackedFrame(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const methods = estimator.list('stack_method_');
  const frames = estimator.children('estimators_').map((member, i): Frame => {
    const answer = to.predict(member, x);
    const method = methods[i];
    if (answer.kind === 'values') return matrixFrame(answer.value, answer.columns);
    if (answer.kind !== 'classes') return member.refuse('gives an answer that stacking cannot use');
    if (method === 'predict_proba' && answer.probabilities !== undefined) {
      const count = answer.classes.values.length;
      return count === 2
        ? matrixFrame(graph.op('Gather', [answer.probabilities, graph.ints(1)], { axis: 1n }), 1)
        : matrixFrame(answer.probabilities, count);
    }
    if (method === 'decision_function' && answer.scores !== undefined)
      return matrixFrame(answer.scores.value, answer.scores.columns);
    if (method === 'predict')
      return matrixFrame(graph.op('Reshape', [graph.cast(answer.index, 'double'), graph.ints(-1, 1)]), 1);
    return member.refuse(`has no ${String(method)}, which stacking uses`);
  });
  return joinFrames(estimator.flag('passthrough', false) ? [...frames, x] : frames, to);
}

function stackingClassifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const classes = estimator.labels('classes_');
  const final = estimator.child('final_estimator_');
  const answer = classAnswer(final, stackedFrame(estimator, x, to), to);
  if (answer.classes.values.length !== classes.values.length)
    estimator.refuse('ends in an estimator that knows other classes');
  return { ...answer, classes };
}

function stackingRegressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  return to.predict(estimator.child('final_estimator_'), stackedFrame(estimator, x, to));
}

/** The score that calibration and one-versus-rest use: decision function first, else the probability of class 1. */
function preferredScore(
  answer: ClassAnswer,
  member: Estimator,
  to: Lowering,
): { value: string; columns: number; boundary: number } {
  if (answer.scores !== undefined) return { ...answer.scores, boundary: 0 };
  const p = answer.probabilities ?? member.refuse('gives neither scores nor probabilities');
  const count = answer.classes.values.length;
  if (count > 2) return { value: p, columns: count, boundary: 0.5 };
  return { value: to.graph.op('Gather', [p, to.graph.ints(1)], { axis: 1n }), columns: 1, boundary: 0.5 };
}

function calibratedClassifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const classes = estimator.labels('classes_');
  const members = estimator.children('calibrated_classifiers_');
  const parts = members.map(member => calibratedMember(member, classes.values.length, x, to));
  return byProbability(graph, classes, graph.op('Div', [sumOf(parts, to), graph.double(members.length)]));
}

function calibratedMember(member: Estimator, count: number, x: Frame, to: Lowering): string {
  const { graph } = to;
  const inner = member.child(member.has('estimator') ? 'estimator' : 'base_estimator');
  const answer = classAnswer(inner, x, to);
  const score = preferredScore(answer, inner, to);
  if (answer.classes.values.length !== count) member.refuse('was fitted on a part of the classes');
  const calibrators = member.children(member.has('calibrators') ? 'calibrators' : 'calibrators_');
  const calibrated = calibrators.map((calibrator, i) => {
    const column = score.columns === 1 ? score.value : graph.op('Gather', [score.value, graph.ints(i)], { axis: 1n });
    return calibratedColumn(calibrator, column, to);
  });
  if (count === 2) return withComplement(graph, calibrated[0] ?? member.refuse('has no calibrator'));
  const all = graph.op('Concat', calibrated, { axis: 1n });
  const total = graph.op('ReduceSum', [all, graph.ints(1)], { keepdims: 1n });
  const isZero = graph.op('Equal', [total, graph.double(0)]);
  return graph.op('Where', [
    isZero,
    graph.double(1 / count),
    graph.op('Div', [all, graph.op('Where', [isZero, graph.double(1), total])]),
  ]);
}

function calibratedColumn(calibrator: Estimator, column: string, to: Lowering): string {
  const { graph } = to;
  if (calibrator.className === '_SigmoidCalibration') {
    const a = calibrator.number('a_') ?? calibrator.refuse('has no slope');
    const b = calibrator.number('b_') ?? calibrator.refuse('has no offset');
    const exponent = graph.op('Add', [graph.op('Mul', [graph.double(a), column]), graph.double(b)]);
    return sigmoid(graph, graph.op('Neg', [exponent]));
  }
  if (calibrator.className === 'IsotonicRegression') return isotonicColumn(calibrator, column, to);
  return calibrator.refuse('is a calibration that is not supported');
}

function isotonicColumn(estimator: Estimator, column: string, to: Lowering): string {
  const { graph } = to;
  const isNew = estimator.has('X_thresholds_');
  const points = estimator.dense(isNew ? 'X_thresholds_' : '_necessary_X_').data;
  const values = estimator.dense(isNew ? 'y_thresholds_' : '_necessary_y_').data;
  const inside = interpolate(column, points, values, to);
  // One point is a constant, wherever it lies.
  if (estimator.text('out_of_bounds') === 'clip' || points.length === 1) return inside;
  const isOutside = graph.op('Or', [
    graph.op('Less', [column, graph.double(points[0]!)]),
    graph.op('Greater', [column, graph.double(points.at(-1)!)]),
  ]);
  if (estimator.text('out_of_bounds') === 'raise')
    to.notes.push(
      `${estimator.path}: a value out of bounds gives NaN instead of an error, which a graph cannot raise.`,
    );
  return graph.op('Where', [isOutside, graph.double(Number.NaN), inside]);
}

function isotonicRegression(estimator: Estimator, x: Frame, to: Lowering): Answer {
  if (frameWidth(x) !== 1) estimator.refuse('gets more than one column');
  return { kind: 'values', value: isotonicColumn(estimator, matrix(x, to, estimator), to), columns: 1 };
}

function oneVersusRest(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const classes = estimator.labels('classes_');
  const members = estimator.children('estimators_');
  const answers = members.map(member => classAnswer(member, x, to));
  const scores = answers.map((answer, i) => preferredScore(answer, members[i]!, to));
  const probabilities = answers.every(answer => answer.probabilities !== undefined)
    ? answers.map(answer => graph.op('Gather', [answer.probabilities!, graph.ints(1)], { axis: 1n }))
    : undefined;
  if (members.length === 1) {
    const [score] = scores;
    const p = probabilities?.[0];
    const index = indexAbove(graph, score!.value, score!.boundary);
    return {
      kind: 'classes',
      classes,
      index,
      scores: { value: score!.value, columns: 1 },
      ...(p === undefined ? {} : { probabilities: withComplement(graph, p) }),
    };
  }
  if (isMultilabel(estimator)) estimator.refuse('predicts several labels at once, which is not supported');
  const all = graph.op(
    'Concat',
    scores.map(score => score.value),
    { axis: 1n },
  );
  // Among equals the last class wins, as scikit-learn overwrites the maximum.
  const index = graph.op('ArgMax', [all], { axis: 1n, keepdims: 0n, select_last_index: 1n });
  const shares =
    probabilities === undefined ? undefined : normalizedRows(graph, graph.op('Concat', probabilities, { axis: 1n }));
  return {
    kind: 'classes',
    classes,
    index,
    scores: { value: all, columns: members.length },
    ...(shares === undefined ? {} : { probabilities: shares }),
  };
}

function isMultilabel(estimator: Estimator): boolean {
  const binarizer = estimator.raw('label_binarizer_');
  if (binarizer === undefined || binarizer === null) return false;
  return (asEstimator(binarizer, estimator.path).text('y_type_') ?? '').startsWith('multilabel');
}

function oneVersusOne(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const classes = estimator.labels('classes_');
  const count = classes.values.length;
  const members = estimator.children('estimators_');
  if (estimator.has('pairwise_indices_')) estimator.refuse('was fitted on a kernel matrix');
  const answers = members.map(member => classAnswer(member, x, to));
  const scores = answers.map((answer, i) => preferredScore(answer, members[i]!, to));
  const pairs = classPairs(count);
  const spread = new Float64Array(pairs.length * count);
  const base = new Float64Array(count);
  pairs.forEach(([i, j], p) => {
    spread[p * count + j] = 1;
    spread[p * count + i] = -1;
    base[i] = base[i]! + 1;
  });
  const table = graph.double(spread, [pairs.length, count]);
  const wins = graph.op(
    'Concat',
    answers.map(answer => graph.op('Reshape', [graph.cast(answer.index, 'double'), graph.ints(-1, 1)])),
    { axis: 1n },
  );
  const votes = graph.op('Add', [graph.op('Gemm', [wins, table]), graph.double(base)]);
  const confidence = graph.op('Gemm', [
    graph.op(
      'Concat',
      scores.map(score => score.value),
      { axis: 1n },
    ),
    table,
  ]);
  const bounded = graph.op('Div', [
    confidence,
    graph.op('Mul', [graph.double(3), graph.op('Add', [graph.op('Abs', [confidence]), graph.double(1)])]),
  ]);
  const total = graph.op('Add', [votes, bounded]);
  if (count === 2) return { kind: 'classes', classes, index: indexAbove(graph, scores[0]!.value, scores[0]!.boundary) };
  return { kind: 'classes', classes, index: argMax(graph, total), scores: { value: total, columns: count } };
}

function multiOutputRegressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const parts = estimator.children('estimators_').map(member => valueAnswer(member, x, to).value);
  return { kind: 'values', value: to.graph.op('Concat', parts, { axis: 1n }), columns: parts.length };
}

function multiOutputClassifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  return { kind: 'several', answers: estimator.children('estimators_').map(member => classAnswer(member, x, to)) };
}

/** Each output is predicted from the input and the outputs before it. */
function regressorChain(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const order = [...dense(estimator.raw('order_'), `${estimator.path}.order_`).data];
  const outputs: string[] = [];
  let frame = x;
  estimator.children('estimators_').forEach((member, i) => {
    const { value } = valueAnswer(member, frame, to);
    outputs[order[i] ?? i] = value;
    frame = joinFrames([frame, matrixFrame(value, 1)], to);
  });
  return { kind: 'values', value: graph.op('Concat', outputs, { axis: 1n }), columns: outputs.length };
}

/** A value of shape [batch, columns] with the same row everywhere. */
function constantRows(row: Float64Array, x: Frame, to: Lowering): string {
  const { graph } = to;
  const [first] = x.blocks;
  const batch = graph.op('Shape', [first?.value ?? ''], { start: 0n, end: 1n });
  return graph.op('Expand', [
    graph.double(row, [1, row.length]),
    graph.op('Concat', [batch, graph.ints(row.length)], { axis: 0n }),
  ]);
}

function dummyClassifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const strategy = estimator.text('_strategy') ?? estimator.text('strategy') ?? '';
  const classes = estimator.labels('classes_');
  const prior = estimator.dense('class_prior_').data;
  const best = prior.indexOf(Math.max(...prior));
  const oneHot = (at: number): Float64Array => Float64Array.from(prior, (_, i) => (i === at ? 1 : 0));
  if (strategy === 'prior') return byProbability(to.graph, classes, constantRows(prior, x, to));
  if (strategy === 'most_frequent') return byProbability(to.graph, classes, constantRows(oneHot(best), x, to));
  if (strategy !== 'constant') return estimator.refuse(`predicts at random (${strategy})`);
  const raw = estimator.raw('constant') ?? null;
  const [wanted] = labels(
    raw instanceof PyList || (raw !== null && typeof raw === 'object') ? raw : singleton(raw),
    `${estimator.path}.constant`,
  ).values;
  const at = (classes.values as readonly unknown[]).indexOf(wanted);
  return at < 0
    ? estimator.refuse('predicts a constant that is no class')
    : byProbability(to.graph, classes, constantRows(oneHot(at), x, to));
}

function singleton(value: Parameters<typeof labels>[0]): PyList {
  const list = new PyList();
  list.items.push(value ?? null);
  return list;
}

function dummyRegressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const row = estimator.dense('constant_').data;
  return { kind: 'values', value: constantRows(row, x, to), columns: row.length };
}

export const ensembleClasses: Readonly<Record<string, SklearnClass>> = {
  AdaBoostClassifier: { family, predict: adaBoostClassifier },
  AdaBoostRegressor: { family, predict: adaBoostRegressor },
  BaggingClassifier: { family, predict: baggingClassifier },
  BaggingRegressor: { family, predict: baggingRegressor },
  VotingClassifier: { family, predict: votingClassifier },
  VotingRegressor: { family, predict: votingRegressor },
  StackingClassifier: { family, predict: stackingClassifier },
  StackingRegressor: { family, predict: stackingRegressor },
  CalibratedClassifierCV: { family, predict: calibratedClassifier },
  OneVsRestClassifier: { family, predict: oneVersusRest },
  OneVsOneClassifier: { family, predict: oneVersusOne },
  MultiOutputRegressor: { family, predict: multiOutputRegressor },
  MultiOutputClassifier: { family, predict: multiOutputClassifier },
  RegressorChain: { family, predict: regressorChain },
  DummyClassifier: { family, predict: dummyClassifier },
  DummyRegressor: { family, predict: dummyRegressor },
  IsotonicRegression: { family, predict: isotonicRegression },
};
