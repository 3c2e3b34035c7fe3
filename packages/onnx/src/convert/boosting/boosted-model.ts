import { classesKey } from '../../prepare-model.ts';
import type { GraphBuilder } from '../graph-builder.ts';
import { emitLabels } from '../sklearn/class-answers.ts';
import type { ConvertedGraph } from '../sklearn/convert-sklearn.ts';
import { plainLabels } from '../sklearn/convert-sklearn.ts';
import type { Labels } from '../sklearn/records.ts';

/** What a boosted model says once its raw scores are known. */
export type Decision =
  | { readonly kind: 'binary'; readonly sigmoid: number }
  | { readonly kind: 'hinge' }
  /** The scores are class shares already, one column for two classes. */
  | { readonly kind: 'shares' }
  | { readonly kind: 'softmax' }
  | { readonly kind: 'one-versus-all'; readonly sigmoid: number }
  | {
      readonly kind: 'value';
      readonly link: 'identity' | 'exp' | 'sigmoid' | 'log1p-exp' | 'signed-square';
      readonly sigmoid?: number;
    };

/** Element type in which the source framework computes. */
export type Precision = 'float' | 'double';

/** Declares label and probabilities, or the prediction, from raw scores of shape [batch, columns]. */
export function declareDecision(
  graph: GraphBuilder,
  raw: string,
  columns: number,
  decision: Decision,
  precision: Precision,
  classes: Labels | undefined,
): Labels | undefined {
  const number = (value: number): string => graph.constant(precision, [1, 1], [value]);
  const times = (value: string, factor: number): string =>
    factor === 1 ? value : graph.op('Mul', [value, number(factor)]);
  switch (decision.kind) {
    case 'shares':
    case 'binary': {
      if (columns > 1)
        return declareClasses(
          graph,
          raw,
          graph.op('ArgMax', [raw], { axis: 1n, keepdims: 0n }),
          columns,
          precision,
          classes,
        );
      const p = decision.kind === 'shares' ? raw : graph.op('Sigmoid', [times(raw, decision.sigmoid)]);
      const both = graph.op('Concat', [graph.op('Sub', [number(1), p]), p], { axis: 1n });
      const isSecond = graph.op('Reshape', [graph.op('Greater', [p, number(0.5)]), graph.ints(-1)]);
      return declareClasses(graph, both, graph.cast(isSecond, 'int64'), 2, precision, classes);
    }
    case 'hinge': {
      const isSecond = graph.op('Reshape', [graph.op('Greater', [raw, number(0)]), graph.ints(-1)]);
      const known = classes ?? counted(2);
      const label = emitLabels(graph, known, graph.cast(isSecond, 'int64'));
      graph.output(label.value, 'label', label.type, ['batch']);
      return known;
    }
    case 'softmax': {
      const p = graph.op('Softmax', [raw], { axis: 1n });
      return declareClasses(
        graph,
        p,
        graph.op('ArgMax', [raw], { axis: 1n, keepdims: 0n }),
        columns,
        precision,
        classes,
      );
    }
    case 'one-versus-all': {
      const p = graph.op('Sigmoid', [times(raw, decision.sigmoid)]);
      return declareClasses(graph, p, graph.op('ArgMax', [p], { axis: 1n, keepdims: 0n }), columns, precision, classes);
    }
    case 'value': {
      const value = linked(graph, raw, decision.link, number, decision.sigmoid ?? 1);
      if (columns === 1) graph.output(graph.op('Reshape', [value, graph.ints(-1)]), 'prediction', precision, ['batch']);
      else graph.output(value, 'prediction', precision, ['batch', columns]);
      return undefined;
    }
    default:
      throw new TypeError(`unknown decision ${JSON.stringify(decision satisfies never)}`);
  }
}

function linked(
  graph: GraphBuilder,
  raw: string,
  link: Extract<Decision, { kind: 'value' }>['link'],
  number: (value: number) => string,
  sigmoid: number,
): string {
  switch (link) {
    case 'exp':
      return graph.op('Exp', [raw]);
    case 'sigmoid':
      return graph.op('Sigmoid', [sigmoid === 1 ? raw : graph.op('Mul', [raw, number(sigmoid)])]);
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

function counted(count: number): Labels {
  return { type: 'int64', values: Array.from({ length: count }, (_, i) => BigInt(i)) };
}

function declareClasses(
  graph: GraphBuilder,
  probabilities: string,
  index: string,
  count: number,
  precision: Precision,
  classes: Labels | undefined,
): Labels {
  const known = classes ?? counted(count);
  const label = emitLabels(graph, known, index);
  graph.output(label.value, 'label', label.type, ['batch']);
  graph.output(probabilities, 'probabilities', precision, ['batch', count]);
  return known;
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
