import { dataType, type GraphProto, type NodeProto } from '../model/proto.ts';

/** Operators whose first output has the element type of their first input. */
const likeFirst =
  /^(Conv|ConvTranspose|MatMul|Gemm|Clip|PRelu|Add|Sub|Mul|Div|Pow|Relu|LeakyRelu|Elu|Selu|Celu|Sigmoid|HardSigmoid|HardSwish|Softplus|Softsign|Tanh|Identity|Neg|Abs|Exp|Log|Sqrt|Reciprocal|Erf|Gelu|Floor|Ceil|Round|Sin|Cos|Softmax|LogSoftmax|Hardmax|Max|Min|Mean|Sum|Reduce\w+|.*Normalization|LRN|Global\w+Pool|MaxPool|AveragePool|LpPool|Resize|Upsample|Dropout|Reshape|Flatten|Squeeze|Unsqueeze|Transpose|Slice|Gather|GatherND|GatherElements|ScatterND|ScatterElements|Expand|Tile|Pad|Concat|DepthToSpace|SpaceToDepth|CumSum|TopK|Einsum|Trilu)$/;
/** Operators all of whose outputs have it. */
const allLikeFirst = /^(Split|LSTM|GRU|RNN)$/;

/**
 * Names of the values of a main graph that are certainly float32. Values of operators that are not known here are left
 * out, which is safe: nobody changes them then.
 */
export function floatValueNames(graph: GraphProto): ReadonlySet<string> {
  const floats = new Set<string>();
  for (const tensor of graph.initializers) if (tensor.dataType === dataType.float) floats.add(tensor.name);
  for (const { name, type } of graph.inputs)
    if (type?.kind === 'tensor' && type.elemType === dataType.float) floats.add(name);
  for (const node of graph.nodes) for (const name of floatOutputs(node, floats)) floats.add(name);
  floats.delete('');
  return floats;
}

function floatOutputs(node: NodeProto, floats: ReadonlySet<string>): readonly string[] {
  if (node.domain !== '') return [];
  const isFloat = (i: number): boolean => floats.has(node.inputs[i] ?? '');
  if (node.opType === 'Where') return isFloat(1) ? node.outputs : [];
  if (node.opType === 'Cast')
    return node.attributes.find(({ name }) => name === 'to')?.i === BigInt(dataType.float) ? node.outputs : [];
  if (node.opType === 'DequantizeLinear') return isFloat(1) ? node.outputs : [];
  if (!isFloat(0)) return [];
  if (allLikeFirst.test(node.opType)) return node.outputs;
  return likeFirst.test(node.opType) ? node.outputs.slice(0, 1) : [];
}
