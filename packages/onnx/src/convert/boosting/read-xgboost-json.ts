import { OnnxError } from '../../onnx-error.ts';
import { checkTree } from '../trees/check-tree.ts';
import type { DecisionTree } from '../trees/tree-ensemble.ts';
import { field, listField, numberField, numbersField, optionalField, textField } from './json-fields.ts';
import type { XgboostModel } from './xgboost-model.ts';

/**
 * Reads the document that XGBoost saves as JSON or UBJSON.
 * @throws OnnxError `source_malformed`, `not_a_model`, `unsupported_source`
 */
export function readXgboostDocument(document: unknown): XgboostModel {
  const learner = optionalField(document, 'learner');
  if (learner === undefined)
    throw new OnnxError('not_a_model', 'The document has no "learner"; it is not an XGBoost model.');
  const objective = textField(learner, 'objective', 'name');
  const features = numberField(learner, 'learner_model_param', 'num_feature');
  const classes = numberField(learner, 'learner_model_param', 'num_class');
  const targets = Number(optionalField(learner, 'learner_model_param', 'num_target') ?? 1);
  const groups = Math.max(1, classes) * Math.max(1, targets);
  const names = optionalField(learner, 'feature_names');
  const version = optionalField(document, 'version');
  return {
    version: Array.isArray(version) ? version.join('.') : undefined,
    objective,
    baseScore: baseScores(field(learner, 'learner_model_param', 'base_score')),
    isBaseScoreMargin: false,
    features,
    groups,
    featureNames: Array.isArray(names) ? names.filter(name => typeof name === 'string') : [],
    booster: readBooster(learner, features, groups),
  };
}

/** A number in text, or since version 3.1 a list such as "[5E-1,2E-1]". */
function baseScores(value: unknown): number[] {
  const parts = String(value)
    .replace(/^\[|\]$/g, '')
    .split(',')
    .map(Number);
  if (parts.some(Number.isNaN))
    throw new OnnxError('source_malformed', 'The base_score is not a number; save the model again.', {
      node: 'base_score',
    });
  return parts;
}

function readBooster(learner: unknown, features: number, groups: number): XgboostModel['booster'] {
  const booster = field(learner, 'gradient_booster');
  const name = textField(booster, 'name');
  if (name === 'gblinear') return { kind: 'linear', weights: numbersField(booster, 'model', 'weights') };
  if (name !== 'gbtree' && name !== 'dart')
    throw new OnnxError(
      'unsupported_source',
      `The booster "${name}" is not supported; gbtree, dart and gblinear are.`,
      { op: name },
    );
  const model = field(booster, ...(name === 'dart' ? ['gbtree', 'model'] : ['model']));
  const weights = name === 'dart' ? numbersField(booster, 'weight_drop') : undefined;
  const info = numbersField(model, 'tree_info');
  const trees = listField(model, 'trees').map((tree, i) =>
    readTree(tree, i, info[i] ?? 0, weights?.[i] ?? 1, features, groups),
  );
  const best = optionalField(learner, 'attributes', 'best_iteration');
  const parallel = Number(optionalField(model, 'gbtree_model_param', 'num_parallel_tree') ?? 1);
  return {
    kind: 'trees',
    trees,
    treesPerRound: Math.max(1, parallel) * groups,
    bestIteration: best === undefined ? undefined : Number(best),
  };
}

function readTree(
  tree: unknown,
  index: number,
  target: number,
  weight: number,
  features: number,
  groups: number,
): DecisionTree {
  const where = `${index} (trees[${index}])`;
  if (Number(optionalField(tree, 'tree_param', 'size_leaf_vector') ?? 1) > 1)
    throw new OnnxError(
      'unsupported_source',
      `The tree ${where} has a vector in each leaf (multi_strategy multi_output_tree), which is not supported.`,
      { node: where },
    );
  if (!(target >= 0 && target < groups))
    throw new OnnxError(
      'source_malformed',
      `The tree ${where} adds to output ${target} of ${groups}; save the model again.`,
      { node: where },
    );
  const left = Int32Array.from(numbersField(tree, 'left_children'));
  const right = Int32Array.from(numbersField(tree, 'right_children'));
  const conditions = numbersField(tree, 'split_conditions').map(Math.fround);
  const missingLeft = Uint8Array.from(numbersField(tree, 'default_left'));
  const value = weight === 1 ? conditions : conditions.map(leaf => Math.fround(Math.fround(weight) * leaf));
  const members = categorySets(tree, left, where);
  // A category in the set goes right, anything else left; as a set test the right child is the one it selects.
  for (const node of members.keys()) {
    [left[node], right[node]] = [right[node]!, left[node]!];
    missingLeft[node] = missingLeft[node] === 1 ? 0 : 1;
  }
  const feature = Int32Array.from(numbersField(tree, 'split_indices'));
  for (const [name, list] of Object.entries({ right, conditions, missingLeft, feature })) {
    if (list.length !== left.length)
      throw new OnnxError(
        'source_malformed',
        `The tree ${where} has ${list.length} entries of ${name} for ${left.length} nodes; save the model again.`,
        { node: where },
      );
  }
  return checkTree(
    {
      feature,
      threshold: conditions,
      left,
      right,
      missingLeft,
      ...(members.size > 0 ? { members } : {}),
      mode: 'lt',
      value,
      target,
    },
    features,
    where,
  );
}

function categorySets(tree: unknown, left: Int32Array, where: string): Map<number, number[]> {
  const members = new Map<number, number[]>();
  if (optionalField(tree, 'split_type') === undefined) return members;
  const types = numbersField(tree, 'split_type');
  if (types.every(type => type === 0)) return members;
  const categories = numbersField(tree, 'categories');
  const nodes = numbersField(tree, 'categories_nodes');
  const starts = numbersField(tree, 'categories_segments');
  const sizes = numbersField(tree, 'categories_sizes');
  nodes.forEach((node, i) => {
    if (left[node]! >= 0 && types[node] === 1)
      members.set(node, [...categories.subarray(starts[i]!, starts[i]! + sizes[i]!)]);
  });
  types.forEach((type, node) => {
    if (type === 1 && left[node]! >= 0 && !members.has(node))
      throw new OnnxError(
        'source_malformed',
        `The tree ${where} splits node ${node} by categories but lists none; save the model again.`,
        { node: where },
      );
  });
  return members;
}
