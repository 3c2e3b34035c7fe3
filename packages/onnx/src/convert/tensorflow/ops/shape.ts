import type { OpCall, OpRule } from '../op-call.ts';
import { dt, type TfShape, tfType } from '../tf-graph.ts';
import { refused, type TfValue } from '../tf-value.ts';

const pass: OpRule = call => call.inputs[0] ?? refused;

const reshape: OpRule = call => {
  const asked = call.constantInts(1);
  // A 0 means an empty axis in TensorFlow, which allowzero keeps.
  const name = call.op('Reshape', [call.in(0), call.int64(1)], { allowzero: 1n });
  const { shape } = call.tensor(0);
  const known = shape?.every(dim => dim !== null) ? shape.reduce<number>((p, dim) => p * (dim ?? 1), 1) : undefined;
  const rest = asked?.reduce((product, dim) => (dim === -1 ? product : product * dim), 1) ?? 0;
  const resolved = asked?.map(dim => (dim >= 0 ? dim : known !== undefined && rest > 0 ? known / rest : null));
  return call.like(name, resolved);
};

const squeeze: OpRule = call => {
  const axes = [...call.ints('squeeze_dims'), ...call.ints('axis')];
  const { name, shape } = call.tensor(0);
  if (axes.length === 0) {
    const out = shape?.every(dim => dim !== null) ? shape.filter(dim => dim !== 1) : undefined;
    return call.like(call.op('Squeeze', [name]), out);
  }
  const gone = new Set(shape === undefined ? [] : axes.map(axis => call.axis(axis, shape.length)));
  return call.like(
    call.op('Squeeze', [name, call.w.ints(axes)]),
    shape?.filter((_, i) => !gone.has(i)),
  );
};

const expandDims: OpRule = call => {
  const axis = call.requireInt(1, 'the axis');
  const { name, shape } = call.tensor(0);
  const out = shape === undefined ? undefined : [...shape];
  out?.splice(call.axis(axis, out.length + 1), 0, 1);
  return call.like(call.op('Unsqueeze', [name, call.w.ints([axis])]), out);
};

const transpose: OpRule = call => {
  const { name, shape } = call.tensor(0);
  const perm = call.requireInts(1, 'the permutation');
  const normal = perm.map(axis => call.axis(axis, perm.length));
  return call.like(
    call.transpose(name, normal),
    shape?.length === perm.length ? normal.map(axis => shape[axis] ?? null) : normal.map(() => null),
  );
};

function concatenated(call: OpCall, axis: number, parts: readonly number[]): TfValue {
  const names = parts.map(i => call.in(i));
  const shapes = parts.map(i => call.tensor(i).shape);
  const [first] = shapes;
  const at = first === undefined ? axis : call.axis(axis, first.length);
  const shape = first?.map((dim, i) =>
    i === at
      ? shapes.reduce<number | null>((sum, next) => addSizes(sum, next?.[i] ?? null), 0)
      : (shapes.map(next => next?.[i] ?? null).find(size => size !== null) ?? dim),
  );
  const { dtype } = call.tensor(parts[0] ?? 0);
  return call.value(call.op('Concat', names, { axis: BigInt(axis) }), dtype, shape);
}

function addSizes(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

const pack: OpRule = call => {
  const { shape, dtype } = call.tensor(0);
  const axis = call.int('axis', 0);
  const items = call.inputs.map((_, i) => call.op('Unsqueeze', [call.in(i), call.w.ints([axis])]));
  const known = call.inputs.map((_, i) => call.tensor(i).shape).find(one => one !== undefined) ?? shape;
  const out = known === undefined ? undefined : [...known];
  out?.splice(call.axis(axis, out.length + 1), 0, items.length);
  return call.value(call.op('Concat', items, { axis: BigInt(axis) }), dtype, out);
};

/** Most parts one split may have: each is an output of its own. */
const maxParts = 4096;

function splitInto(call: OpCall, i: number, axis: number, sizes: readonly number[] | number): TfValue[] {
  const { name, shape, dtype } = call.tensor(i);
  const count = typeof sizes === 'number' ? sizes : sizes.length;
  if (!(count >= 1 && count <= maxParts)) return call.refuse(`it splits into ${count} parts`);
  const normal = shape === undefined ? undefined : call.axis(axis, shape.length);
  const whole = normal === undefined ? null : (shape?.[normal] ?? null);
  const names =
    typeof sizes === 'number'
      ? call.w.many('Split', [name], count, { axis: BigInt(axis), num_outputs: BigInt(count) })
      : call.w.many('Split', [name, call.w.ints(sizes)], count, { axis: BigInt(axis) });
  return names.map((part, k) => {
    const size = typeof sizes === 'number' ? (whole === null ? null : whole / count) : (sizes[k] ?? null);
    return call.value(
      part,
      dtype,
      shape?.map((dim, at) => (at === normal ? size : dim)),
    );
  });
}

const split: OpRule = call => splitInto(call, 1, call.requireInt(0, 'the axis'), call.int('num_split', 1));

const splitV: OpRule = call => {
  const sizes = [...call.requireInts(1, 'the sizes')];
  const axis = call.requireInt(2, 'the axis');
  const open = sizes.indexOf(-1);
  if (open >= 0) {
    const { shape } = call.tensor(0);
    const whole = shape === undefined ? null : (shape[call.axis(axis, shape.length)] ?? null);
    if (whole === null) return call.refuse('a part has the size -1 and the axis has no known size');
    sizes[open] = whole - sizes.reduce((sum, size) => (size === -1 ? sum : sum + size), 0);
  }
  return splitInto(call, 0, axis, sizes);
};

const unpack: OpRule = call => {
  const axis = call.int('axis', 0);
  const { shape } = call.tensor(0);
  const gone = shape === undefined ? -1 : call.axis(axis, shape.length);
  return splitInto(call, 0, axis, call.int('num', 1)).map(part =>
    part.kind === 'tensor'
      ? call.like(
          call.op('Squeeze', [part.name, call.w.ints([axis])]),
          shape?.filter((_, i) => i !== gone),
        )
      : part,
  );
};

const slice: OpRule = call => {
  const [begin, size] = [call.constantInts(1), call.constantInts(2)];
  const { name, shape } = call.tensor(0);
  const rank = begin?.length ?? size?.length ?? call.tensor(1).shape?.[0] ?? shape?.length;
  if (rank === undefined || rank === null) return call.refuse('the rank is unknown');
  const axes = call.w.ints(Array.from({ length: rank }, (_, i) => i));
  if (begin !== undefined && size !== undefined) {
    const ends = begin.map((start, i) => (size[i] === -1 ? 2147483647 : start + (size[i] ?? 0)));
    const out = size.map((one, i) => (one !== -1 ? one : addSizes(shape?.[i] ?? null, -(begin[i] ?? 0))));
    return call.like(call.op('Slice', [name, call.w.ints(begin), call.w.ints(ends), axes]), out);
  }
  const starts = call.int64(1);
  const sizes = call.int64(2);
  const isOpen = call.op('Equal', [sizes, call.w.int(-1)]);
  const sum = call.op('Add', [starts, sizes]);
  const ends = call.op('Where', [isOpen, call.w.int(2147483647), sum]);
  const out = Array.from({ length: rank }, (_, i) => (size !== undefined && size[i] !== -1 ? (size[i] ?? null) : null));
  return call.like(call.op('Slice', [name, starts, ends, axes]), out);
};

const shapeOf =
  (i: number): OpRule =>
  call => {
    const to = call.type('out_type', dt.int32);
    const { shape } = call.tensor(i);
    const name = call.op('Shape', [call.in(i)]);
    return call.value(to === dt.int64 ? name : call.cast(name, to), to, [shape?.length ?? null]);
  };

const size: OpRule = call => {
  const to = call.type('out_type', dt.int32);
  const name = call.op('Size', [call.in(0)]);
  return call.value(to === dt.int64 ? name : call.cast(name, to), to, []);
};

const rank: OpRule = call => {
  const name = call.op('Size', [call.op('Shape', [call.in(0)])]);
  return call.value(call.cast(name, dt.int32), dt.int32, []);
};

const fill: OpRule = call => {
  const { name, dtype } = call.tensor(1);
  return call.value(call.op('Expand', [name, call.int64(0)]), dtype, filledShape(call, 0));
};

function filledShape(call: OpCall, i: number): TfShape {
  const dims = call.constantInts(i);
  const count = call.tensor(i).shape?.[0];
  return dims ?? (typeof count === 'number' && count < 64 ? new Array<null>(count).fill(null) : undefined);
}

const likeInput =
  (value: number): OpRule =>
  call => {
    const { name, dtype, shape } = call.tensor(0);
    const one = call.cast(call.w.scalar(1, value), dtype);
    return call.like(call.op('Expand', [one, call.op('Shape', [name])]), shape);
  };

/** TensorFlow repeats backwards too: the given shape is the result's, whole. */
const broadcastTo: OpRule = call => call.like(call.op('Expand', [call.in(0), call.int64(1)]), filledShape(call, 1));

const tile: OpRule = call => {
  const { name, shape } = call.tensor(0);
  const times = call.constantInts(1);
  const out = shape?.map((dim, i) => (dim === null || times === undefined ? null : dim * (times[i] ?? 1)));
  return call.like(call.op('Tile', [name, call.int64(1)]), out);
};

/** Paddings are [[before, after], ...]; ONNX wants all befores, then all afters. */
const pad =
  (mode: 'constant' | 'mirror'): OpRule =>
  call => {
    const { name, shape, dtype } = call.tensor(0);
    const pairs = call.constantInts(1);
    const flat =
      pairs === undefined
        ? call.op('Reshape', [call.op('Transpose', [call.int64(1)], { perm: [1n, 0n] }), call.w.ints([-1])])
        : call.w.ints([...pairs.filter((_, i) => i % 2 === 0), ...pairs.filter((_, i) => i % 2 === 1)]);
    const value = call.inputs.length > 2 ? [call.in(2)] : [];
    const reflect = call.text('mode', 'REFLECT') === 'SYMMETRIC' ? 'SYMMETRIC' : 'reflect';
    if (mode === 'mirror' && reflect === 'SYMMETRIC' && pairs?.some(one => one > 1) !== false)
      return call.refuse('SYMMETRIC padding wider than one element has no counterpart');
    // One element repeated at the border is the same as the border's own value.
    const kind = mode === 'constant' ? 'constant' : reflect === 'SYMMETRIC' ? 'edge' : 'reflect';
    const result = call.widened([name, ...value], dtype, ([x = '', ...rest]) =>
      call.op('Pad', [x, flat, ...rest], { mode: kind }),
    );
    const out = shape?.map((dim, i) =>
      dim === null || pairs === undefined ? null : dim + (pairs[2 * i] ?? 0) + (pairs[2 * i + 1] ?? 0),
    );
    return call.like(result, out ?? (pairs === undefined ? undefined : new Array<null>(pairs.length / 2).fill(null)));
  };

const range: OpRule = call => {
  const { dtype } = call.tensor(0);
  const scalars = [0, 1, 2].map(i => call.op('Reshape', [call.in(i), call.w.ints([])]));
  return call.value(call.op('Range', scalars), dtype, [null]);
};

const reverse: OpRule = call => {
  const axes = call.requireInts(1, 'the axis');
  const { name, shape } = call.tensor(0);
  if (axes.length === 0) return call.tensor(0);
  const times = (value: number): string => call.w.ints(axes.map(() => value));
  return call.like(
    call.op('Slice', [name, times(2147483647), times(-2147483648), call.w.ints(axes), times(-1)]),
    shape,
  );
};

const depthToSpace: OpRule = call => {
  const { name, shape } = call.tensor(0);
  if (call.text('data_format', 'NHWC') !== 'NHWC') return call.refuse('only NHWC is defined here');
  const block = call.int('block_size', 1);
  const first = call.transpose(name, [0, 3, 1, 2]);
  const moved = call.op('DepthToSpace', [first], { blocksize: BigInt(block), mode: 'DCR' });
  const out = shape?.map((dim, i) => (dim === null || i === 0 ? dim : i === 3 ? dim / (block * block) : dim * block));
  return call.like(call.transpose(moved, [0, 2, 3, 1]), out ?? [null, null, null, null]);
};

const spaceToDepth: OpRule = call => {
  const { name, shape } = call.tensor(0);
  if (call.text('data_format', 'NHWC') !== 'NHWC') return call.refuse('only NHWC is defined here');
  const block = call.int('block_size', 1);
  const moved = call.op('SpaceToDepth', [call.transpose(name, [0, 3, 1, 2])], { blocksize: BigInt(block) });
  const out = shape?.map((dim, i) => (dim === null || i === 0 ? dim : i === 3 ? dim * block * block : dim / block));
  return call.like(call.transpose(moved, [0, 2, 3, 1]), out ?? [null, null, null, null]);
};

export const shapeOps: readonly [string, OpRule][] = [
  ...'Identity StopGradient Snapshot PreventGradient CheckNumerics PlaceholderWithDefault EnsureShape'
    .split(' ')
    .map((op): [string, OpRule] => [op, pass]),
  ['IdentityN', call => [...call.inputs]],
  ['Reshape', reshape],
  ['Squeeze', squeeze],
  ['ExpandDims', expandDims],
  ['Transpose', transpose],
  [
    'ConcatV2',
    call => {
      const last = call.inputs.length - 1;
      const parts = Array.from({ length: last }, (_, i) => i);
      return concatenated(call, call.requireInt(last, 'the axis'), parts);
    },
  ],
  [
    'Concat',
    call => {
      const parts = Array.from({ length: call.inputs.length - 1 }, (_, i) => i + 1);
      return concatenated(call, call.requireInt(0, 'the axis'), parts);
    },
  ],
  ['Pack', pack],
  ['Unpack', unpack],
  ['Split', split],
  ['SplitV', splitV],
  ['Slice', slice],
  ['Shape', shapeOf(0)],
  ['ShapeN', call => call.inputs.flatMap((_, i) => shapeOf(i)(call))],
  ['Size', size],
  ['Rank', rank],
  ['Fill', fill],
  ['ZerosLike', likeInput(0)],
  ['OnesLike', likeInput(1)],
  ['BroadcastTo', broadcastTo],
  ['Tile', tile],
  ['Pad', pad('constant')],
  ['PadV2', pad('constant')],
  ['MirrorPad', pad('mirror')],
  ['Range', range],
  ['ReverseV2', reverse],
  ['DepthToSpace', depthToSpace],
  ['SpaceToDepth', spaceToDepth],
  [
    'Bitcast',
    call =>
      tfType(call.type('type', 0)) === tfType(call.tensor(0).dtype)
        ? call.tensor(0)
        : call.refuse('it reads the bits of one type as another'),
  ],
];
