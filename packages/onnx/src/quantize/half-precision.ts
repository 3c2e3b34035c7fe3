import { buildNode, buildTensor } from '../model/build.ts';
import { dataType, type GraphProto, type ModelProto, type NodeProto, type TensorProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import { OnnxError } from '../onnx-error.ts';
import { floatValues, freshNames, weightInputs } from './channel-weights.ts';
import { floatValueNames } from './float-values.ts';
import { halfBits, largestHalf } from './half-bits.ts';

/** Operators that compute in float16, with their inputs that are numbers (the others are shapes, indices and the like). */
const halved: ReadonlyMap<string, readonly number[] | 'all'> = new Map<string, readonly number[] | 'all'>([
  ...['Conv', 'ConvTranspose', 'Gemm', 'Clip'].map(op => [op, [0, 1, 2]] as const),
  ...['MatMul', 'PRelu', 'Add', 'Sub', 'Mul'].map(op => [op, [0, 1]] as const),
  ...['Relu', 'LeakyRelu', 'Elu', 'Selu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Tanh', 'Identity', 'Neg', 'Abs'].map(
    op => [op, [0]] as const,
  ),
  ...['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'Slice', 'Gather', 'Expand', 'Split'].map(
    op => [op, [0]] as const,
  ),
  ...['MaxPool', 'AveragePool', 'DepthToSpace', 'SpaceToDepth'].map(op => [op, [0]] as const),
  ['Pad', [0, 2]],
  ['Concat', 'all'],
]);

const recurrent = new Set(['LSTM', 'GRU', 'RNN']);

/**
 * Stores weights as float16 and computes convolutions, matrix products and what lies between them in it; half the
 * size. Everything that loses digits in float16 (normalisations, sums over many elements, softmax, exponentials,
 * division, resizing, recurrent layers, trees, control flow) stays in float32 behind casts, and so do weights
 * beyond its range. Inputs and outputs stay float32.
 * @throws OnnxError `bad_option` when the model has no such weights
 */
export function toFloat16(bytes: Uint8Array): Uint8Array {
  const model = readModel(bytes);
  const { graph } = model;
  const floats = floatValueNames(graph);
  const constants = new Map(graph.initializers.map(tensor => [tensor.name, tensor]));
  const chosen = new Set(graph.nodes.filter(node => fits(node, floats, constants)));
  const isConstant = (name: string): boolean => constants.has(name);
  const stored = storedOnly(model, constants);
  if (stored.size === 0 && ![...chosen].some(node => weightInputs.has(node.opType) && node.inputs.some(isConstant)))
    throw new OnnxError(
      'bad_option',
      'The model has no float32 weights of convolutions, matrix products or recurrent layers that float16 could hold. Trees have none; a float64 graph gets them with --float32.',
    );
  const fresh = freshNames(model);
  const halves = new Map<string, string>();
  const halfOf = (name: string): string => {
    const known = halves.get(name) ?? fresh(`${name}_float16`);
    halves.set(name, known);
    return known;
  };
  const asHalf = (node: NodeProto): NodeProto => {
    const numbers = numbersOf(node);
    return {
      ...node,
      inputs: node.inputs.map((name, i) => (name !== '' && numbers.includes(i) ? halfOf(name) : name)),
      outputs: node.outputs.map(name => (floats.has(name) ? halfOf(name) : name)),
    };
  };
  const changed = new Map(graph.nodes.map(node => [node, chosen.has(node) ? asHalf(node) : node]));
  const readFull = namesRead(graph, [...changed.values()]);
  const cast = (from: string, to: string, type: number): NodeProto =>
    buildNode('Cast', [from], [to], { name: `${to}_cast`, attributes: { to: BigInt(type) } });
  const toHalf = (names: readonly string[]): NodeProto[] =>
    names.flatMap(name => (halves.has(name) ? [cast(name, halfOf(name), dataType.float16)] : []));
  const given = graph.inputs.map(input => input.name).filter(name => !constants.has(name));
  const nodes = graph.nodes.flatMap(node => [
    changed.get(node)!,
    ...(chosen.has(node)
      ? node.outputs
          .filter(name => floats.has(name) && readFull.has(name))
          .map(name => cast(halfOf(name), name, dataType.float))
      : toHalf(node.outputs)),
  ]);
  const restored = [...stored].map(name => cast(halfOf(name), name, dataType.float));
  const all = [...toHalf(given), ...restored, ...nodes];
  const made = new Set([...given, ...all.flatMap(node => node.outputs)]);
  return writeModel({
    ...model,
    graph: {
      ...graph,
      nodes: all,
      inputs: graph.inputs.filter(input => made.has(input.name) || readFull.has(input.name)),
      initializers: graph.initializers.flatMap(tensor => [
        ...(readFull.has(tensor.name) && !stored.has(tensor.name) ? [tensor] : []),
        ...(halves.has(tensor.name) ? [halfTensor(halfOf(tensor.name), tensor)] : []),
      ]),
      valueInfo: graph.valueInfo.filter(value => made.has(value.name)),
    },
  });
}

/** Weights of recurrent layers, which compute in float32: they are stored in float16 and cast while loading. */
function storedOnly({ graph }: ModelProto, constants: ReadonlyMap<string, TensorProto>): ReadonlySet<string> {
  const given = new Set(graph.inputs.map(input => input.name));
  const names = graph.nodes
    .filter(node => node.domain === '' && recurrent.has(node.opType))
    .flatMap(node => (weightInputs.get(node.opType) ?? []).map(input => node.inputs[input] ?? ''));
  return new Set(
    names.filter(name => {
      const tensor = constants.get(name);
      return tensor?.dataType === dataType.float && !tensor.isExternal && !given.has(name) && isWithinRange(tensor);
    }),
  );
}

function numbersOf(node: NodeProto): readonly number[] {
  const numbers = halved.get(node.opType) ?? [];
  return numbers === 'all' ? node.inputs.map((_, i) => i) : numbers;
}

/** Whether a node can compute in float16: it is one of ours, all its numbers are float32 and its constants within range. */
function fits(node: NodeProto, floats: ReadonlySet<string>, constants: ReadonlyMap<string, TensorProto>): boolean {
  if (node.domain !== '' || !halved.has(node.opType)) return false;
  const inputs = numbersOf(node).flatMap(i => node.inputs[i] || []);
  return (
    inputs.length > 0 &&
    inputs.every(name => {
      if (!floats.has(name)) return false;
      const constant = constants.get(name);
      return constant === undefined || (!constant.isExternal && isWithinRange(constant));
    }) &&
    inputs.some(name => !constants.has(name))
  );
}

function isWithinRange(tensor: TensorProto): boolean {
  return floatValues(tensor).every(value => Math.abs(value) <= largestHalf);
}

function halfTensor(name: string, tensor: TensorProto): TensorProto {
  return buildTensor(name, 'float16', tensor.dims.map(Number), Array.from(floatValues(tensor), halfBits));
}

/** Names that nodes, inner graphs or the caller read under their own name. */
function namesRead(graph: GraphProto, nodes: readonly NodeProto[]): ReadonlySet<string> {
  const names = new Set(graph.outputs.map(output => output.name));
  const collect = (list: readonly NodeProto[]): void => {
    for (const node of list) {
      for (const name of node.inputs) names.add(name);
      for (const { g, graphs } of node.attributes)
        for (const inner of [...(g === undefined ? [] : [g]), ...(graphs ?? [])]) {
          for (const output of inner.outputs) names.add(output.name);
          collect(inner.nodes);
        }
    }
  };
  collect(nodes);
  return names;
}
