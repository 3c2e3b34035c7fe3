import { OnnxError } from '../../onnx-error.ts';
import { GraphBuilder } from '../graph-builder.ts';
import { PyObject, type PyValue } from '../pickle/python-values.ts';
import type { ConverterSettings } from '../report.ts';
import type { ConvertedGraph } from '../sklearn/convert-sklearn.ts';
import { asEstimator, type Estimator, type Labels } from '../sklearn/records.ts';
import { type DecisionTree, emitTreeEnsemble } from '../trees/tree-ensemble.ts';
import { type Decided, type Decision, decide, declareDecided, finishBoosted } from './boosted-model.ts';
import { readXgboostBinary } from './read-xgboost-binary.ts';
import { readXgboostDocument } from './read-xgboost-json.ts';
import { readUbjson } from './ubjson.ts';
import type { XgboostModel } from './xgboost-model.ts';

/** How each objective reads a base score, and turns margins into an answer. */
interface Objective {
  readonly toMargin: (score: number) => number;
  readonly decision: Decision;
}

const logit = (p: number): number => Math.fround(-Math.log(1 / p - 1));
const asIs = (score: number): number => score;
const value = (link: Extract<Decision, { kind: 'value' }>['link'], toMargin: (score: number) => number): Objective => ({
  toMargin,
  decision: { kind: 'value', link },
});
const identity = value('identity', asIs);
const exponential = value('exp', score => Math.fround(Math.log(score)));

/** Every objective that converts. */
export const xgboostObjectives: ReadonlyMap<string, Objective> = new Map<string, Objective>([
  ['binary:logistic', { toMargin: logit, decision: { kind: 'binary', sigmoid: 1 } }],
  ['reg:logistic', value('sigmoid', logit)],
  ['binary:logitraw', identity],
  ['binary:hinge', { toMargin: asIs, decision: { kind: 'hinge' } }],
  ['multi:softprob', { toMargin: asIs, decision: { kind: 'softmax' } }],
  ['multi:softmax', { toMargin: asIs, decision: { kind: 'softmax' } }],
  ['reg:squarederror', identity],
  ['reg:linear', identity],
  ['reg:squaredlogerror', identity],
  ['reg:pseudohubererror', identity],
  ['reg:absoluteerror', identity],
  ['reg:quantileerror', identity],
  ['rank:pairwise', identity],
  ['rank:ndcg', identity],
  ['rank:map', identity],
  ['count:poisson', exponential],
  ['reg:gamma', exponential],
  ['reg:tweedie', exponential],
  ['survival:cox', exponential],
  ['survival:aft', exponential],
]);

export function convertXgboostJson(bytes: Uint8Array, settings: ConverterSettings): ConvertedGraph {
  return emit(readXgboostDocument(parseXgboostJson(bytes)), {}, settings);
}

export function convertXgboostUbjson(bytes: Uint8Array, settings: ConverterSettings): ConvertedGraph {
  return emit(readXgboostDocument(readUbjson(bytes)), {}, settings);
}

export function convertXgboostBinary(bytes: Uint8Array, settings: ConverterSettings): ConvertedGraph {
  return emit(readXgboostBinary(bytes), {}, settings);
}

/** JSON as XGBoost writes it. @throws OnnxError `source_malformed` */
export function parseXgboostJson(bytes: Uint8Array): unknown {
  try {
    // XGBoost writes NaN and Infinity as bare words, which JSON does not know.
    const text = new TextDecoder()
      .decode(bytes)
      .replace(/"(?:[^"\\]|\\.)*"|NaN|Infinity/g, word =>
        word === 'NaN' ? 'null' : word === 'Infinity' ? '1e999' : word,
      );
    return JSON.parse(text);
  } catch (cause) {
    throw new OnnxError('source_malformed', 'The file is not valid JSON; it may be truncated. Save the model again.', {
      cause,
    });
  }
}

/** What the scikit-learn wrapper adds to its booster. */
export interface Wrapper {
  readonly classes?: Labels;
  /** Number that stands for a missing value. */
  readonly missing?: number;
  readonly bestIteration?: number;
}

/** A pickled Booster, XGBClassifier, XGBRegressor, XGBRanker or one of their random-forest kin. */
export function convertXgboostPickle(root: PyValue, settings: ConverterSettings): ConvertedGraph {
  const estimator = asEstimator(root, root instanceof PyObject ? root.type.name : 'model');
  const { model, wrapper } = readXgboostWrapper(estimator);
  return emit(model, wrapper, settings, estimator.className === 'Booster' ? undefined : estimator.className);
}

/** The booster inside a scikit-learn wrapper and what the wrapper adds to it; a bare booster has nothing added. */
export function readXgboostWrapper(estimator: Estimator): { readonly model: XgboostModel; readonly wrapper: Wrapper } {
  if (estimator.className === 'Booster') return { model: readHandle(estimator), wrapper: {} };
  if (!estimator.has('_Booster'))
    throw new OnnxError('not_a_model', `The ${estimator.className} is not fitted; fit it before saving.`);
  const booster = estimator.child('_Booster');
  const classes = estimator.className.includes('Classifier') ? classLabels(estimator) : undefined;
  const missing = estimator.number('missing');
  const best = booster.number('best_iteration') ?? estimator.number('best_iteration');
  const wrapper = {
    ...(classes === undefined ? {} : { classes }),
    ...(missing === undefined || Number.isNaN(missing) ? {} : { missing }),
    ...(best === undefined ? {} : { bestIteration: best }),
  };
  return { model: readHandle(booster), wrapper };
}

function classLabels(estimator: Estimator): Labels | undefined {
  if (estimator.has('classes_')) return estimator.labels('classes_');
  return estimator.has('_le') ? estimator.child('_le').labels('classes_') : undefined;
}

function readHandle(booster: Estimator): XgboostModel {
  const handle = booster.raw('handle');
  if (!(handle instanceof Uint8Array)) throw booster.refuse('keeps no trained model');
  if (handle[0] === 0x7b) {
    const document = handle[1] === 0x22 || handle[1] === 0x0a ? parseXgboostJson(handle) : readUbjson(handle);
    const inner =
      document !== null && typeof document === 'object' && Object.hasOwn(document, 'Model')
        ? Reflect.get(document, 'Model')
        : document;
    return readXgboostDocument(inner);
  }
  return readXgboostBinary(handle);
}

/** What a booster says about an input of shape [batch, features] in float32. */
export function decideXgboost(
  graph: GraphBuilder,
  input: string,
  model: XgboostModel,
  wrapper: Wrapper,
  rounds: number | undefined,
  notes: string[],
): Decided {
  const objective = xgboostObjectives.get(model.objective);
  if (objective === undefined) {
    throw new OnnxError(
      'unsupported_source',
      `The objective "${model.objective}" is not one of XGBoost's own, so nobody can know what its scores mean; train with a built-in objective.`,
      { op: model.objective, unsupported: [`objective ${model.objective}`] },
    );
  }
  let x = input;
  if (wrapper.missing !== undefined) {
    const isMissing = graph.op('Equal', [x, graph.constant('float', [], [wrapper.missing])]);
    x = graph.op('Where', [isMissing, graph.constant('float', [], [Number.NaN]), x]);
  }
  const margin = (score: number): number => (model.isBaseScoreMargin ? score : objective.toMargin(Math.fround(score)));
  const base = Array.from({ length: model.groups }, (_, i) =>
    margin(model.baseScore[model.baseScore.length === 1 ? 0 : i] ?? 0),
  );
  const raw =
    model.booster.kind === 'linear'
      ? linearMargin(graph, x, model, model.booster.weights, base)
      : treeMargin(graph, x, roundsOf(model.booster, wrapper, rounds, notes), model.groups, base);
  return decide(graph, graph.cast(raw, 'float'), model.groups, objective.decision, 'float');
}

function emit(
  model: XgboostModel,
  wrapper: Wrapper,
  settings: ConverterSettings,
  modelClass = model.objective,
): ConvertedGraph {
  const notes: string[] = [];
  const graph = new GraphBuilder();
  const x = graph.input('X', 'float', ['batch', model.features]);
  const classes = declareDecided(
    graph,
    decideXgboost(graph, x, model, wrapper, settings.rounds, notes),
    'float',
    wrapper.classes,
  );
  return finishBoosted({
    graph,
    framework: 'XGBoost',
    frameworkVersion: model.version,
    modelClass,
    featureNames: model.featureNames.length === model.features ? model.featureNames : undefined,
    classes,
    notes,
    producerVersion: settings.producerVersion,
  });
}

/** The trees that predict: all, or up to the best round where the saved object itself would stop there. */
function roundsOf(
  booster: Extract<XgboostModel['booster'], { kind: 'trees' }>,
  wrapper: Wrapper,
  chosen: number | undefined,
  notes: string[],
): readonly DecisionTree[] {
  const { trees, treesPerRound } = booster;
  const rounds = trees.length / treesPerRound;
  if (chosen !== undefined) {
    if (chosen > rounds) throw new OnnxError('bad_option', `rounds is ${chosen}, but the model has ${rounds}.`);
    return trees.slice(0, chosen * treesPerRound);
  }
  const best = wrapper.bestIteration;
  if (best !== undefined && best + 1 < rounds) {
    notes.push(`Rounds after the best one (${best}) are left out, as the saved object does.`);
    return trees.slice(0, (best + 1) * treesPerRound);
  }
  if (best === undefined && booster.bestIteration !== undefined && booster.bestIteration + 1 < rounds) {
    notes.push(
      `Training stopped early: round ${booster.bestIteration} was best, but a plain booster file predicts with all ${rounds} rounds, and so does this model.`,
    );
  }
  return trees;
}

function treeMargin(
  graph: GraphBuilder,
  x: string,
  trees: readonly DecisionTree[],
  groups: number,
  base: readonly number[],
): string {
  const start = graph.double(base, [1, groups]);
  const input = graph.cast(x, 'double');
  // Without a round of training the margin is the base score; the product keeps the batch dimension.
  if (trees.length === 0)
    return graph.op('Add', [
      graph.op('Mul', [graph.op('Slice', [input, graph.ints(0), graph.ints(1), graph.ints(1)]), graph.double(0)]),
      start,
    ]);
  return graph.op('Add', [emitTreeEnsemble(graph, input, trees, groups), start]);
}

/** Linear booster: a missing value adds nothing; the last row of weights is the bias. */
function linearMargin(
  graph: GraphBuilder,
  x: string,
  model: XgboostModel,
  weights: Float64Array,
  base: readonly number[],
): string {
  const { features, groups } = model;
  if (weights.length !== (features + 1) * groups)
    throw new OnnxError(
      'source_malformed',
      `The linear booster has ${weights.length} weights for ${features} features and ${groups} outputs; save the model again.`,
    );
  const known = graph.op('Where', [graph.op('IsNaN', [x]), graph.constant('float', [], [0]), x]);
  const product = graph.op('Gemm', [
    graph.cast(known, 'double'),
    graph.double(weights.subarray(0, features * groups), [features, groups]),
  ]);
  const bias = base.map((score, group) => score + weights[features * groups + group]!);
  return graph.op('Add', [product, graph.double(bias, [1, groups])]);
}
