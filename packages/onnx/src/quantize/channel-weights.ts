import { dataType, type ModelProto, type NodeProto, type TensorProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { OnnxError } from '../onnx-error.ts';

/** A float32 weight as int8 with one scale per channel: value = quantized * scale. */
export interface ChannelWeights {
  readonly dims: readonly number[];
  /** Elements in the order of the weight itself. */
  readonly quantized: Int8Array;
  readonly scales: Float32Array;
  /** Axis that the scales belong to. */
  readonly axis: number;
}

/** A weight that a node multiplies with, which of its inputs that is, and the axis of its output channels. */
export interface WeightUse {
  readonly node: NodeProto;
  readonly input: number;
  readonly tensor: TensorProto;
  readonly axis: number;
}

/** Weights below this many elements stay as they are: nothing would be saved. */
const smallest = 64;

/** Newest-first lowest opset at which DequantizeLinear knows channels. */
const lowestOpset = 13n;

/** @throws OnnxError `unsupported_opset` for models too old to describe 8-bit channels */
export function requireQuantizable(model: ModelProto): void {
  const opset = model.opsetImport.find(item => item.domain === '' || item.domain === 'ai.onnx')?.version ?? 0n;
  if (opset < lowestOpset)
    throw new OnnxError(
      'unsupported_opset',
      `The model has opset ${opset}; 8-bit weights per channel need ${lowestOpset} or newer. Export it with opset_version=${lowestOpset}.`,
    );
}

/** Operators whose weights make a file large, with the inputs that are weights: one, or those of a step and of the state. */
export const weightInputs: ReadonlyMap<string, readonly number[]> = new Map<string, readonly number[]>([
  ...['Conv', 'ConvTranspose', 'MatMul', 'Gemm'].map(op => [op, [1]] as const),
  ...['LSTM', 'GRU', 'RNN'].map(op => [op, [1, 2]] as const),
]);

/** Every constant float32 weight of these operators in the main graph that is large enough to gain something. */
export function weightUses(model: ModelProto, ops: Iterable<string>): WeightUse[] {
  const wanted = new Set(ops);
  const constants = new Map(model.graph.initializers.map(tensor => [tensor.name, tensor]));
  return model.graph.nodes.flatMap(node => {
    if (node.domain !== '' || !wanted.has(node.opType)) return [];
    return (weightInputs.get(node.opType) ?? []).flatMap((input): WeightUse[] => {
      const tensor = constants.get(node.inputs[input] ?? '');
      if (tensor === undefined || tensor.dataType !== dataType.float || tensor.isExternal) return [];
      const axis = channelAxis(node, tensor.dims.length);
      const count = tensor.dims.reduce((product, dim) => product * dim, 1n);
      return axis === undefined || count < BigInt(smallest) ? [] : [{ node, input, tensor, axis }];
    });
  });
}

/** Operators of a model whose large weights are float32, with how many of each there are: `LSTM (2)`. */
export function floatWeightsLeft(bytes: Uint8Array): string[] {
  const counts = new Map<string, number>();
  for (const node of new Set(weightUses(readModel(bytes), weightInputs.keys()).map(use => use.node)))
    counts.set(node.opType, (counts.get(node.opType) ?? 0) + 1);
  return [...counts].map(([op, count]) => `${op} (${count})`);
}

function channelAxis(node: NodeProto, rank: number): number | undefined {
  switch (node.opType) {
    case 'Conv':
      return 0;
    case 'ConvTranspose':
      // With groups the output channels are spread over two axes.
      return intAttribute(node, 'group', 1n) === 1n ? 1 : undefined;
    case 'MatMul':
      return rank === 2 ? 1 : undefined;
    case 'Gemm':
      return intAttribute(node, 'transB', 0n) === 1n ? 0 : 1;
    case 'LSTM':
    case 'GRU':
    case 'RNN':
      // [directions, gates * units, inputs]: DequantizeLinear knows one axis, so both directions share their scales.
      return rank === 3 ? 1 : undefined;
    default:
      return undefined;
  }
}

export function intAttribute(node: NodeProto, name: string, fallback: bigint): bigint {
  return node.attributes.find(attribute => attribute.name === name)?.i ?? fallback;
}

/** The elements of a float32 tensor, from either of its two stores. */
export function floatValues(tensor: TensorProto): Float32Array {
  const bytes = tensor.rawData ?? joined(tensor.floatData);
  const copy = bytes.slice();
  return new Float32Array(copy.buffer, 0, copy.length >> 2);
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** Symmetric int8 with a scale per channel: the largest value of each channel becomes 127. */
export function quantizeChannels({ tensor, axis }: Pick<WeightUse, 'tensor' | 'axis'>): ChannelWeights {
  const dims = tensor.dims.map(Number);
  const values = floatValues(tensor);
  const channels = dims[axis] ?? 1;
  const inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const scales = new Float32Array(channels);
  const channelOf = (i: number): number => Math.floor(i / inner) % channels;
  values.forEach((value, i) => {
    const channel = channelOf(i);
    scales[channel] = Math.max(scales[channel]!, Math.abs(value));
  });
  for (let channel = 0; channel < channels; channel++)
    scales[channel] = scales[channel]! > 0 ? scales[channel]! / 127 : 1;
  const quantized = new Int8Array(values.length);
  values.forEach((value, i) => {
    quantized[i] = Math.max(-127, Math.min(127, Math.round(value / scales[channelOf(i)]!)));
  });
  return { dims, quantized, scales, axis };
}

/** Names that occur nowhere in the graph yet. */
export function freshNames(model: ModelProto): (stem: string) => string {
  const taken = new Set([
    ...model.graph.initializers.map(tensor => tensor.name),
    ...model.graph.inputs.map(input => input.name),
    ...model.graph.nodes.flatMap(node => node.outputs),
  ]);
  return stem => {
    let name = stem;
    for (let i = 2; taken.has(name); i++) name = `${stem}_${i}`;
    taken.add(name);
    return name;
  };
}

/** @throws OnnxError `bad_option` when no weight qualifies */
export function refuseNothing(count: number): void {
  if (count > 0) return;
  throw new OnnxError(
    'bad_option',
    'The model has nothing that this mode quantizes: float32 weights of convolutions, matrix products or recurrent layers. Trees have none; a float64 graph gets them with --float32.',
  );
}

/** The model with other nodes and more initialisers, without initialisers that nothing reads any more. */
export function withGraph(model: ModelProto, nodes: readonly NodeProto[], added: readonly TensorProto[]): ModelProto {
  const used = new Set([
    ...nodes.flatMap(node => node.inputs),
    ...model.graph.outputs.map(output => output.name),
    ...model.graph.inputs.map(input => input.name),
  ]);
  const hasSubgraphs = nodes.some(node => node.attributes.some(({ g, graphs }) => g ?? graphs));
  const kept = model.graph.initializers.filter(tensor => hasSubgraphs || used.has(tensor.name));
  return { ...model, graph: { ...model.graph, nodes, initializers: [...kept, ...added] } };
}
