import { OnnxError } from '../../onnx-error.ts';
import { classesKey } from '../../prepare/zip-maps.ts';
import type { GraphBuilder } from '../graph-builder.ts';
import { emitLabels } from '../sklearn/class-answers.ts';
import type { ConvertedGraph } from '../sklearn/convert-sklearn.ts';
import { type Labels, plainLabels } from '../sklearn/records.ts';

/** What a boosted model says once its raw scores are known. */
export type Decision =
  | { readonly kind: 'binary'; readonly sigmoid: number }
  | { readonly kind: 'hinge' }
  /** The scores are class shares already, one column for two classes. */
  | { readonly kind: 'shares' }
  | { readonly kind: 'softmax' }
  | { readonly kind: 'one-versus-all'; readonly sigmoid: number }
  | { readonly kind: 'value'; readonly link: 'identity' | 'exp' | 'sigmoid' | 'log1p-exp' | 'signed-square' };

/** Element type in which the source framework computes. */
export type Precision = 'float' | 'double';

/** What raw scores come to: an index of class with or without shares, or values. */
export type Decided =
  | { readonly kind: 'classes'; readonly index: string; readonly count: number; readonly probabilities?: string }
  | { readonly kind: 'values'; readonly value: string; readonly columns: number };

/** Applies a decision to raw scores of shape [batch, columns]. */
export function decide(
  graph: GraphBuilder,
  raw: string,
  columns: number,
  decision: Decision,
  precision: Precision,
): Decided {
  const number = (value: number): string => graph.constant(precision, [1, 1], [value]);
  const largest = (scores: string): string => graph.op('ArgMax', [scores], { axis: 1n, keepdims: 0n });
  const isAbove = (score: string, boundary: number): string =>
    graph.cast(graph.op('Reshape', [graph.op('Greater', [score, number(boundary)]), graph.ints(-1)]), 'int64');
  const sigmoid = (factor: number): string =>
    graph.op('Sigmoid', [factor === 1 ? raw : graph.op('Mul', [raw, number(factor)])]);
  const twoClasses = (p: string): Decided => ({
    kind: 'classes',
    index: isAbove(p, 0.5),
    count: 2,
    probabilities: graph.op('Concat', [graph.op('Sub', [number(1), p]), p], { axis: 1n }),
  });
  switch (decision.kind) {
    case 'shares':
      return columns === 1
        ? twoClasses(raw)
        : { kind: 'classes', index: largest(raw), count: columns, probabilities: raw };
    case 'binary':
      return twoClasses(sigmoid(decision.sigmoid));
    case 'hinge':
      return { kind: 'classes', index: isAbove(raw, 0), count: 2 };
    case 'softmax':
      return {
        kind: 'classes',
        index: largest(raw),
        count: columns,
        probabilities: graph.op('Softmax', [raw], { axis: 1n }),
      };
    case 'one-versus-all': {
      const probabilities = sigmoid(decision.sigmoid);
      return { kind: 'classes', index: largest(probabilities), count: columns, probabilities };
    }
    case 'value':
      return { kind: 'values', value: linked(graph, raw, decision.link, number), columns };
    default:
      throw new TypeError(`unknown decision ${JSON.stringify(decision satisfies never)}`);
  }
}

/** Declares label and probabilities, or the prediction, as outputs and gives the class labels. */
export function declareDecided(
  graph: GraphBuilder,
  decided: Decided,
  precision: Precision,
  classes: Labels | undefined,
): Labels | undefined {
  if (decided.kind === 'values') {
    if (decided.columns === 1)
      graph.output(graph.op('Reshape', [decided.value, graph.ints(-1)]), 'prediction', precision, ['batch']);
    else graph.output(decided.value, 'prediction', precision, ['batch', decided.columns]);
    return undefined;
  }
  const known = classLabels(classes, decided.count);
  const label = emitLabels(graph, known, decided.index);
  graph.output(label.value, 'label', label.type, ['batch']);
  if (decided.probabilities !== undefined)
    graph.output(decided.probabilities, 'probabilities', precision, ['batch', decided.count]);
  return known;
}

/** The labels the wrapper remembers, or 0..n-1. @throws OnnxError when their number does not fit */
export function classLabels(classes: Labels | undefined, count: number): Labels {
  if (classes === undefined) return { type: 'int64', values: Array.from({ length: count }, (_, i) => BigInt(i)) };
  if (classes.values.length !== count)
    throw new OnnxError(
      'source_malformed',
      `The model names ${classes.values.length} classes but scores ${count}; save it again.`,
    );
  return classes;
}

function linked(
  graph: GraphBuilder,
  raw: string,
  link: Extract<Decision, { kind: 'value' }>['link'],
  number: (value: number) => string,
): string {
  switch (link) {
    case 'exp':
      return graph.op('Exp', [raw]);
    case 'sigmoid':
      return graph.op('Sigmoid', [raw]);
    case 'log1p-exp':
      return graph.op('Log', [graph.op('Add', [number(1), graph.op('Exp', [raw])])]);
    case 'signed-square':
      return graph.op('Mul', [graph.op('Sign', [raw]), graph.op('Mul', [raw, raw])]);
    case 'identity':
      return raw;
    default:
      throw new TypeError(`unknown link ${String(link satisfies never)}`);
  }
}

export interface BoostedGraphParts {
  readonly graph: GraphBuilder;
  readonly framework: string;
  readonly frameworkVersion: string | undefined;
  readonly modelClass: string;
  readonly featureNames: readonly string[] | undefined;
  readonly classes: Labels | undefined;
  readonly notes: readonly string[];
  readonly producerVersion: string;
}

/** The finished model with the metadata that names features and classes. */
export function finishBoosted(parts: BoostedGraphParts): ConvertedGraph {
  const { graph, featureNames, classes } = parts;
  const labels = classes === undefined ? undefined : plainLabels(classes);
  const metadata = [
    ...(featureNames === undefined ? [] : [{ key: 'holdfast.feature_names', value: JSON.stringify(featureNames) }]),
    ...(labels === undefined ? [] : [{ key: classesKey, value: JSON.stringify(labels) }]),
  ];
  return {
    model: graph.finish(metadata, parts.producerVersion),
    framework: parts.framework,
    frameworkVersion: parts.frameworkVersion,
    modelClass: parts.modelClass,
    featureNames,
    classes: labels,
    notes: parts.notes,
  };
}
