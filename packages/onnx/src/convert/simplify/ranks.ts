import type { NodeProto } from '../../model/proto.ts';
import { constantInts, type GraphState, intAttribute } from './graph-state.ts';

/** Operators whose first output has the rank of their first input. */
const keepsRank = new Set(
  (
    'Relu Sigmoid Tanh LeakyRelu Elu Selu HardSigmoid HardSwish Softplus Softsign Abs Neg Exp Log Sqrt Reciprocal ' +
    'Floor Ceil Round Sign Erf Sin Cos Not Cast Clip Identity Gelu Mish Softmax LogSoftmax Pad Slice Concat Split ' +
    'BatchNormalization InstanceNormalization Conv ConvTranspose MaxPool AveragePool GlobalAveragePool GlobalMaxPool ' +
    'Resize Tile CumSum PRelu QuantizeLinear DequantizeLinear DepthToSpace SpaceToDepth LayerNormalization'
  ).split(' '),
);

const broadcasts = new Set('Add Sub Mul Div Pow Min Max Sum Mean And Or Xor Equal Greater Less Where'.split(' '));

/** Rank of the outputs of a node, as far as it follows from its inputs and constants. */
export function rankOf(
  state: GraphState,
  node: NodeProto,
  rank: (name: string) => number | undefined,
): number | undefined {
  if (node.domain !== '') return undefined;
  const [first = '', second] = node.inputs;
  const own = rank(first);
  if (keepsRank.has(node.opType)) return own;
  if (broadcasts.has(node.opType)) {
    const ranks = node.inputs.map(rank);
    return ranks.every(known => known !== undefined) ? Math.max(...ranks) : undefined;
  }
  const axes = second === undefined ? undefined : constantInts(state, second);
  switch (node.opType) {
    case 'Reshape':
    case 'Expand':
      return axes?.length;
    case 'Unsqueeze':
      return own === undefined || axes === undefined ? undefined : own + axes.length;
    case 'Squeeze':
      return own === undefined || axes === undefined ? undefined : own - axes.length;
    case 'Shape':
      return 1;
    case 'Gemm':
    case 'Flatten':
      return 2;
    case 'Gather': {
      const indices = second === undefined ? undefined : rank(second);
      return own === undefined || indices === undefined ? undefined : own - 1 + indices;
    }
    case 'MatMul': {
      const other = second === undefined ? undefined : rank(second);
      return own === undefined || other === undefined || own < 2 || other < 2 ? undefined : Math.max(own, other);
    }
    default:
      if (!node.opType.startsWith('Reduce')) return undefined;
      if (intAttribute(node, 'keepdims', 1) === 1) return own;
      return own === undefined || axes === undefined ? undefined : own - axes.length;
  }
}
