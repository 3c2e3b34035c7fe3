import { dataType, type NodeProto, type TensorProto } from '../../model/proto.ts';
import { evaluateArithmetic } from './evaluate-arithmetic.ts';
import {
  constantInts,
  dimsOf,
  elementBytes,
  findAttribute,
  type GraphState,
  intAttribute,
  intsAttribute,
  isWhole,
  maxFoldedBytes,
  sizeOf,
  withRaw,
} from './graph-state.ts';
import { normalAxes, pick, stridesOf, transposeRaw } from './rearrange.ts';

/** Largest constant an operator may write that makes many elements of few. */
const maxGrownElements = 1 << 16;

type Evaluator = (state: GraphState, node: NodeProto, inputs: readonly TensorProto[]) => TensorProto | undefined;

/** The constant that a node over constants gives, or undefined when it is no such node or too large. */
export function evaluateConstant(state: GraphState, node: NodeProto): TensorProto | undefined {
  const evaluator = evaluators.get(node.opType);
  if (evaluator === undefined || node.domain !== '' || node.outputs.length !== 1) return undefined;
  const inputs: TensorProto[] = [];
  let bytes = 0;
  for (const name of node.inputs) {
    const tensor = state.constants.get(name);
    if (tensor === undefined || !isWhole(tensor)) return undefined;
    bytes += tensor.rawData?.length ?? 0;
    inputs.push(tensor);
  }
  return bytes > maxFoldedBytes ? undefined : evaluator(state, node, inputs);
}

function reshaped(tensor: TensorProto, dims: readonly number[] | undefined): TensorProto | undefined {
  if (dims === undefined || dims.some(dim => dim < 0) || sizeOf(dims) !== sizeOf(dimsOf(tensor))) return undefined;
  return { ...tensor, dims: dims.map(BigInt) };
}

/** The shape a Reshape asks for, with its 0 and -1 resolved. */
function resolveShape(from: readonly number[], asked: readonly number[], keepZero: boolean): number[] {
  const dims = asked.map((dim, i) => (dim === 0 && !keepZero ? (from[i] ?? -2) : dim));
  const known = dims.reduce((product, dim) => (dim === -1 ? product : product * dim), 1);
  return dims.map(dim => (dim === -1 && known > 0 ? sizeOf(from) / known : dim));
}

const evaluators: ReadonlyMap<string, Evaluator> = new Map<string, Evaluator>([
  ['Identity', (_state, _node, [x]) => x],
  [
    'Transpose',
    (_state, node, [x]) => {
      if (x?.rawData === undefined) return undefined;
      const dims = dimsOf(x);
      const perm = intsAttribute(node, 'perm') ?? dims.map((_, i) => dims.length - 1 - i);
      if (perm.length !== dims.length || normalAxes(perm, dims.length) === undefined) return undefined;
      return withRaw(
        x,
        perm.map(axis => dims[axis]!),
        transposeRaw(x.rawData, dims, perm, elementBytes(x)),
      );
    },
  ],
  [
    'Reshape',
    (state, node, [x]) => {
      const asked = constantInts(state, node.inputs[1]);
      if (x === undefined || asked === undefined) return undefined;
      const dims = resolveShape(dimsOf(x), asked, intAttribute(node, 'allowzero', 0) !== 0);
      return dims.every(dim => Number.isInteger(dim)) ? reshaped(x, dims) : undefined;
    },
  ],
  [
    'Unsqueeze',
    (state, node, [x]) => {
      const axes = constantInts(state, node.inputs[1]);
      if (x === undefined || axes === undefined) return undefined;
      const normal = normalAxes(axes, x.dims.length + axes.length);
      if (normal === undefined) return undefined;
      const rest = dimsOf(x);
      const dims = Array.from({ length: rest.length + axes.length }, (_, i) =>
        normal.includes(i) ? 1 : (rest.shift() ?? 1),
      );
      return reshaped(x, dims);
    },
  ],
  [
    'Squeeze',
    (state, node, [x]) => {
      if (x === undefined) return undefined;
      const dims = dimsOf(x);
      const axes =
        node.inputs.length > 1 ? constantInts(state, node.inputs[1]) : dims.flatMap((d, i) => (d === 1 ? [i] : []));
      const normal = axes === undefined ? undefined : normalAxes(axes, dims.length);
      return normal === undefined
        ? undefined
        : reshaped(
            x,
            dims.filter((_, i) => !normal.includes(i)),
          );
    },
  ],
  ['Concat', (_state, node, inputs) => concat(inputs, intAttribute(node, 'axis', 0))],
  ['Slice', slice],
  ['Gather', gather],
  [
    'Shape',
    (_state, node, [x]) => (x === undefined || node.attributes.length > 0 ? undefined : int64Vector(x, dimsOf(x))),
  ],
  [
    'Size',
    (_state, _node, [x]) => (x === undefined ? undefined : { ...int64Vector(x, [sizeOf(dimsOf(x))]), dims: [] }),
  ],
  ['Expand', expand],
  [
    'ConstantOfShape',
    (state, node, [shape]) => {
      const dims = constantInts(state, node.inputs[0]);
      const value = findAttribute(node, 'value')?.t;
      if (shape === undefined || dims === undefined || dims.some(dim => dim < 0) || sizeOf(dims) > maxGrownElements)
        return undefined;
      const like = value ?? { ...shape, dataType: dataType.float, rawData: new Uint8Array(4), dims: [1n] };
      if (!isWhole(like) || like.rawData === undefined) return undefined;
      return withRaw(like, dims, pick(like.rawData, [sizeOf(dims)], [0], 0, elementBytes(like)));
    },
  ],
  ...['Cast', 'Add', 'Sub', 'Mul', 'Div', 'Neg', 'Sqrt', 'Reciprocal', 'Range', 'ReduceProd', 'Min', 'Max'].map(
    (op): [string, Evaluator] => [op, (_state, node, inputs) => evaluateArithmetic(node, inputs)],
  ),
]);

function int64Vector(like: TensorProto, values: readonly number[]): TensorProto {
  const raw = new Uint8Array(values.length * 8);
  const view = new DataView(raw.buffer);
  values.forEach((value, i) => {
    view.setBigInt64(i * 8, BigInt(value), true);
  });
  return withRaw({ ...like, dataType: dataType.int64 }, [values.length], raw);
}

function concat(inputs: readonly TensorProto[], axis: number): TensorProto | undefined {
  const [first] = inputs;
  if (first === undefined) return undefined;
  const dims = dimsOf(first);
  const at = axis < 0 ? axis + dims.length : axis;
  const fits = (tensor: TensorProto): boolean =>
    tensor.dataType === first.dataType &&
    tensor.dims.length === dims.length &&
    dimsOf(tensor).every((dim, i) => i === at || dim === dims[i]);
  if (at < 0 || at >= dims.length || !inputs.every(fits)) return undefined;
  const outer = sizeOf(dims.slice(0, at));
  const chunks = inputs.map(tensor => (outer === 0 ? 0 : (tensor.rawData?.length ?? 0) / outer));
  const row = chunks.reduce((sum, chunk) => sum + chunk, 0);
  const raw = new Uint8Array(row * outer);
  let start = 0;
  inputs.forEach((tensor, i) => {
    const chunk = chunks[i]!;
    for (let o = 0; o < outer; o++) {
      const part = tensor.rawData?.subarray(o * chunk, (o + 1) * chunk);
      if (part !== undefined) raw.set(part, o * row + start);
    }
    start += chunk;
  });
  const total = inputs.reduce((sum, tensor) => sum + Number(tensor.dims[at]), 0);
  return withRaw(
    first,
    dims.map((dim, i) => (i === at ? total : dim)),
    raw,
  );
}

function slice(state: GraphState, node: NodeProto, [x]: readonly TensorProto[]): TensorProto | undefined {
  const [starts, ends] = [constantInts(state, node.inputs[1]), constantInts(state, node.inputs[2])];
  if (x?.rawData === undefined || starts === undefined || ends === undefined) return undefined;
  const dims = dimsOf(x);
  const asked = node.inputs.length > 3 ? constantInts(state, node.inputs[3]) : starts.map((_, i) => i);
  const axes = asked === undefined ? undefined : normalAxes(asked, dims.length);
  const steps = node.inputs.length > 4 ? constantInts(state, node.inputs[4]) : starts.map(() => 1);
  if (axes === undefined || steps === undefined || steps.some(step => step === 0)) return undefined;
  if (axes.length !== starts.length || ends.length !== starts.length || steps.length !== starts.length)
    return undefined;
  const strides = stridesOf(dims);
  const shape = [...dims];
  let offset = 0;
  axes.forEach((axis, i) => {
    const [dim, step] = [dims[axis]!, steps[i]!];
    const clamp = (value: number): number =>
      Math.min(Math.max(value < 0 ? value + dim : value, step > 0 ? 0 : -1), step > 0 ? dim : dim - 1);
    // A start before the first element of a backward walk is the first element, as the operator defines it.
    const from = step > 0 ? clamp(starts[i]!) : Math.max(clamp(starts[i]!), 0);
    shape[axis] = dim === 0 ? 0 : Math.max(0, Math.ceil((clamp(ends[i]!) - from) / step));
    offset += from * strides[axis]!;
    strides[axis] = strides[axis]! * step;
  });
  return withRaw(x, shape, pick(x.rawData, shape, strides, offset, elementBytes(x)));
}

function gather(state: GraphState, node: NodeProto, [x, index]: readonly TensorProto[]): TensorProto | undefined {
  const indices = constantInts(state, node.inputs[1]);
  if (x?.rawData === undefined || index === undefined || indices === undefined) return undefined;
  const dims = dimsOf(x);
  const [axis] = normalAxes([intAttribute(node, 'axis', 0)], dims.length) ?? [];
  const dim = axis === undefined ? undefined : dims[axis];
  if (axis === undefined || dim === undefined) return undefined;
  const normal = indices.map(at => (at < 0 ? at + dim : at));
  if (normal.some(at => at < 0 || at >= dim)) return undefined;
  const chunk = sizeOf(dims.slice(axis + 1)) * elementBytes(x);
  const outer = sizeOf(dims.slice(0, axis));
  if (outer * normal.length * chunk > maxFoldedBytes) return undefined;
  const raw = new Uint8Array(outer * normal.length * chunk);
  for (let o = 0; o < outer; o++)
    normal.forEach((at, i) => {
      const start = (o * dim + at) * chunk;
      raw.set(x.rawData?.subarray(start, start + chunk) ?? [], (o * normal.length + i) * chunk);
    });
  return withRaw(x, [...dims.slice(0, axis), ...dimsOf(index), ...dims.slice(axis + 1)], raw);
}

function expand(state: GraphState, node: NodeProto, [x]: readonly TensorProto[]): TensorProto | undefined {
  const asked = constantInts(state, node.inputs[1]);
  if (x?.rawData === undefined || asked === undefined) return undefined;
  const rank = Math.max(asked.length, x.dims.length);
  const own = [...new Array<number>(rank - x.dims.length).fill(1), ...dimsOf(x)];
  const wide = [...new Array<number>(rank - asked.length).fill(1), ...asked];
  if (own.some((dim, i) => dim !== 1 && wide[i] !== 1 && dim !== wide[i])) return undefined;
  const dims = own.map((dim, i) => (dim === 1 ? (wide[i] ?? 1) : dim));
  if (dims.some(dim => dim < 0) || sizeOf(dims) > maxGrownElements) return undefined;
  const strides = stridesOf(own).map((stride, i) => (own[i] === 1 ? 0 : stride));
  return withRaw(x, dims, pick(x.rawData, dims, strides, 0, elementBytes(x)));
}
