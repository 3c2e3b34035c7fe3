import type { Rng } from '../../rng.ts';
import type { Point } from '../../space/space.ts';

/** Training rows; the inputs marked as categories are compared by equality. */
export interface Rows {
  readonly inputs: readonly Float64Array[];
  readonly values: Float64Array;
  readonly isCategory: readonly boolean[];
}

type Node =
  | { readonly kind: 'leaf'; readonly value: number }
  | { readonly kind: 'below'; readonly input: number; readonly at: number; readonly yes: Node; readonly no: Node }
  | { readonly kind: 'equal'; readonly input: number; readonly at: number; readonly yes: Node; readonly no: Node };

interface Split {
  readonly kind: 'below' | 'equal';
  readonly input: number;
  readonly at: number;
  /** Sum over both sides of (sum of values)^2 / count: the larger, the smaller the squared error. */
  readonly score: number;
}

type LeafValue = (values: Float64Array, members: Int32Array) => number;

/**
 * A regression tree grown until every leaf is pure in its inputs or values; the splits with the least squared error.
 * Leaves hold, unless told otherwise, the logarithm of the mean of the exponentials, for values that are logarithms.
 *
 * Breiman et al., Classification and regression trees (1984); leaves as in Hutter, Hoos & Leyton-Brown, LION 2011.
 */
export class RegressionTree {
  readonly #root: Node;

  /** @param leafValue what a leaf predicts for its members */
  constructor(rows: Rows, members: Int32Array, leafValue: LeafValue = logMeanExp) {
    this.#root = grow(rows, members, leafValue);
  }

  predict(x: Float64Array): number {
    let node = this.#root;
    while (node.kind !== 'leaf') {
      const v = x[node.input]!;
      node = (node.kind === 'below' ? v < node.at : v === node.at) ? node.yes : node.no;
    }
    return node.value;
  }
}

/** Trees need no neutral place for an absent parameter: it lies outside the range. */
export function toInput(point: Point): Float64Array {
  return point.map(x => (Number.isNaN(x) ? -1 : x));
}

/** A bootstrap sample: as many rows as there are, drawn with replacement. */
export function bootstrap(n: number, rng: Rng): Int32Array {
  return Int32Array.from({ length: n }, () => rng.int(n));
}

function grow(rows: Rows, members: Int32Array, leafValue: LeafValue): Node {
  const split = members.length > 1 ? bestSplit(rows, members) : undefined;
  if (split === undefined) return { kind: 'leaf', value: leafValue(rows.values, members) };
  const { kind, input, at } = split;
  const goesLeft = (i: number): boolean => {
    const v = rows.inputs[i]![input]!;
    return kind === 'below' ? v < at : v === at;
  };
  const yes = grow(rows, members.filter(goesLeft), leafValue);
  return {
    kind,
    input,
    at,
    yes,
    no: grow(
      rows,
      members.filter(i => !goesLeft(i)),
      leafValue,
    ),
  };
}

/** Leaves of a tree over plain values. */
export function meanOf(values: Float64Array, members: Int32Array): number {
  let sum = 0;
  for (const i of members) sum += values[i]!;
  return sum / members.length;
}

function logMeanExp(values: Float64Array, members: Int32Array): number {
  let sum = 0;
  for (const i of members) sum += Math.exp(values[i]!);
  return Math.log(sum / members.length);
}

/** `undefined` when no split lowers the squared error. */
function bestSplit(rows: Rows, members: Int32Array): Split | undefined {
  let total = 0;
  for (const i of members) total += rows.values[i]!;
  const whole = (total * total) / members.length;
  let best: Split | undefined;
  for (let input = 0; input < rows.isCategory.length; input++) {
    const split = rows.isCategory[input]!
      ? bestCategory(rows, members, input, total)
      : bestThreshold(rows, members, input, total);
    if (split && split.score > (best?.score ?? whole + 1e-12 * Math.abs(whole) + 1e-300)) best = split;
  }
  return best;
}

function bestThreshold({ inputs, values }: Rows, members: Int32Array, input: number, total: number): Split | undefined {
  const order = members.slice().sort((a, b) => inputs[a]![input]! - inputs[b]![input]!);
  const n = order.length;
  let left = 0;
  let best: Split | undefined;
  for (let k = 1; k < n; k++) {
    left += values[order[k - 1]!]!;
    const before = inputs[order[k - 1]!]![input]!;
    const after = inputs[order[k]!]![input]!;
    if (before === after) continue;
    const score = (left * left) / k + ((total - left) * (total - left)) / (n - k);
    if (best === undefined || score > best.score) best = { kind: 'below', input, at: (before + after) / 2, score };
  }
  return best;
}

function bestCategory({ inputs, values }: Rows, members: Int32Array, input: number, total: number): Split | undefined {
  const sums = new Map<number, { count: number; sum: number }>();
  for (const i of members) {
    const entry = sums.get(inputs[i]![input]!) ?? { count: 0, sum: 0 };
    entry.count++;
    entry.sum += values[i]!;
    sums.set(inputs[i]![input]!, entry);
  }
  if (sums.size < 2) return undefined;
  let best: Split | undefined;
  for (const [at, { count, sum }] of sums) {
    const score = sum ** 2 / count + (total - sum) ** 2 / (members.length - count);
    if (best === undefined || score > best.score) best = { kind: 'equal', input, at, score };
  }
  return best;
}
