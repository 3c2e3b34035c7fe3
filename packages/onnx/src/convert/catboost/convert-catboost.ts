import { OnnxError } from '../../onnx-error.ts';
import { type Decided, type Decision, decide, declareDecided, finishBoosted } from '../boosting/boosted-model.ts';
import { GraphBuilder } from '../graph-builder.ts';
import type { ConverterSettings } from '../report.ts';
import type { ConvertedGraph } from '../sklearn/convert-sklearn.ts';
import type { Labels } from '../sklearn/records.ts';
import { checkTree } from '../trees/check-tree.ts';
import { type DecisionTree, emitTreeEnsemble } from '../trees/tree-ensemble.ts';
import { type CatboostModel, type CatboostTree, damaged, type FreeNode, type Split } from './catboost-model.ts';
import { readCatboostJson } from './read-catboost-json.ts';
import { readCbm } from './read-cbm.ts';

type Answer = Decision | { readonly kind: 'labels' } | { readonly kind: 'uncertainty' };

const value = (link: Extract<Decision, { kind: 'value' }>['link']): Answer => ({ kind: 'value', link });

/** What each loss makes of raw scores, as `predict` of CatBoost's Python package does. */
export const catboostLosses: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  ['Logloss', { kind: 'binary', sigmoid: 1 }],
  ['CrossEntropy', { kind: 'binary', sigmoid: 1 }],
  ['Focal', { kind: 'binary', sigmoid: 1 }],
  ['MultiClass', { kind: 'softmax' }],
  ['MultiClassOneVsAll', { kind: 'one-versus-all', sigmoid: 1 }],
  ['MultiLogloss', { kind: 'labels' }],
  ['MultiCrossEntropy', { kind: 'labels' }],
  ['RMSEWithUncertainty', { kind: 'uncertainty' }],
  ['Poisson', value('exp')],
  ['Tweedie', value('exp')],
  ...[
    'RMSE',
    'LogCosh',
    'MAE',
    'MAPE',
    'Quantile',
    'MultiQuantile',
    'Expectile',
    'Huber',
    'Lq',
    'LogLinQuantile',
    'MultiRMSE',
    'MultiRMSEWithMissingValues',
    'Cox',
    'SurvivalAft',
    'QueryRMSE',
    'QuerySoftMax',
    'QueryCrossEntropy',
    'GroupQuantile',
    'YetiRank',
    'YetiRankPairwise',
    'PairLogit',
    'PairLogitPairwise',
    'LambdaMart',
    'StochasticRank',
    'StochasticFilter',
  ].map((name): [string, Answer] => [name, value('identity')]),
]);

export function convertCbm(bytes: Uint8Array, settings: ConverterSettings): ConvertedGraph {
  return emit(readCbm(bytes), settings);
}

export function convertCatboostJson(bytes: Uint8Array, settings: ConverterSettings): ConvertedGraph {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new OnnxError('source_malformed', 'The CatBoost model is no valid JSON; save it again.', { cause });
  }
  return emit(readCatboostJson(document), settings);
}

function answerOf(loss: string): Answer {
  const answer = catboostLosses.get(loss);
  if (answer !== undefined) return answer;
  throw new OnnxError(
    'unsupported_source',
    loss === ''
      ? 'The CatBoost model does not say what it was trained for (its parameters lack a loss function), so nobody can know what its scores mean; save it again.'
      : `The loss "${loss}" is not one of CatBoost's own, so nobody can know what its scores mean; train with a built-in loss.`,
    { op: loss, unsupported: [`loss ${loss}`] },
  );
}

function emit(model: CatboostModel, settings: ConverterSettings): ConvertedGraph {
  const graph = new GraphBuilder();
  const answer = answerOf(model.loss);
  const floats = 1 + Math.max(-1, ...model.floats.map(({ column }) => column));
  const categories = 1 + Math.max(-1, ...model.categories.map(({ column }) => column));
  // Unused columns may be left out of the list, but not many times over.
  if (floats > 1_000_000 || categories > 1_000_000) throw damaged('it names a feature beyond column 1,000,000');
  const columns: string[] = [];
  // CatBoost reads numbers as float32 and compares them with float32 borders.
  if (floats > 0) columns.push(graph.cast(graph.input('X', 'float', ['batch', floats]), 'double'));
  const codes = categoryCodes(model);
  if (categories > 0) {
    const input = graph.input('categories', 'string', ['batch', categories]);
    columns.push(encodedCategories(graph, input, model, codes, categories));
  }
  if (columns.length === 0 || model.trees.length === 0) throw damaged('it has no features or no trees');
  const x = columns.length === 1 ? columns[0]! : graph.op('Concat', columns, { axis: 1n });
  const flat = model.trees.flatMap((tree, i) =>
    flattened(tree, model, codes, floats).map(single => checkTree(single, floats + categories, `tree ${i}`)),
  );
  let raw = emitTreeEnsemble(graph, x, flat, model.dimensions);
  if (model.scale !== 1) raw = graph.op('Mul', [raw, graph.double([model.scale], [1, 1])]);
  if (model.bias.some(bias => bias !== 0))
    raw = graph.op('Add', [raw, graph.double(model.bias, [1, model.dimensions])]);
  const classes = declare(graph, raw, model, answer);
  const names = [...model.floats, ...model.categories].map(({ name }) => name);
  return finishBoosted({
    graph,
    framework: 'CatBoost',
    frameworkVersion: model.version,
    modelClass: model.loss,
    featureNames: names.some(name => !/^\d+$/.test(name)) ? names : undefined,
    classes,
    notes:
      categories > 0
        ? ['Categories are given as text in the input "categories", numbers among them as CatBoost writes them ("1").']
        : [],
    producerVersion: settings.producerVersion,
  });
}

function declare(graph: GraphBuilder, raw: string, model: CatboostModel, answer: Answer): Labels | undefined {
  const { dimensions } = model;
  if (answer.kind === 'labels') {
    const probabilities = graph.op('Sigmoid', [raw]);
    graph.output(graph.cast(graph.op('Greater', [raw, graph.double([0], [1, 1])]), 'int64'), 'labels', 'int64', [
      'batch',
      dimensions,
    ]);
    graph.output(probabilities, 'probabilities', 'double', ['batch', dimensions]);
    return undefined;
  }
  if (answer.kind === 'uncertainty') {
    if (dimensions !== 2) throw damaged(`it has ${dimensions} scores per row instead of a mean and a deviation`);
    const [mean, deviation] = graph.opMany('Split', [raw], 2, { axis: 1n, num_outputs: 2n }) as [string, string];
    const variance = graph.op('Exp', [graph.op('Mul', [deviation, graph.double([2], [1, 1])])]);
    graph.output(graph.op('Concat', [mean, variance], { axis: 1n }), 'prediction', 'double', ['batch', 2]);
    return undefined;
  }
  if (answer.kind === 'binary' && dimensions !== 1) throw damaged(`it has ${dimensions} scores for two classes`);
  const decided: Decided = decide(graph, raw, dimensions, answer, 'double');
  return declareDecided(graph, decided, 'double', labelsOf(model));
}

function labelsOf({ classes }: CatboostModel): Labels | undefined {
  if (classes === undefined) return undefined;
  if (classes.every(label => typeof label === 'number' && Number.isSafeInteger(label)))
    return { type: 'int64', values: classes.map(BigInt) };
  if (classes.every(label => typeof label === 'number')) return { type: 'double', values: classes.map(Number) };
  if (classes.every(label => typeof label === 'boolean')) return { type: 'bool', values: classes.map(Boolean) };
  return { type: 'string', values: classes.map(String) };
}

/** A number for every category that some split asks for, per column. */
function categoryCodes(model: CatboostModel): ReadonlyMap<number, ReadonlyMap<number, number>> {
  return new Map(
    model.categories.map(({ column, texts }) => [column, new Map([...texts.keys()].map((hash, i) => [hash, i]))]),
  );
}

/** Texts as the numbers of their categories, -1 for those no split asks for. */
function encodedCategories(
  graph: GraphBuilder,
  input: string,
  model: CatboostModel,
  codes: ReadonlyMap<number, ReadonlyMap<number, number>>,
  count: number,
): string {
  const columns = Array.from({ length: count }, (_, column) => {
    const feature = model.categories.find(item => item.column === column);
    const known = codes.get(column);
    const text = graph.op('Gather', [input, graph.ints(column)], { axis: 1n });
    const keys = feature === undefined ? [] : [...feature.texts.values()];
    const index = graph.op(
      'LabelEncoder',
      [text],
      {
        // The encoder must know a text; one that a split never asks for changes nothing.
        keys_strings: keys.length > 0 ? keys : [''],
        values_int64s: keys.length > 0 ? BigInt64Array.from([...known!.values()], BigInt) : BigInt64Array.of(-1n),
        default_int64: -1n,
      },
      'ai.onnx.ml',
    );
    return graph.cast(index, 'double');
  });
  return columns.length === 1 ? columns[0]! : graph.op('Concat', columns, { axis: 1n });
}

/** One flat tree per score; those of one source tree share everything but the leaf values. */
function flattened(
  tree: CatboostTree,
  model: CatboostModel,
  codes: ReadonlyMap<number, ReadonlyMap<number, number>>,
  floats: number,
): DecisionTree[] {
  const feature: number[] = [];
  const threshold: number[] = [];
  const left: number[] = [];
  const right: number[] = [];
  const missingLeft: number[] = [];
  const leaves: (readonly number[] | undefined)[] = [];
  const members = new Map<number, readonly number[]>();
  const missingAbove = new Map(model.floats.map(({ column, isMissingAbove }) => [column, isMissingAbove]));
  const add = (): number => {
    leaves.push(undefined);
    missingLeft.push(1);
    left.push(-1);
    right.push(-1);
    threshold.push(0);
    return feature.push(0) - 1;
  };
  const leaf = (values: readonly number[]): number => {
    const node = add();
    leaves[node] = values;
    return node;
  };
  const branch = (split: Split, whenFalse: () => number, whenTrue: () => number): number => {
    const node = add();
    if (split.kind === 'above') {
      feature[node] = split.column;
      threshold[node] = split.border;
      missingLeft[node] = missingAbove.get(split.column) === true ? 0 : 1;
      left[node] = whenFalse();
      right[node] = whenTrue();
      return node;
    }
    const code = codes.get(split.column)?.get(split.hash);
    if (code === undefined)
      throw new OnnxError(
        'unsupported_source',
        `The CatBoost model asks whether feature "${nameOf(model, split.column)}" equals a category of which the file keeps only the hash ${split.hash}; save the model with a CatBoost that keeps category names (1.0 or newer), or as JSON with its pool.`,
        {
          node: nameOf(model, split.column),
          op: 'OneHotFeature',
          unsupported: [`feature ${nameOf(model, split.column)}`],
        },
      );
    feature[node] = floats + split.column;
    members.set(node, [code]);
    left[node] = whenTrue();
    right[node] = whenFalse();
    return node;
  };
  if (tree.kind === 'free') freeBranches(tree.root, leaf, branch);
  else {
    const { splits, values } = tree;
    const { dimensions } = model;
    const level = (depth: number, index: number): number => {
      const split = splits[depth];
      if (split === undefined) return leaf([...values.subarray(index * dimensions, (index + 1) * dimensions)]);
      return branch(
        split,
        () => level(depth + 1, index),
        () => level(depth + 1, index + 2 ** depth),
      );
    };
    level(0, 0);
  }
  const shape = {
    feature: Int32Array.from(feature),
    threshold: Float64Array.from(threshold),
    left: Int32Array.from(left),
    right: Int32Array.from(right),
    missingLeft: Uint8Array.from(missingLeft),
    members,
    mode: 'leq' as const,
  };
  return Array.from({ length: model.dimensions }, (_, target) => ({
    ...shape,
    value: Float64Array.from(leaves, values => values?.[target] ?? 0),
    target,
  }));
}

function freeBranches(
  node: FreeNode,
  leaf: (values: readonly number[]) => number,
  branch: (split: Split, whenFalse: () => number, whenTrue: () => number) => number,
): number {
  if (node.kind === 'leaf') return leaf(node.values);
  return branch(
    node.split,
    () => freeBranches(node.whenFalse, leaf, branch),
    () => freeBranches(node.whenTrue, leaf, branch),
  );
}

function nameOf(model: CatboostModel, column: number): string {
  return model.categories.find(feature => feature.column === column)?.name ?? String(column);
}
