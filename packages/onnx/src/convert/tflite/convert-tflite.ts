import { OnnxError } from '../../onnx-error.ts';
import { GraphBuilder } from '../graph-builder.ts';
import type { ConverterSettings } from '../report.ts';
import { simplifyModel } from '../simplify/simplify-graph.ts';
import type { ConvertedGraph } from '../sklearn/convert-sklearn.ts';
import { type Constant, OperatorCall, SubgraphLowering, type TfliteContext, type TfliteState } from './lowering.ts';
import { readTflite, type TfliteModel, type TfliteTensor } from './read-tflite.ts';
import { tfliteOperators } from './registry.ts';
import { inputNames, outputNames, tfliteSignature } from './signature.ts';

/** Operators one conversion lowers in all, subgraphs counted as often as they are used, and how deep they nest. */
const maxOperators = 60_000;
const maxDepth = 16;

/** Converts a TFLite model; inputs and outputs keep the element types of the source, quantised ones too. */
export function convertTflite(bytes: Uint8Array, settings: ConverterSettings): ConvertedGraph {
  const model = readTflite(bytes);
  const signature = tfliteSignature(model, settings.signature);
  const main = model.subgraphs[signature?.subgraph ?? 0]!;
  refuseUnknownOperators(model);
  const graph = new GraphBuilder();
  const names = inputNames(main.inputs, main.tensors, signature);
  const conversion = new TfliteConversion(model);
  const lowering = new SubgraphLowering(graph, conversion, main, 0);
  main.inputs.forEach((index, i) => {
    const tensor = main.tensors[index]!;
    lowering.setStored(index, graph.input(names[i]!, lowering.requireType(tensor), openDims(tensor, names[i]!)));
  });
  conversion.run(lowering);
  conversion.throwRefusals();
  const outputs = outputNames(main, signature);
  main.outputs.forEach((index, i) => {
    const tensor = main.tensors[index]!;
    const name = outputs[i]!;
    graph.output(lowering.declared(index), name, lowering.requireType(tensor), openDims(tensor, name));
  });
  for (const state of conversion.states) {
    const name = `${state.name}_next`;
    graph.output(
      state.next,
      name,
      state.type,
      state.shape.map(size => (size < 0 ? 'batch' : size)),
    );
    conversion.notes.add(
      `"${state.name}" is the state TFLite keeps between calls: give zeros first, then what "${name}" answered.`,
    );
  }
  const others = model.signatures.map(({ key }) => key).filter(key => key !== signature?.key);
  if (others.length > 0) conversion.notes.add(`Other signatures of the file: ${others.join(', ')}.`);
  return {
    model: simplifyModel(graph.finish([], settings.producerVersion)),
    framework: 'TensorFlow Lite',
    frameworkVersion: model.runtimeVersion === undefined ? undefined : `runtime ${model.runtimeVersion}`,
    modelClass: model.description === '' ? 'TFLite model' : model.description.slice(0, 100),
    featureNames: undefined,
    classes: undefined,
    notes: [...conversion.notes],
  };
}

/** The shape with names for open sizes; the first dimension of all inputs and outputs is the batch. */
function openDims(tensor: TfliteTensor, name: string): (number | string)[] {
  return tensor.openShape.map((size, i) => (size >= 0 ? size : i === 0 ? 'batch' : `${name}_${i}`));
}

/** Names every operator that has no converter, all at once. @throws OnnxError `unsupported_source` */
function refuseUnknownOperators(model: TfliteModel): void {
  const unknown = new Map<string, string>();
  for (const { operators, tensors } of model.subgraphs)
    for (const { name, isCustom, outputs } of operators) {
      const output = tensors[outputs[0] ?? -1]?.name ?? '';
      const label = isCustom ? `custom operator ${name}` : name;
      if ((isCustom || !tfliteOperators.has(name)) && !unknown.has(label)) unknown.set(label, output);
    }
  if (unknown.size === 0) return;
  const listed = [...unknown].map(([label, output]) => `${label} (at "${output}")`);
  const [first] = unknown;
  throw new OnnxError('unsupported_source', `The TFLite model uses what does not convert: ${listed.join(', ')}.`, {
    unsupported: [...unknown.keys()],
    op: first![0].replace(/^custom operator /, ''),
    node: first![1],
  });
}

/** Lowers subgraphs and gathers what of them does not convert. */
class TfliteConversion implements TfliteContext {
  readonly model: TfliteModel;
  readonly notes = new Set<string>();
  readonly states: TfliteState[] = [];
  readonly variables = new Map<string, Constant>();
  readonly #refusals: OnnxError[] = [];
  #operators = 0;
  #prefixes = 0;

  constructor(model: TfliteModel) {
    this.model = model;
  }

  readonly uniquePrefix = (stem: string): string => `${stem}${this.#prefixes++}`;

  readonly lower: TfliteContext['lower'] = (graph, index, inputs, from) => {
    const inner = this.#enter(graph, index, from, false);
    if (inputs.length !== inner.subgraph.inputs.length)
      throw new OnnxError(
        'source_malformed',
        `Subgraph ${index} of the TFLite model is given ${inputs.length} values.`,
      );
    inner.subgraph.inputs.forEach((tensor, i) => {
      inner.setStored(tensor, inputs[i]!);
    });
    this.run(inner);
    return inner.subgraph.outputs.map(output => (this.#refusals.length > 0 ? '' : inner.declared(output)));
  };

  readonly initialize: TfliteContext['initialize'] = (index, from) => {
    this.run(this.#enter(new GraphBuilder(), index, from, true));
  };

  #enter(graph: GraphBuilder, index: number, from: SubgraphLowering, isInitializer: boolean): SubgraphLowering {
    const subgraph = this.model.subgraphs[index];
    if (subgraph === undefined || from.depth >= maxDepth)
      throw new OnnxError('too_deep', `Subgraph ${index} of the TFLite model nests too deep or does not exist.`);
    return new SubgraphLowering(graph, this, subgraph, from.depth + 1, isInitializer);
  }

  run(lowering: SubgraphLowering): void {
    for (const operator of lowering.subgraph.operators) {
      if (++this.#operators > maxOperators)
        throw new OnnxError('too_large', `The TFLite model runs more than ${maxOperators} operators.`);
      const handler = tfliteOperators.get(operator.name);
      try {
        handler?.(new OperatorCall(operator, lowering));
      } catch (error) {
        if (!(error instanceof OnnxError && error.code === 'unsupported_source')) throw error;
        this.#refusals.push(error);
        // What follows is still looked at, so that everything that does not convert is named at once.
        for (const output of operator.outputs) lowering.setStored(output, `refused_${output}`);
      }
    }
  }

  /** @throws OnnxError `unsupported_source` naming everything met that does not convert */
  throwRefusals(): void {
    const [first, ...more] = this.#refusals;
    if (first === undefined) return;
    if (more.length === 0) throw first;
    const unsupported = [...new Set(this.#refusals.flatMap(error => error.unsupported))];
    throw new OnnxError(
      'unsupported_source',
      `The TFLite model does what does not convert: ${unsupported.join('; ')}.`,
      {
        unsupported,
        ...(first.op === undefined ? {} : { op: first.op }),
        ...(first.node === undefined ? {} : { node: first.node }),
      },
    );
  }
}
