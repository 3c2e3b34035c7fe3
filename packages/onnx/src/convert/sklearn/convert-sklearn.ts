import type { ModelProto } from '../../model/proto.ts';
import { OnnxError } from '../../onnx-error.ts';
import { classesKey } from '../../prepare/zip-maps.ts';
import { GraphBuilder } from '../graph-builder.ts';
import { PyObject, type PyValue } from '../pickle/python-values.ts';
import { emitLabels } from './class-answers.ts';
import { type InputColumns, inputColumns, lastStep, parts } from './input-columns.ts';
import { type Answer, type Block, type Frame, frameWidth, type Lowering, type SklearnClass } from './lowering.ts';
import { Estimator, type Labels, plainLabels } from './records.ts';
import { sklearnClasses } from './registry.ts';

/** What a framework's converter hands back before bytes and report are made. */
export interface ConvertedGraph {
  readonly model: ModelProto;
  readonly framework: string;
  readonly frameworkVersion: string | undefined;
  readonly modelClass: string;
  readonly featureNames: readonly string[] | undefined;
  readonly classes: readonly (string | number | boolean)[] | undefined;
  readonly notes: readonly string[];
}

/** Nesting of estimators that a file may have. */
const maxDepth = 24;
/** Estimators one conversion may visit; shared references in a file could otherwise multiply. */
const maxVisits = 20_000;

/**
 * Writes the graph of a fitted scikit-learn object read from a pickle.
 * @throws OnnxError `unsupported_source` listing every class that does not convert, `source_malformed`, `not_a_model`
 */
export function convertSklearn(root: PyValue, producerVersion: string): ConvertedGraph {
  if (!(root instanceof PyObject)) {
    throw new OnnxError(
      'not_a_model',
      'The pickle holds no fitted scikit-learn object but plain data; save the model itself with pickle or joblib.',
    );
  }
  const estimator = new Estimator(root, root.type.name);
  refuseUnsupported(estimator);
  const version = estimator.text('_sklearn_version') ?? firstVersion(estimator);
  const graph = new GraphBuilder();
  const notes: string[] = [];
  const columns = inputColumns(estimator);
  const x = declareInputs(columns, graph);
  const to = lowering(graph, versionNumber(version), notes);
  const canPredict = classOf(lastStep(estimator))?.predict !== undefined;
  let classes: Labels | undefined;
  if (canPredict) classes = declareAnswer(to.predict(estimator, x), graph, '');
  else declareFrame(to.transform(estimator, x), graph);
  const metadata = [
    ...(columns.names === undefined ? [] : [{ key: 'holdfast.feature_names', value: JSON.stringify(columns.names) }]),
    ...(classes === undefined ? [] : [{ key: classesKey, value: JSON.stringify(plainLabels(classes)) }]),
  ];
  return {
    model: graph.finish(metadata, producerVersion),
    framework: 'scikit-learn',
    frameworkVersion: version,
    modelClass: lastStep(estimator).className,
    featureNames: columns.names,
    classes: classes === undefined ? undefined : plainLabels(classes),
    notes,
  };
}

function firstVersion(estimator: Estimator): string | undefined {
  for (const part of parts(estimator.record, estimator.path)) {
    const version = part.text('_sklearn_version');
    if (version !== undefined) return version;
  }
  return undefined;
}

function versionNumber(version: string | undefined): number {
  const match = /^(\d+)\.(\d+)/.exec(version ?? '');
  return match === null ? 0 : Number(match[1]) * 1000 + Number(match[2]);
}

/** Packages whose classes are meant by the names in the registry; a class of the same name elsewhere is another one. */
const knownModules = /^(sklearn\.|xgboost\.sklearn$|lightgbm\.sklearn$|imblearn\.pipeline$|skopt\.searchcv$)/;

function classOf(estimator: Estimator): SklearnClass | undefined {
  return knownModules.test(estimator.record.type.module) ? sklearnClasses.get(estimator.className) : undefined;
}

/** Lists everything unsupported at once, before any work is done. */
function refuseUnsupported(root: Estimator): void {
  const unknown = new Map<string, Estimator>();
  for (const part of parts(root.record, root.path)) {
    const isHelper = part.className.startsWith('_') || /^(numpy|builtins|collections)/.test(part.record.type.module);
    if (!isHelper && classOf(part) === undefined) unknown.set(`${part.record.type.path} at ${part.path}`, part);
  }
  if (unknown.size === 0) return;
  const [first] = unknown.values();
  const listed = [...unknown.keys()];
  throw new OnnxError('unsupported_source', `The model uses classes that cannot be converted: ${listed.join(', ')}.`, {
    node: first!.path,
    op: first!.className,
    unsupported: listed,
  });
}

function lowering(graph: GraphBuilder, version: number, notes: string[]): Lowering {
  let depth = 0;
  let visits = 0;
  const visit = <T>(estimator: Estimator, run: () => T): T => {
    if (++depth > maxDepth || ++visits > maxVisits)
      throw new OnnxError(
        'too_large',
        `The model nests more than ${maxDepth} levels or ${maxVisits} parts at ${estimator.path}; the file is damaged.`,
      );
    const result = run();
    depth--;
    return result;
  };
  const to: Lowering = {
    graph,
    version,
    notes,
    predict: (estimator, x) =>
      visit(estimator, () => {
        const write = classOf(estimator)?.predict ?? estimator.refuse('cannot predict');
        return write(estimator, x, to);
      }),
    transform: (estimator, x) =>
      visit(estimator, () => {
        const write = classOf(estimator)?.transform ?? estimator.refuse('cannot transform');
        return write(estimator, x, to);
      }),
  };
  return to;
}

/** One matrix `X` where all columns are of one kind, else one input per column under its own name. */
function declareInputs({ kinds, names }: InputColumns, graph: GraphBuilder): Frame {
  const withNames = names === undefined ? {} : { names };
  if (kinds.length === 0) throw new OnnxError('source_malformed', 'The model takes no columns; it is not fitted.');
  if (kinds.every(kind => kind === 'double')) {
    return {
      blocks: [{ value: graph.input('X', 'double', ['batch', kinds.length]), type: 'double', columns: kinds.length }],
      ...withNames,
    };
  }
  if (kinds.length === 1)
    return {
      blocks: [{ value: graph.input(names?.[0] ?? 'text', 'string', ['batch', 1]), type: 'string', columns: 1 }],
      ...withNames,
    };
  if (names === undefined && kinds.every(kind => kind === 'string')) {
    return {
      blocks: [{ value: graph.input('X', 'string', ['batch', kinds.length]), type: 'string', columns: kinds.length }],
    };
  }
  const blocks = kinds.map(
    (kind, i): Block => ({
      value: graph.input(names?.[i] ?? `column_${i}`, kind, ['batch', 1]),
      type: kind,
      columns: 1,
    }),
  );
  return { blocks, ...withNames };
}

function declareFrame(frame: Frame, graph: GraphBuilder): void {
  if (frame.blocks.length === 0)
    throw new OnnxError('unsupported_source', 'The model drops every column and gives nothing.');
  if (frame.blocks.length === 1) {
    const [block] = frame.blocks;
    graph.output(block!.value, 'transformed', block!.type, ['batch', frameWidth(frame)]);
    return;
  }
  frame.blocks.forEach((block, i) => {
    graph.output(block.value, `transformed_${i}`, block.type, ['batch', block.columns]);
  });
}

/** Declares the outputs of an answer and gives the class labels of a single classifier. */
function declareAnswer(answer: Answer, graph: GraphBuilder, suffix: string): Labels | undefined {
  switch (answer.kind) {
    case 'classes': {
      const label = emitLabels(graph, answer.classes, answer.index);
      graph.output(label.value, `label${suffix}`, label.type, ['batch']);
      if (answer.probabilities !== undefined)
        graph.output(answer.probabilities, `probabilities${suffix}`, 'double', ['batch', answer.classes.values.length]);
      else if (answer.scores !== undefined)
        graph.output(answer.scores.value, `scores${suffix}`, 'double', ['batch', answer.scores.columns]);
      return answer.classes;
    }
    case 'values':
      if (answer.columns === 1)
        graph.output(graph.op('Reshape', [answer.value, graph.ints(-1)]), `prediction${suffix}`, 'double', ['batch']);
      else graph.output(answer.value, `prediction${suffix}`, 'double', ['batch', answer.columns]);
      return undefined;
    case 'clusters':
      graph.output(answer.index, `label${suffix}`, 'int64', ['batch']);
      if (answer.distances !== undefined)
        graph.output(answer.distances.value, `distances${suffix}`, 'double', ['batch', answer.distances.columns]);
      return undefined;
    case 'outliers':
      graph.output(answer.label, `label${suffix}`, 'int64', ['batch']);
      graph.output(answer.score, `score${suffix}`, 'double', ['batch']);
      return undefined;
    case 'several':
      answer.answers.forEach((inner, i) => {
        declareAnswer(inner, graph, `${suffix}_${i}`);
      });
      return undefined;
    default:
      throw new TypeError(`unknown answer ${JSON.stringify(answer satisfies never)}`);
  }
}
