import type { CatboostModel, CatboostTree, FreeNode, Split } from '../catboost/catboost-model.ts';
import { largest, logistic, softmax } from './shares.ts';
import { type ColumnSampler, nearly, type ReferenceOutput, type SourceReference } from './verification.ts';
import { answersOf, tie, type WalkedAnswer } from './walked-answer.ts';

type Row = readonly (number | string)[];

/** A text that no split asks for. */
const unseenText = 'never seen in training';

/** Widths of the two inputs: numeric columns come first, categories after them. */
function widthsOf(model: CatboostModel): { readonly floats: number; readonly categories: number } {
  const width = (features: readonly { readonly column: number }[]): number =>
    features.reduce((most, { column }) => Math.max(most, column + 1), 0);
  return { floats: width(model.floats), categories: width(model.categories) };
}

function everySplit(tree: CatboostTree): readonly Split[] {
  if (tree.kind === 'symmetric') return tree.splits;
  const below = (node: FreeNode): Split[] =>
    node.kind === 'leaf' ? [] : [node.split, ...below(node.whenFalse), ...below(node.whenTrue)];
  return below(tree.root);
}

function samplersOf(model: CatboostModel): readonly ColumnSampler[] {
  const { floats, categories } = widthsOf(model);
  const cuts = Array.from({ length: floats }, () => new Set<number>());
  for (const split of model.trees.flatMap(everySplit))
    if (split.kind === 'above') cuts[split.column]?.add(split.border);
  const texts = new Map(model.categories.map(feature => [feature.column, feature.texts]));
  return [
    ...cuts.map(set => ({ kind: 'number', cuts: [...set], center: 0, spread: 1, mayMiss: true }) as const),
    ...Array.from({ length: categories }, (_, column) => {
      const known = [...(texts.get(column)?.values() ?? [])];
      return { kind: 'text', values: [...known, unseenText] } as const;
    }),
  ];
}

/** Raw scores of one row, as CatBoost defines them: scale times the sum of the leaves, plus bias. */
function scoresOf(model: CatboostModel): (row: Row) => number[] {
  const { floats } = widthsOf(model);
  const texts = new Map(model.categories.map(feature => [feature.column, feature.texts]));
  const missingIsAbove = new Set(model.floats.filter(feature => feature.isMissingAbove).map(({ column }) => column));
  const isTrue = (split: Split, row: Row): boolean => {
    if (split.kind === 'equal') return row[floats + split.column] === texts.get(split.column)?.get(split.hash);
    const value = Math.fround(Number(row[split.column]));
    return Number.isNaN(value) ? missingIsAbove.has(split.column) : value > Math.fround(split.border);
  };
  const leafOf = (tree: CatboostTree, row: Row): ArrayLike<number> => {
    if (tree.kind === 'symmetric') {
      const leaf = tree.splits.reduce((sum, split, bit) => sum + (isTrue(split, row) ? 2 ** bit : 0), 0);
      return tree.values.subarray(leaf * model.dimensions, (leaf + 1) * model.dimensions);
    }
    let node = tree.root;
    while (node.kind === 'branch') node = isTrue(node.split, row) ? node.whenTrue : node.whenFalse;
    return node.values;
  };
  return row => {
    const sums = new Array<number>(model.dimensions).fill(0);
    for (const tree of model.trees) {
      const leaf = leafOf(tree, row);
      for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + leaf[i]!;
    }
    return sums.map((sum, i) => model.scale * sum + model.bias[i]!);
  };
}

/** What `predict` of CatBoost's Python package answers for raw scores. */
function answersFor(model: CatboostModel, scores: readonly (readonly number[])[]): readonly ReferenceOutput[] {
  const [classes, dimensions] = [model.classes, model.dimensions];
  const labels = (count: number): readonly (string | number | boolean)[] =>
    classes ?? Array.from({ length: count }, (_, i) => i);
  const values = (of: (row: readonly number[]) => readonly number[]): readonly ReferenceOutput[] =>
    answersOf(scores.map(row => ({ kind: 'values', values: of(row) })));
  switch (model.loss) {
    case 'Logloss':
    case 'CrossEntropy':
    case 'Focal':
      return answersOf(
        scores.map(([score = 0]): WalkedAnswer => {
          const p = logistic(score);
          return largest(labels(2), [1 - p, p]);
        }),
      );
    case 'MultiClass':
      return answersOf(scores.map(row => largest(labels(dimensions), softmax(row))));
    case 'MultiClassOneVsAll':
      return answersOf(scores.map(row => largest(labels(dimensions), row.map(logistic))));
    case 'MultiLogloss':
    case 'MultiCrossEntropy': {
      const undecided = new Set<number>();
      scores.forEach((row, i) => {
        if (row.some(score => Math.abs(score) < tie)) undecided.add(i);
      });
      return [
        { name: 'labels', values: scores.flatMap(row => row.map(score => (score > 0 ? 1 : 0))), undecided },
        { name: 'probabilities', values: scores.flatMap(row => row.map(logistic)) },
      ];
    }
    case 'RMSEWithUncertainty':
      return values(([mean = 0, deviation = 0]) => [mean, Math.exp(2 * deviation)]);
    case 'Poisson':
    case 'Tweedie':
      return values(row => row.map(Math.exp));
    default:
      return values(row => row);
  }
}

export function catboostReference(model: CatboostModel): SourceReference {
  const scores = scoresOf(model);
  return {
    describes: 'an evaluator that walks the trees of the CatBoost model in TypeScript',
    bar: nearly(1e-12),
    columns: samplersOf(model),
    evaluate: rows => answersFor(model, rows.map(scores)),
  };
}
