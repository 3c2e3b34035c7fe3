import { dataType, type NodeProto, type TensorProto } from '../../model/proto.ts';
import { dimsOf, intAttribute, isWhole, sizeOf, withRaw } from './graph-state.ts';
import { stridesOf } from './rearrange.ts';

type Elements = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Int8Array;

/** Elements beyond which arithmetic is left to the runtime. */
const maxElements = 1 << 22;

/** The elements of a constant as an aligned copy, or undefined for kinds without arithmetic here. */
export function elementsOf(tensor: TensorProto): Elements | undefined {
  if (tensor.rawData === undefined || !isWhole(tensor)) return undefined;
  const { buffer } = tensor.rawData.slice();
  switch (tensor.dataType) {
    case dataType.float:
      return new Float32Array(buffer);
    case dataType.double:
      return new Float64Array(buffer);
    case dataType.int32:
      return new Int32Array(buffer);
    case dataType.int64:
      return new BigInt64Array(buffer);
    case dataType.uint8:
    case dataType.bool:
      return new Uint8Array(buffer);
    case dataType.int8:
      return new Int8Array(buffer);
    default:
      return undefined;
  }
}

function emptyElements(type: number, count: number): Elements | undefined {
  switch (type) {
    case dataType.float:
      return new Float32Array(count);
    case dataType.double:
      return new Float64Array(count);
    case dataType.int32:
      return new Int32Array(count);
    case dataType.int64:
      return new BigInt64Array(count);
    case dataType.uint8:
    case dataType.bool:
      return new Uint8Array(count);
    case dataType.int8:
      return new Int8Array(count);
    default:
      return undefined;
  }
}

function tensorOf(like: TensorProto, type: number, dims: readonly number[], values: Elements): TensorProto {
  return { ...withRaw(like, dims, new Uint8Array(values.buffer)), dataType: type };
}

/** Cast, Range, ReduceProd and the arithmetic that rounds once per element, exactly as the runtime computes it. */
export function evaluateArithmetic(node: NodeProto, inputs: readonly TensorProto[]): TensorProto | undefined {
  const [a, b] = inputs;
  if (a === undefined) return undefined;
  switch (node.opType) {
    case 'Cast':
      return cast(a, intAttribute(node, 'to', 0));
    case 'Range':
      return range(inputs);
    case 'ReduceProd':
      return reduceProduct(node, inputs);
    case 'Neg':
    case 'Sqrt':
    case 'Reciprocal':
      return unary(node.opType, a);
    default:
      return b === undefined || inputs.length !== 2 ? undefined : binary(node.opType, a, b);
  }
}

function cast(x: TensorProto, to: number): TensorProto | undefined {
  const values = elementsOf(x);
  const out = values === undefined ? undefined : emptyElements(to, values.length);
  if (values === undefined || out === undefined) return undefined;
  const isWide = x.dataType === dataType.float || x.dataType === dataType.double;
  const fits = (value: number): boolean => Math.abs(value) <= 2147483647;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (to === dataType.bool) out[i] = Number(value) === 0 ? 0 : 1;
    else if (out instanceof BigInt64Array) {
      if (isWide && !fits(Number(value))) return undefined;
      out[i] = typeof value === 'bigint' ? value : BigInt(Math.trunc(value));
    } else {
      // A float that leaves the range of its integer type is undefined in ONNX: the runtime shall decide.
      if (isWide && !(out instanceof Float32Array || out instanceof Float64Array)) {
        const number = Math.trunc(Number(value));
        out[i] = number;
        if (out[i] !== number) return undefined;
      } else out[i] = Number(value);
    }
  }
  return tensorOf(x, to, dimsOf(x), out);
}

function range([start, limit, delta]: readonly TensorProto[]): TensorProto | undefined {
  if (start === undefined || limit === undefined || delta === undefined) return undefined;
  const [from, to, step] = [start, limit, delta].map(tensor => elementsOf(tensor)?.[0]);
  if (typeof from !== typeof to || typeof to !== typeof step || step === undefined || Number(step) === 0)
    return undefined;
  if (start.dataType !== dataType.int32 && start.dataType !== dataType.int64) return undefined;
  const count = Math.max(0, Math.ceil((Number(to) - Number(from)) / Number(step)));
  if (!(count <= 1 << 16)) return undefined;
  const out = emptyElements(start.dataType, count);
  if (out === undefined) return undefined;
  for (let i = 0; i < count; i++) {
    const value = Number(from) + i * Number(step);
    out[i] = out instanceof BigInt64Array ? BigInt(value) : value;
  }
  return tensorOf(start, start.dataType, [count], out);
}

/** The product of a whole integer vector, as shape arithmetic uses it. */
function reduceProduct(node: NodeProto, inputs: readonly TensorProto[]): TensorProto | undefined {
  const [x, axes] = inputs;
  if (x === undefined || x.dims.length !== 1 || (x.dataType !== dataType.int64 && x.dataType !== dataType.int32))
    return undefined;
  const [axis] = axes === undefined ? [0] : (elementsOf(axes) ?? [-2]);
  if (Number(axis) !== 0 && Number(axis) !== -1) return undefined;
  const values = elementsOf(x);
  const out = emptyElements(x.dataType, 1);
  if (values === undefined || out === undefined) return undefined;
  let product = 1n;
  for (const value of values) product *= BigInt(value);
  if (out instanceof BigInt64Array) out[0] = BigInt.asIntN(64, product);
  else out[0] = Number(BigInt.asIntN(32, product));
  return tensorOf(x, x.dataType, intAttribute(node, 'keepdims', 1) === 0 ? [] : [1], out);
}

function unary(op: 'Neg' | 'Reciprocal' | 'Sqrt', x: TensorProto): TensorProto | undefined {
  const values = elementsOf(x);
  if (!(values instanceof Float32Array || values instanceof Float64Array) || values.length > maxElements)
    return undefined;
  const out = values.map((value: number) => (op === 'Neg' ? -value : op === 'Sqrt' ? Math.sqrt(value) : 1 / value));
  return tensorOf(x, x.dataType, dimsOf(x), out);
}

/** Correctly rounded in double before the one rounding to float, which gives the float result exactly. */
const onNumbers: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Min: (a, b) => Math.min(a, b),
  Max: (a, b) => Math.max(a, b),
};

const onIntegers: Readonly<Record<string, (a: bigint, b: bigint) => bigint | undefined>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => (b === 0n ? undefined : a / b),
  Min: (a, b) => (a < b ? a : b),
  Max: (a, b) => (a > b ? a : b),
};

function binary(op: string, a: TensorProto, b: TensorProto): TensorProto | undefined {
  const [left, right] = [elementsOf(a), elementsOf(b)];
  const dims = broadcast(dimsOf(a), dimsOf(b));
  if (left === undefined || right === undefined || dims === undefined || a.dataType !== b.dataType) return undefined;
  const count = sizeOf(dims);
  const out = count > maxElements ? undefined : emptyElements(a.dataType, count);
  if (out === undefined || a.dataType === dataType.bool) return undefined;
  const [leftAt, rightAt] = [walk(dimsOf(a), dims), walk(dimsOf(b), dims)];
  if (out instanceof Float32Array || out instanceof Float64Array) {
    const compute = onNumbers[op];
    if (compute === undefined) return undefined;
    for (let i = 0; i < count; i++) out[i] = compute(Number(left[leftAt()]), Number(right[rightAt()]));
    return tensorOf(a, a.dataType, dims, out);
  }
  const compute = onIntegers[op];
  if (compute === undefined || count > 1 << 16) return undefined;
  for (let i = 0; i < count; i++) {
    const value = compute(BigInt(left[leftAt()] ?? 0), BigInt(right[rightAt()] ?? 0));
    if (value === undefined) return undefined;
    if (out instanceof BigInt64Array) out[i] = BigInt.asIntN(64, value);
    else out[i] = Number(BigInt.asIntN(32, value));
  }
  return tensorOf(a, a.dataType, dims, out);
}

function broadcast(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const dims: number[] = [];
  for (let i = 0; i < rank; i++) {
    const [left, right] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    if (left !== right && left !== 1 && right !== 1) return undefined;
    dims.push(left === 1 ? right : left);
  }
  return dims;
}

/** Positions in a tensor of shape `own` while the broadcast shape `dims` is walked in order. */
function walk(own: readonly number[], dims: readonly number[]): () => number {
  const padded = [...new Array<number>(dims.length - own.length).fill(1), ...own];
  const strides = stridesOf(padded).map((stride, i) => (padded[i] === 1 ? 0 : stride));
  const at = new Array<number>(dims.length).fill(0);
  let position = 0;
  return () => {
    const now = position;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      position += strides[axis]!;
      at[axis]!++;
      if (at[axis]! < dims[axis]!) break;
      position -= strides[axis]! * dims[axis]!;
      at[axis] = 0;
    }
    return now;
  };
}
