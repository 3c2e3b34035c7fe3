import { OnnxError } from '../../onnx-error.ts';
import { GraphBuilder } from '../graph-builder.ts';
import { PyObject, type PyValue } from '../pickle/python-values.ts';
import type { ConverterSettings } from '../report.ts';
import type { ConvertedGraph } from '../sklearn/convert-sklearn.ts';
import { asEstimator, type Estimator, type Labels } from '../sklearn/records.ts';
import { emitTreeEnsemble } from '../trees/tree-ensemble.ts';
import { type Decided, type Decision, decide, declareDecided, finishBoosted } from './boosted-model.ts';
import { type ColumnView, type LightgbmModel, readLightgbm } from './read-lightgbm.ts';

const value =
  (link: Extract<Decision, { kind: 'value' }>['link']): (() => Decision) =>
  () => ({ kind: 'value', link });

/** Every objective that converts; the argument is its `sigmoid` parameter. */
export const lightgbmObjectives: ReadonlyMap<string, (sigmoid: number) => Decision> = new Map<
  string,
  (sigmoid: number) => Decision
>([
  ['regression', value('identity')],
  ['regression_l1', value('identity')],
  ['l1', value('identity')],
  ['l2', value('identity')],
  ['huber', value('identity')],
  ['fair', value('identity')],
  ['quantile', value('identity')],
  ['mape', value('identity')],
  ['lambdarank', value('identity')],
  ['rank_xendcg', value('identity')],
  ['poisson', value('exp')],
  ['gamma', value('exp')],
  ['tweedie', value('exp')],
  ['cross_entropy', value('sigmoid')],
  ['xentropy', value('sigmoid')],
  ['cross_entropy_lambda', value('log1p-exp')],
  ['xentlambda', value('log1p-exp')],
  ['binary', sigmoid => ({ kind: 'binary', sigmoid })],
  ['multiclass', () => ({ kind: 'softmax' })],
  ['softmax', () => ({ kind: 'softmax' })],
  ['multiclassova', sigmoid => ({ kind: 'one-versus-all', sigmoid })],
]);

export function convertLightgbmText(bytes: Uint8Array, settings: ConverterSettings): ConvertedGraph {
  return emit(readLightgbm(new TextDecoder().decode(bytes)), undefined, undefined, settings);
}

/** A pickled Booster, LGBMClassifier, LGBMRegressor or LGBMRanker: the model is kept as text inside. */
export function convertLightgbmPickle(root: PyValue, settings: ConverterSettings): ConvertedGraph {
  const estimator = asEstimator(root, root instanceof PyObject ? root.type.name : 'model');
  const { model, classes, bestIteration } = readLightgbmWrapper(estimator);
  return emit(
    model,
    classes,
    bestIteration,
    settings,
    estimator.className === 'Booster' ? undefined : estimator.className,
  );
}

/** The model inside a Booster or scikit-learn wrapper, its class labels, and the round it predicts up to. */
export function readLightgbmWrapper(estimator: Estimator): {
  readonly model: LightgbmModel;
  readonly classes: Labels | undefined;
  readonly bestIteration: number | undefined;
} {
  const isBooster = estimator.className === 'Booster';
  if (!isBooster && !estimator.has('_Booster'))
    throw new OnnxError('not_a_model', `The ${estimator.className} is not fitted; fit it before saving.`);
  const booster = isBooster ? estimator : estimator.child('_Booster');
  const text = booster.raw('handle') ?? booster.raw('_handle');
  if (typeof text !== 'string') throw booster.refuse('keeps no trained model as text');
  const best = booster.number('best_iteration') ?? 0;
  return { model: readLightgbm(text), classes: classLabels(estimator), bestIteration: best > 0 ? best : undefined };
}

function classLabels(estimator: Estimator): Labels | undefined {
  if (estimator.has('_classes')) return estimator.labels('_classes');
  return estimator.has('_le') ? estimator.child('_le').labels('classes_') : undefined;
}

function decisionOf(model: LightgbmModel): Decision {
  const [name = '', ...options] = model.objective.split(' ');
  const sigmoid = Number(options.find(option => option.startsWith('sigmoid:'))?.slice(8) ?? 1);
  const decide = lightgbmObjectives.get(name);
  if (name === '') return { kind: 'value', link: 'identity' };
  if (decide === undefined || !(sigmoid > 0)) {
    throw new OnnxError(
      'unsupported_source',
      `The objective "${model.objective}" is not one of LightGBM's own, so nobody can know what its scores mean; train with a built-in objective.`,
      { op: name, unsupported: [`objective ${model.objective}`] },
    );
  }
  const decision = decide(sigmoid);
  if (name === 'regression' && options.includes('sqrt')) return { kind: 'value', link: 'signed-square' };
  return model.isAveraged ? averagedDecision(model, decision, name) : decision;
}

/**
 * Random forests of older versions keep the leaves on the scale of the prediction, newer ones keep raw scores. Class
 * shares are told from raw scores by their range; other links cannot be told apart before file version 4.
 */
function averagedDecision(model: LightgbmModel, decision: Decision, name: string): Decision {
  if (decision.kind === 'value') {
    if (decision.link === 'identity' || model.version === 'v4') return decision;
    throw new OnnxError(
      'unsupported_source',
      `A random forest with the objective "${name}" means different things in different versions of LightGBM; save it again with version 4.`,
      { op: name },
    );
  }
  const isShare = model.trees.every(tree => tree.value.every(leaf => leaf >= 0 && leaf <= 1));
  return isShare ? { kind: 'shares' } : decision;
}

/** Columns beside each other for every view the trees use. */
function viewedInput(graph: GraphBuilder, x: string, views: readonly ColumnView[]): string {
  const columns = views.map(view => {
    if (view === 'plain') return x;
    if (view === 'zero-missing') {
      // LightGBM takes everything up to 1e-35 in size for zero.
      const isZero = graph.op('LessOrEqual', [graph.op('Abs', [x]), graph.double(1.0000000180025095e-35)]);
      return graph.op('Where', [isZero, graph.double(Number.NaN), x]);
    }
    return graph.op('Mul', [graph.op('Sign', [x]), graph.op('Floor', [graph.op('Abs', [x])])]);
  });
  return columns.length === 1 ? x : graph.op('Concat', columns, { axis: 1n });
}

/** What a model says about an input of shape [batch, features] in double. */
export function decideLightgbm(
  graph: GraphBuilder,
  x: string,
  model: LightgbmModel,
  bestIteration: number | undefined,
  chosen: number | undefined,
  notes: string[],
): Decided {
  const decision = decisionOf(model);
  const columns = Math.max(1, model.treesPerRound);
  const rounds = model.trees.length / columns;
  if (chosen !== undefined && chosen > rounds)
    throw new OnnxError('bad_option', `rounds is ${chosen}, but the model has ${rounds}.`);
  const used = chosen ?? (bestIteration !== undefined && bestIteration < rounds ? bestIteration : rounds);
  if (used < rounds)
    notes.push(`Only the first ${used} of ${rounds} rounds are used, as the saved object does or as asked.`);
  const trees = model.trees.slice(0, used * columns);
  if (trees.length === 0)
    throw new OnnxError('not_a_model', 'The LightGBM model has no trees; train it before saving.');
  let raw = emitTreeEnsemble(graph, viewedInput(graph, x, model.views), trees, columns);
  if (model.isAveraged) raw = graph.op('Div', [raw, graph.double(used, [1, 1])]);
  return decide(graph, raw, columns, decision, 'double');
}

function emit(
  model: LightgbmModel,
  classes: Labels | undefined,
  bestIteration: number | undefined,
  settings: ConverterSettings,
  modelClass?: string,
): ConvertedGraph {
  const graph = new GraphBuilder();
  const notes: string[] = [];
  const x = graph.input('X', 'double', ['batch', model.features]);
  const known = declareDecided(
    graph,
    decideLightgbm(graph, x, model, bestIteration, settings.rounds, notes),
    'double',
    classes,
  );
  return finishBoosted({
    graph,
    framework: 'LightGBM',
    frameworkVersion: model.version === '' ? undefined : `of file version ${model.version}`,
    modelClass: modelClass ?? (model.objective.split(' ')[0] || 'no objective'),
    featureNames: model.featureNames.length > 0 ? model.featureNames : undefined,
    classes: known,
    notes,
    producerVersion: settings.producerVersion,
  });
}
