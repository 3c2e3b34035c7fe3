import { OnnxError } from '../../onnx-error.ts';
import { checkTree } from '../trees/check-tree.ts';
import type { DecisionTree } from '../trees/tree-ensemble.ts';

/** How a column reaches a node: as it is, with zeros as missing, or cut to a whole category number. */
export type ColumnView = 'plain' | 'zero-missing' | 'category';

/** A LightGBM tree whose feature numbers point into the views of `LightgbmModel.views`. */
export interface LightgbmModel {
  readonly version: string;
  readonly objective: string;
  readonly features: number;
  readonly featureNames: readonly string[];
  readonly classes: number;
  readonly treesPerRound: number;
  readonly isAveraged: boolean;
  readonly trees: readonly DecisionTree[];
  /** Views of the input in use, each of all features side by side. */
  readonly views: readonly ColumnView[];
}

type Fields = ReadonlyMap<string, string>;

function malformed(what: string): OnnxError {
  return new OnnxError('source_malformed', `The LightGBM file is damaged: ${what}; save the model again.`);
}

/**
 * Reads the text that LightGBM saves.
 * @throws OnnxError `truncated` when it lacks the end of trees, `unsupported_source` for linear trees
 */
export function readLightgbm(text: string): LightgbmModel {
  const lines = text.split(/\r?\n/);
  const end = lines.findIndex(line => line.trim() === 'end of trees' || /^feature[ _]importances:/.test(line));
  if (end < 0)
    throw new OnnxError(
      'truncated',
      'The LightGBM file is truncated: it lacks the line "end of trees" after its last Tree; copy or download it again.',
    );
  const starts = lines.flatMap((line, i) => (i < end && /^Tree=\d+/.test(line) ? [i] : []));
  const header = fieldsOf(lines.slice(0, starts[0] ?? end));
  const version = header.get('version') ?? '';
  const features = whole(header, 'max_feature_idx') + 1;
  const treesPerRound = whole(header, 'num_tree_per_iteration');
  const views = new ViewList(features);
  const trees = starts.map((start, i) =>
    readTree(fieldsOf(lines.slice(start, starts[i + 1] ?? end)), i, treesPerRound, version, views),
  );
  const names = (header.get('feature_names') ?? '').split(' ').filter(name => name !== '');
  return {
    version,
    objective: header.get('objective') ?? '',
    features,
    featureNames: names.length === features ? names : [],
    classes: whole(header, 'num_class'),
    treesPerRound,
    isAveraged: lines.slice(0, starts[0] ?? end).some(line => line.trim() === 'average_output'),
    trees,
    views: views.names,
  };
}

function fieldsOf(lines: readonly string[]): Fields {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const at = line.indexOf('=');
    if (at > 0) fields.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  return fields;
}

function whole(fields: Fields, name: string): number {
  const value = Number(fields.get(name));
  if (!Number.isInteger(value) || value < 0 || value > 10_000_000)
    throw malformed(`${name} is ${fields.get(name) ?? 'missing'}`);
  return value;
}

function numbers(fields: Fields, name: string, count: number, where: string): Float64Array {
  const text = fields.get(name) ?? '';
  const values = Float64Array.from(text === '' ? [] : text.split(' '), item => numberOf(item));
  if (values.length !== count) throw malformed(`${where} has ${values.length} entries of ${name} instead of ${count}`);
  if (values.some(Number.isNaN)) throw malformed(`${where} has an entry of ${name} that is not a number`);
  return values;
}

function numberOf(text: string): number {
  if (/^-?inf$/i.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return Number(text);
}

/** Which views are in use, and where each one's columns start. */
class ViewList {
  readonly names: ColumnView[] = ['plain'];
  readonly features: number;

  constructor(features: number) {
    this.features = features;
  }

  column(feature: number, view: ColumnView, where: string): number {
    if (!(feature >= 0 && feature < this.features))
      throw malformed(`${where} splits on feature ${feature}, but there are ${this.features} features`);
    let at = this.names.indexOf(view);
    if (at < 0) at = this.names.push(view) - 1;
    return at * this.features + feature;
  }
}

function readTree(
  fields: Fields,
  index: number,
  treesPerRound: number,
  version: string,
  views: ViewList,
): DecisionTree {
  const where = `Tree=${index}`;
  if (fields.get('is_linear') === '1')
    throw new OnnxError(
      'unsupported_source',
      `${where} has linear models in its leaves (linear_tree=true), which is not supported.`,
      { node: where, unsupported: [`linear leaves at ${where}`] },
    );
  const leaves = whole(fields, 'num_leaves');
  const branches = leaves - 1;
  const target = index % Math.max(1, treesPerRound);
  const leafValues = numbers(fields, 'leaf_value', leaves, where);
  if (leaves === 0) throw malformed(`${where} has no leaves`);
  if (leaves === 1)
    return {
      feature: new Int32Array(1),
      threshold: new Float64Array(1),
      left: Int32Array.of(-1),
      right: Int32Array.of(-1),
      missingLeft: new Uint8Array(1),
      mode: 'leq',
      value: leafValues,
      target,
    };
  const splits = numbers(fields, 'split_feature', branches, where);
  const thresholds = numbers(fields, 'threshold', branches, where);
  const types = numbers(fields, 'decision_type', branches, where);
  // A negative child is a leaf: ~leaf. Leaves follow the branches in the flat form.
  const child = (value: number): number => (value < 0 ? branches + ~value : value);
  const left = Int32Array.from(numbers(fields, 'left_child', branches, where), child);
  const right = Int32Array.from(numbers(fields, 'right_child', branches, where), child);
  const feature = new Int32Array(branches + leaves);
  const threshold = new Float64Array(branches + leaves);
  const missingLeft = new Uint8Array(branches + leaves);
  const members = new Map<number, number[]>();
  for (let node = 0; node < branches; node++) {
    const type = types[node]!;
    const missing = (type >> 2) & 3;
    if (type & 1) {
      feature[node] = views.column(splits[node]!, 'category', where);
      const set = categorySet(fields, thresholds[node]!, where);
      members.set(node, set);
      // Before version 4 a missing category counts as category 0 unless NaN was seen in training.
      missingLeft[node] = version !== 'v4' && missing !== 2 && set.includes(0) ? 1 : 0;
      continue;
    }
    feature[node] = views.column(splits[node]!, missing === 1 ? 'zero-missing' : 'plain', where);
    threshold[node] = thresholds[node]!;
    // Without a missing type NaN is read as 0.
    missingLeft[node] = missing === 0 ? Number(0 <= thresholds[node]!) : (type >> 1) & 1;
  }
  const flat = (list: Int32Array): Int32Array =>
    Int32Array.from({ length: branches + leaves }, (_, node) => list[node] ?? -1);
  const value = new Float64Array(branches + leaves);
  value.set(leafValues, branches);
  return checkTree(
    {
      feature,
      threshold,
      left: flat(left),
      right: flat(right),
      missingLeft,
      ...(members.size > 0 ? { members } : {}),
      mode: 'leq',
      value,
      target,
    },
    views.features * views.names.length,
    where,
  );
}

function categorySet(fields: Fields, index: number, where: string): number[] {
  const count = whole(fields, 'num_cat');
  const bounds = numbers(fields, 'cat_boundaries', count + 1, where);
  const words = numbers(fields, 'cat_threshold', bounds[count] ?? 0, where);
  const members: number[] = [];
  const start = bounds[index];
  const end = bounds[index + 1];
  if (start === undefined || end === undefined) throw malformed(`${where} has no category set ${index}`);
  for (let word = start; word < end; word++)
    for (let bit = 0; bit < 32; bit++) if ((words[word]! / 2 ** bit) & 1) members.push((word - start) * 32 + bit);
  return members;
}
