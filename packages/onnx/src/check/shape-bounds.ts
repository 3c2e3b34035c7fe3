import type { AttributeProto, GraphProto, NodeProto, TensorProto } from '../model/proto.ts';
import { elementCount, integerValues } from '../model/tensor-values.ts';
import { OnnxError } from '../onnx-error.ts';
import { nodeLabel } from './check-graph.ts';

/** What is known of a value before anything runs. */
interface Known {
  readonly shape: readonly bigint[];
  /** The elements, for the small integer tensors that other nodes use as sizes. */
  readonly values?: readonly bigint[];
  /** True when no caller's input takes part, so that loading the model already computes it. */
  readonly isConstant: boolean;
}

/** Bounds of `boundShapes`. */
export interface ShapeLimits {
  /** Elements of one value. */
  readonly maxElements: bigint;
  /** Elements of all constants that loading would compute, and a hundredth of their multiplications. */
  readonly maxConstantElements: bigint;
}

/**
 * Follows sizes through the graph as far as they are known without running it, and refuses values that would be
 * impossibly large and constants whose computation at load time would exhaust memory or time.
 * @throws OnnxError `constant_bomb`, `too_large`
 */
export function boundShapes(graph: GraphProto, order: readonly NodeProto[], limits: ShapeLimits): void {
  const known = new Map<string, Known>();
  for (const input of graph.inputs) {
    const shape = input.type?.kind === 'tensor' ? input.type.shape?.map(dim => dim.size) : undefined;
    if (shape?.every(size => typeof size === 'bigint' && size >= 0n))
      known.set(input.name, { shape: shape as bigint[], isConstant: false });
  }
  for (const tensor of graph.initializers) known.set(tensor.name, knownTensor(tensor));
  let constantElements = 0n;
  for (const node of order) {
    const result = inferNode(
      node,
      node.inputs.map(name => known.get(name)),
    );
    if (result === undefined) continue;
    const elements = result.shape.reduce((product, size) => product * size, 1n);
    if (elements > limits.maxElements)
      throw tooLarge(node, elements, result.isConstant ? 'constant_bomb' : 'too_large');
    if (result.isConstant && node.opType !== 'Constant') {
      constantElements +=
        elements +
        workOf(
          node,
          node.inputs.map(name => known.get(name)),
          elements,
        ) /
          100n;
      if (constantElements > limits.maxConstantElements) throw tooLarge(node, constantElements, 'constant_bomb');
    }
    const [output] = node.outputs;
    if (output !== undefined && output !== '') known.set(output, result);
  }
}

function tooLarge(node: NodeProto, elements: bigint, code: 'constant_bomb' | 'too_large'): OnnxError {
  const label = nodeLabel(node);
  return new OnnxError(
    code,
    `Node "${label}" (${node.opType}) would make about ${elements} elements from a few bytes; such a size cannot be served.`,
    { node: label, op: node.opType },
  );
}

function knownTensor(tensor: TensorProto): Known {
  const values = elementCount(tensor) <= 64n ? integerValues(tensor, 64) : undefined;
  return { shape: tensor.dims, isConstant: true, ...(values === undefined ? {} : { values }) };
}

function attribute(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attributes.find(item => item.name === name);
}

/** Multiplications of a matrix product beyond one per element of the result; 0 for other operators. */
function workOf(node: NodeProto, inputs: readonly (Known | undefined)[], elements: bigint): bigint {
  if (node.opType !== 'MatMul' && node.opType !== 'Gemm') return 0n;
  const left = inputs[0]?.shape;
  if (left === undefined || left.length === 0) return 0n;
  const inner = node.opType === 'Gemm' && attribute(node, 'transA')?.i === 1n ? left[0]! : left.at(-1)!;
  return elements * inner;
}

const sameShape = new Set(
  'Identity Cast Relu Neg Abs Sqrt Exp Log Sin Cos Tanh Sigmoid Erf Floor Ceil Round Not Softmax LogSoftmax Sign Reciprocal Clip Dropout CumSum Trilu'.split(
    ' ',
  ),
);
const broadcasting = new Set(
  'Add Sub Mul Div Pow Max Min Sum Mean And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual Where Mod BitShift PRelu'.split(
    ' ',
  ),
);

function inferNode(node: NodeProto, inputs: readonly (Known | undefined)[]): Known | undefined {
  if (node.domain !== '' && node.domain !== 'ai.onnx') return undefined;
  const isConstant = inputs.every((input, i) => node.inputs[i] === '' || input?.isConstant === true);
  const [first, second] = inputs;
  const made = (shape: readonly bigint[] | undefined, values?: readonly bigint[]): Known | undefined =>
    shape === undefined || shape.some(size => size < 0n)
      ? undefined
      : { shape, isConstant, ...(values === undefined ? {} : { values }) };
  if (sameShape.has(node.opType))
    return made(first?.shape, node.opType === 'Identity' || node.opType === 'Cast' ? first?.values : undefined);
  if (broadcasting.has(node.opType)) return made(broadcast(inputs));
  switch (node.opType) {
    case 'Constant': {
      const tensor = attribute(node, 'value')?.t;
      const ints = attribute(node, 'value_ints')?.ints;
      const int = attribute(node, 'value_int')?.i;
      if (tensor !== undefined) return knownTensor(tensor);
      if (ints !== undefined) return made([BigInt(ints.length)], ints.length <= 64 ? [...ints] : undefined);
      return int === undefined ? undefined : made([], [int]);
    }
    case 'Shape':
      return first === undefined
        ? undefined
        : { shape: [BigInt(first.shape.length)], values: first.shape, isConstant: true };
    case 'ConstantOfShape':
      return made(first?.values);
    case 'Reshape':
      return first === undefined || second?.values === undefined
        ? undefined
        : made(reshaped(first.shape, second.values));
    case 'Expand':
      return first === undefined || second?.values === undefined
        ? undefined
        : made(broadcast([first, { shape: second.values, isConstant }]));
    case 'Tile':
      return second?.values === undefined
        ? undefined
        : made(first?.shape.map((size, i) => size * (second.values![i] ?? 1n)));
    case 'Concat':
      return made(concatenated(inputs, attribute(node, 'axis')?.i ?? 0n));
    case 'MatMul':
      return made(product(first?.shape, second?.shape));
    case 'Gemm':
      return made(gemm(node, first?.shape, second?.shape));
    case 'Transpose':
      return made(transposed(first?.shape, attribute(node, 'perm')?.ints));
    case 'Range': {
      const [start, limit, delta] = inputs.map(input => input?.values?.[0]);
      if (start === undefined || limit === undefined || delta === undefined || delta === 0n) return undefined;
      const length = (limit - start + delta - (delta > 0n ? 1n : -1n)) / delta;
      return made([length > 0n ? length : 0n]);
    }
    case 'Pad':
      return second?.values === undefined ? undefined : made(padded(first?.shape, second.values));
    default:
      return undefined;
  }
}

function broadcast(inputs: readonly (Known | undefined)[]): bigint[] | undefined {
  let shape: bigint[] = [];
  for (const input of inputs) {
    if (input === undefined) return undefined;
    const rank = Math.max(shape.length, input.shape.length);
    const next: bigint[] = [];
    for (let i = 0; i < rank; i++) {
      const a = shape[shape.length - rank + i] ?? 1n;
      const b = input.shape[input.shape.length - rank + i] ?? 1n;
      next.push(a === 1n ? b : a);
    }
    shape = next;
  }
  return shape;
}

function reshaped(shape: readonly bigint[], wanted: readonly bigint[]): bigint[] | undefined {
  const total = shape.reduce((product, size) => product * size, 1n);
  const sizes = wanted.map((size, i) => (size === 0n ? (shape[i] ?? 0n) : size));
  const fixed = sizes.reduce((product, size) => (size === -1n ? product : product * size), 1n);
  if (!sizes.includes(-1n)) return sizes;
  return fixed === 0n ? undefined : sizes.map(size => (size === -1n ? total / fixed : size));
}

function concatenated(inputs: readonly (Known | undefined)[], axis: bigint): bigint[] | undefined {
  const first = inputs[0]?.shape;
  if (first === undefined) return undefined;
  const at = Number(axis < 0n ? axis + BigInt(first.length) : axis);
  const shape = [...first];
  for (const input of inputs.slice(1)) {
    const size = input?.shape[at];
    if (size === undefined || shape[at] === undefined) return undefined;
    shape[at] += size;
  }
  return shape;
}

function product(a: readonly bigint[] | undefined, b: readonly bigint[] | undefined): bigint[] | undefined {
  if (a === undefined || b === undefined || a.length < 2 || b.length < 2) return undefined;
  const batch = broadcast([a, b].map(shape => ({ shape: shape.slice(0, -2), isConstant: true })));
  return batch === undefined ? undefined : [...batch, a.at(-2)!, b.at(-1)!];
}

function gemm(
  node: NodeProto,
  a: readonly bigint[] | undefined,
  b: readonly bigint[] | undefined,
): bigint[] | undefined {
  if (a?.length !== 2 || b?.length !== 2) return undefined;
  return [attribute(node, 'transA')?.i === 1n ? a[1]! : a[0]!, attribute(node, 'transB')?.i === 1n ? b[0]! : b[1]!];
}

function transposed(shape: readonly bigint[] | undefined, perm: BigInt64Array | undefined): bigint[] | undefined {
  if (shape === undefined) return undefined;
  if (perm === undefined) return shape.toReversed();
  const sizes = [...perm].map(axis => shape[Number(axis)]);
  return sizes.every(size => size !== undefined) ? sizes : undefined;
}

function padded(shape: readonly bigint[] | undefined, pads: readonly bigint[]): bigint[] | undefined {
  if (shape === undefined || pads.length !== shape.length * 2) return undefined;
  return shape.map((size, i) => size + pads[i]! + pads[i + shape.length]!);
}
