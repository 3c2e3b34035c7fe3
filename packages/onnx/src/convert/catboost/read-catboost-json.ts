import { field, listField, numberField, numbersField, optionalField, textField } from '../boosting/json-fields.ts';
import {
  type CatboostModel,
  type CatboostTree,
  type CategoryFeature,
  damaged,
  type FloatFeature,
  type FreeNode,
  refuseFeatures,
  releaseOf,
  type Split,
  trainingInfo,
} from './catboost-model.ts';

const maxDepth = 64;

/** Reads the JSON that CatBoost writes with `save_model(format="json")`. */
export function readCatboostJson(document: unknown): CatboostModel {
  const floats = featureList(document, 'float_features').map((entry, i): FloatFeature => {
    const column = Number(optionalField(entry, 'feature_index') ?? i);
    return {
      name: nameOf(entry, column),
      column,
      isMissingAbove: optionalField(entry, 'nan_value_treatment') === 'AsTrue',
    };
  });
  const hashes = new Map(
    featureList(document, 'cat_features_hash').map(entry => [
      numberField(entry, 'hash') | 0,
      String(field(entry, 'value')),
    ]),
  );
  const categories = featureList(document, 'categorical_features').map((entry, i): CategoryFeature => {
    const column = Number(optionalField(entry, 'feature_index') ?? i);
    const values = optionalField(entry, 'values') === undefined ? [] : [...numbersField(entry, 'values')];
    const strings = optionalField(entry, 'string_values');
    const texts = new Map(
      values.flatMap((hash, k): [number, string][] => {
        const text: unknown = Array.isArray(strings) ? strings[k] : hashes.get(hash | 0);
        return typeof text === 'string' ? [[hash | 0, text]] : [];
      }),
    );
    return { name: nameOf(entry, column), column, texts };
  });
  const refused = new Map<string, string>();
  const splitOf = (entry: unknown): Split => {
    const kind = textField(entry, 'split_type');
    if (kind === 'FloatFeature')
      return {
        kind: 'above',
        column: numberField(entry, 'float_feature_index'),
        border: Math.fround(numberField(entry, 'border')),
      };
    if (kind === 'OneHotFeature')
      return {
        kind: 'equal',
        column: numberField(entry, 'cat_feature_index'),
        hash: numberField(entry, 'value') | 0,
      };
    refused.set(statisticsName(document, entry, categories), kind === 'OnlineCtr' ? 'target statistics (CTR)' : kind);
    return { kind: 'above', column: 0, border: 0 };
  };
  const trees = readTrees(document, splitOf);
  refuseFeatures(refused);
  const scaleAndBias = optionalField(document, 'scale_and_bias');
  const [scale = 1, bias = [0]]: readonly unknown[] = Array.isArray(scaleAndBias) ? scaleAndBias : [];
  const biases = (Array.isArray(bias) ? bias : [bias]).map(Number);
  const dimensions = trees.dimensions ?? biases.length;
  if (biases.length !== 1 && biases.length !== dimensions) throw damaged(`it has ${biases.length} biases`);
  const { loss, classes } = trainingInfo(
    optionalField(document, 'model_info', 'params'),
    optionalField(document, 'model_info', 'class_params'),
  );
  return {
    version: releaseOf(optionalField(document, 'model_info', 'catboost_version_info')),
    dimensions,
    floats,
    categories,
    trees: trees.list,
    scale: Number(scale),
    bias: biases.length === dimensions ? biases : Array.from({ length: dimensions }, () => biases[0] ?? 0),
    loss,
    classes,
  };
}

function featureList(document: unknown, name: string): readonly unknown[] {
  const found = optionalField(document, 'features_info', name);
  return Array.isArray(found) ? found : [];
}

function nameOf(entry: unknown, column: number): string {
  for (const key of ['feature_name', 'feature_id']) {
    const name = optionalField(entry, key);
    if (typeof name === 'string' && name !== '') return name;
  }
  return String(optionalField(entry, 'flat_feature_index') ?? column);
}

/** The categorical features a target statistic counts, by the border's place in the list of statistics. */
function statisticsName(document: unknown, entry: unknown, categories: readonly CategoryFeature[]): string {
  const index = Number(optionalField(entry, 'split_index'));
  let first = featureList(document, 'float_features').reduce<number>(
    (sum, feature) =>
      sum + (optionalField(feature, 'borders') === undefined ? 0 : numbersField(feature, 'borders').length),
    0,
  );
  for (const feature of featureList(document, 'categorical_features')) {
    const values = optionalField(feature, 'values');
    if (Array.isArray(values)) first += values.length;
  }
  for (const statistic of featureList(document, 'ctrs')) {
    first += numbersField(statistic, 'borders').length;
    if (index >= first) continue;
    const columns = listField(statistic, 'elements').map(element =>
      Number(optionalField(element, 'cat_feature_index')),
    );
    return columns
      .map(column => categories.find(feature => feature.column === column)?.name ?? String(column))
      .join('" with "');
  }
  return `split ${index}`;
}

function readTrees(
  document: unknown,
  splitOf: (entry: unknown) => Split,
): { readonly list: CatboostTree[]; readonly dimensions: number | undefined } {
  let dimensions: number | undefined;
  const checked = (found: number): void => {
    if (!(Number.isInteger(found) && found >= 1) || (dimensions !== undefined && dimensions !== found))
      throw damaged('its trees have leaves of different size');
    dimensions = found;
  };
  const free = optionalField(document, 'trees');
  if (Array.isArray(free)) {
    const list = free.map((root): CatboostTree => ({ kind: 'free', root: freeNode(root, splitOf, checked, 0) }));
    return { list, dimensions };
  }
  const list = listField(document, 'oblivious_trees').map((tree): CatboostTree => {
    const entries = optionalField(tree, 'splits');
    const splits = (Array.isArray(entries) ? entries : []).map(splitOf);
    const values = numbersField(tree, 'leaf_values');
    if (splits.length > 30) throw damaged(`a tree has the depth ${splits.length}`);
    checked(values.length / 2 ** splits.length);
    return { kind: 'symmetric', splits, values };
  });
  return { list, dimensions };
}

function freeNode(
  entry: unknown,
  splitOf: (entry: unknown) => Split,
  checked: (dimensions: number) => void,
  depth: number,
): FreeNode {
  if (depth > maxDepth) throw damaged('a tree is too deep');
  if (optionalField(entry, 'split') === undefined) {
    const value = field(entry, 'value');
    const values = Array.isArray(value) ? [...numbersField(entry, 'value')] : [numberField(entry, 'value')];
    checked(values.length);
    return { kind: 'leaf', values };
  }
  return {
    kind: 'branch',
    split: splitOf(field(entry, 'split')),
    whenFalse: freeNode(field(entry, 'left'), splitOf, checked, depth + 1),
    whenTrue: freeNode(field(entry, 'right'), splitOf, checked, depth + 1),
  };
}
