import type { OperatorCall, TfliteHandler } from './lowering.ts';

const axes = (...list: number[]): BigInt64Array => BigInt64Array.from(list, BigInt);

function reshape(call: OperatorCall): void {
  const given = call.hasInput(1) ? call.constantInts(1) : call.options.ints(0);
  const shape = given === undefined ? call.int64s(1) : call.graph.ints(...given);
  // A size of 0 means an empty dimension here, not one to copy.
  const attributes = given?.includes(0) === true ? { allowzero: 1n } : {};
  call.move(0, value => call.graph.op('Reshape', [value, shape], attributes));
}

function transpose(call: OperatorCall): void {
  const rank = call.rank(0);
  const order = call.ints(1).map(axis => call.axis(axis, rank));
  call.move(0, value => call.graph.op('Transpose', [value], { perm: axes(...order) }));
}

function squeeze(call: OperatorCall): void {
  const { shape } = call.tensor(0);
  const given = call.options.ints(0).map(axis => call.axis(axis, shape.length));
  const gone = given.length > 0 ? given : shape.flatMap((size, i) => (size === 1 ? [i] : []));
  call.move(0, value => (gone.length === 0 ? value : call.graph.op('Squeeze', [value, call.graph.ints(...gone)])));
}

function expandDims(call: OperatorCall): void {
  const [at = 0] = call.ints(1);
  const axis = call.axis(at, call.rank(0) + 1);
  call.move(0, value => call.graph.op('Unsqueeze', [value, call.graph.ints(axis)]));
}

/** Concatenates values of several inputs, as stored where all have the output's scale. */
function joined(call: OperatorCall, each: (value: string) => string, axis: number): string | undefined {
  const inputs = call.operator.inputs.map((_, i) => i);
  const attributes = { axis: BigInt(axis) };
  if (inputs.every(i => call.isSameScale(i))) {
    call.storedResult(
      call.graph.op(
        'Concat',
        inputs.map(i => each(call.stored(i))),
        attributes,
      ),
    );
    return undefined;
  }
  return call.graph.op(
    'Concat',
    inputs.map(i => each(call.value(i))),
    attributes,
  );
}

function concatenate(call: OperatorCall): void {
  const value = joined(call, part => part, call.axis(call.options.int32(0), call.rank(0)));
  const activation = call.activation(1);
  if (value !== undefined) call.result(value, activation);
  else if (activation !== 'none') call.result(call.to.value(call.outputIndex()), activation);
}

function pack(call: OperatorCall): void {
  const axis = call.axis(call.options.int32(1), call.rank(0) + 1);
  const value = joined(call, part => call.graph.op('Unsqueeze', [part, call.graph.ints(axis)]), axis);
  if (value !== undefined) call.result(value);
}

/** Gives each output its part of an input, as stored or rescaled. */
function parts(call: OperatorCall, input: number, split: (value: string) => string[]): void {
  const outputs = call.operator.outputs.map((_, i) => i);
  const isSame = outputs.every(i => call.isSameScale(input, i));
  const values = split(isSame ? call.stored(input) : call.value(input));
  values.forEach((value, i) => {
    if (isSame) call.storedResult(value, i);
    else call.result(value, 'none', i);
  });
}

function unpack(call: OperatorCall): void {
  const axis = call.axis(call.options.int32(1), call.rank(0));
  const count = call.operator.outputs.length;
  parts(call, 0, value => {
    const slices =
      count === 1
        ? [value]
        : call.graph.opMany('Split', [value], count, { axis: BigInt(axis), num_outputs: BigInt(count) });
    return slices.map(slice => call.graph.op('Squeeze', [slice, call.graph.ints(axis)]));
  });
}

function split(call: OperatorCall): void {
  const [at = 0] = call.ints(0);
  const axis = call.axis(at, call.rank(1));
  const count = call.operator.outputs.length;
  if (call.isFixed(1, axis) && call.size(1, axis) % count !== 0)
    throw call.damaged('splits a size that does not divide');
  parts(call, 1, value =>
    call.graph.opMany('Split', [value], count, { axis: BigInt(axis), num_outputs: BigInt(count) }),
  );
}

function splitSizes(call: OperatorCall): void {
  const [at = 0] = call.ints(2);
  const axis = call.axis(at, call.rank(0));
  const sizes = call.ints(1);
  if (sizes.includes(-1)) {
    const rest = call.size(0, axis) - sizes.reduce((sum, size) => sum + Math.max(0, size), 0);
    sizes[sizes.indexOf(-1)] = rest;
  }
  if (sizes.length !== call.operator.outputs.length) throw call.damaged('has another number of outputs than sizes');
  parts(call, 0, value =>
    call.graph.opMany('Split', [value, call.graph.ints(...sizes)], sizes.length, { axis: BigInt(axis) }),
  );
}

function slice(call: OperatorCall): void {
  const { graph } = call;
  const rank = call.rank(0);
  const every = graph.ints(...Array.from({ length: rank }, (_, i) => i));
  const [begin, size] = [call.constantInts(1), call.constantInts(2)];
  const farthest = 2 ** 31 - 1;
  let starts: string;
  let ends: string;
  if (begin !== undefined && size !== undefined) {
    starts = graph.ints(...begin);
    ends = graph.ints(...begin.map((start, i) => (size[i] === -1 ? farthest : start + (size[i] ?? 0))));
  } else {
    starts = call.int64s(1);
    const sizes = call.int64s(2);
    const isRest = graph.op('Equal', [sizes, graph.ints(-1)]);
    ends = graph.op('Where', [isRest, graph.ints(farthest), graph.op('Add', [starts, sizes])]);
  }
  call.move(0, value => graph.op('Slice', [value, starts, ends, every]));
}

/** One dimension of a strided slice. */
type Cut =
  | { readonly kind: 'range'; readonly spec: number; readonly from: boolean; readonly to: boolean }
  | { readonly kind: 'pick'; readonly spec: number };

function stridedSlice(call: OperatorCall): void {
  const { graph, options } = call;
  const bit = (field: number, i: number): boolean => ((options.int32(field) >> i) & 1) === 1;
  const count = call.tensor(1).shape[0] ?? 0;
  const rank = call.rank(0);
  if (count > 31) throw call.damaged(`slices ${count} dimensions`);
  const [begin, end] = [call.constantInts(1), call.constantInts(2)];
  const step = call.ints(3);
  const cuts = new Map<number, Cut>();
  /** Positions of new dimensions of size 1 in the result, counted before picked dimensions go. */
  const added: number[] = [];
  let dimension = 0;
  let place = 0;
  let isEllipsis = false;
  for (let i = 0; i < count; i++) {
    if (!isEllipsis && bit(2, i)) {
      isEllipsis = true;
      let later = 0;
      for (let k = i + 1; k < count; k++) if (!bit(3, k)) later++;
      const skipped = rank - dimension - later;
      if (skipped < 0) throw call.damaged('slices more dimensions than there are');
      dimension += skipped;
      place += skipped;
    } else if (bit(3, i)) {
      added.push(place++);
    } else {
      if (dimension >= rank) throw call.damaged('slices more dimensions than there are');
      cuts.set(
        dimension++,
        bit(4, i) ? { kind: 'pick', spec: i } : { kind: 'range', spec: i, from: !bit(0, i), to: !bit(1, i) },
      );
      if (!bit(4, i)) place++;
    }
  }
  const at = (list: readonly number[] | undefined, input: number, spec: number): string =>
    list !== undefined
      ? graph.ints(list[spec] ?? 0)
      : graph.op('Gather', [call.int64s(input), graph.ints(spec)], { axis: 0n });
  const isOffset = options.bool(5);
  const ranges = [...cuts].filter(([, cut]) => {
    if (cut.kind !== 'range') return false;
    return cut.from || cut.to || step[cut.spec] !== 1;
  });
  const picks = [...cuts].filter(([, cut]) => cut.kind === 'pick').sort(([a], [b]) => b - a);
  call.move(0, value => {
    let result = value;
    if (ranges.length > 0) {
      const farthest = 2 ** 31 - 1;
      const bounds = ranges.map(([, cut]) => {
        const stride = step[cut.spec] ?? 1;
        if (stride === 0) throw call.damaged('has a stride of 0');
        const range = cut.kind === 'range' ? cut : { from: true, to: true };
        const start = range.from ? at(begin, 1, cut.spec) : graph.ints(stride > 0 ? 0 : farthest);
        const stop = !range.to
          ? graph.ints(stride > 0 ? farthest : -farthest)
          : isOffset
            ? graph.op('Add', [start, at(end, 2, cut.spec)])
            : at(end, 2, cut.spec);
        return [start, stop] as const;
      });
      const list = (parts: readonly string[]): string =>
        parts.length === 1 ? parts[0]! : graph.op('Concat', parts, { axis: 0n });
      result = graph.op('Slice', [
        result,
        list(bounds.map(([start]) => start)),
        list(bounds.map(([, stop]) => stop)),
        graph.ints(...ranges.map(([axis]) => axis)),
        graph.ints(...ranges.map(([, cut]) => step[cut.spec] ?? 1)),
      ]);
    }
    for (const [axis, cut] of picks) {
      const index = graph.op('Squeeze', [at(begin, 1, cut.spec), graph.ints(0)]);
      result = graph.op('Gather', [result, index], { axis: BigInt(axis) });
    }
    return added.length === 0 ? result : graph.op('Unsqueeze', [result, graph.ints(...added)]);
  });
}

function gather(call: OperatorCall): void {
  const { graph, options } = call;
  const rank = call.rank(0);
  const axis = call.axis(options.int32(0), rank);
  const batch = options.int32(1);
  if (batch === 0) {
    call.move(0, value => graph.op('Gather', [value, call.stored(1)], { axis: BigInt(axis) }));
    return;
  }
  if (axis !== batch) throw call.refuse(`gathers along dimension ${axis} after ${batch} batch dimensions`);
  const indices = graph.op('Unsqueeze', [graph.cast(call.stored(1), 'int64'), graph.ints(-1)]);
  call.move(0, value => graph.op('GatherND', [value, indices], { batch_dims: BigInt(batch) }));
}

function gatherNd(call: OperatorCall): void {
  const indices = call.graph.cast(call.stored(1), 'int64');
  call.move(0, value => call.graph.op('GatherND', [value, indices]));
}

/** Pairs [begin, end] per dimension to ONNX's begins followed by ends. */
function pads(call: OperatorCall): string {
  const { graph } = call;
  const given = call.constantInts(1);
  if (given === undefined)
    return graph.op('Reshape', [
      graph.op('Transpose', [graph.cast(call.stored(1), 'int64')], { perm: axes(1, 0) }),
      graph.ints(-1),
    ]);
  return graph.ints(...given.filter((_, i) => i % 2 === 0), ...given.filter((_, i) => i % 2 === 1));
}

function pad(call: OperatorCall): void {
  const { graph } = call;
  const input = call.tensor(0);
  const amounts = pads(call);
  const hasValue = call.operator.name === 'PADV2';
  const isStored = call.isSameScale(0) && input.type !== 'INT16' && !hasValue;
  if (isStored) {
    const type = call.to.requireType(input);
    const zero = input.quantization?.zeroPoints[0] ?? 0;
    call.storedResult(graph.op('Pad', [call.stored(0), amounts, graph.constant(type, [], [zero])]));
    return;
  }
  const fill = hasValue ? graph.op('Reshape', [call.value(2), graph.ints()]) : call.number(0, call.valueType(input));
  call.result(graph.op('Pad', [call.value(0), amounts, fill]));
}

/** Takes elements by a table of indices along one dimension. */
function take(call: OperatorCall, value: string, indices: readonly number[], axis: number): string {
  return call.graph.op('Gather', [value, call.graph.constant('int64', [indices.length], indices)], {
    axis: BigInt(axis),
  });
}

function mirrorPad(call: OperatorCall): void {
  const amounts = call.ints(1);
  const isSymmetric = call.options.int8(0) === 1;
  call.move(0, value =>
    call.tensor(0).shape.reduce((result, _, axis) => {
      const [before, after] = [amounts[2 * axis] ?? 0, amounts[2 * axis + 1] ?? 0];
      if (before === 0 && after === 0) return result;
      const size = call.size(0, axis);
      const farthest = isSymmetric ? size : size - 1;
      if (before < 0 || after < 0 || before > farthest || after > farthest)
        throw call.damaged(`mirrors ${before} and ${after} of ${size} elements`);
      const edge = isSymmetric ? 1 : 0;
      const indices = Array.from({ length: before + size + after }, (_, i) => {
        const at = i - before;
        return at < 0 ? -at - edge : at < size ? at : 2 * size - 2 + edge - at;
      });
      return take(call, result, indices, axis);
    }, value),
  );
}

function tile(call: OperatorCall): void {
  const repeats = call.int64s(1);
  call.move(0, value => call.graph.op('Tile', [value, repeats]));
}

function shapeOf(call: OperatorCall): void {
  const type = call.to.requireType(call.output());
  const shape = call.graph.op('Shape', [call.stored(0)]);
  call.storedResult(type === 'int64' ? shape : call.graph.cast(shape, type));
}

function fill(call: OperatorCall): void {
  const dims = call.int64s(0);
  call.move(1, value => call.graph.op('Expand', [call.graph.op('Reshape', [value, call.graph.ints()]), dims]));
}

function broadcastTo(call: OperatorCall): void {
  const dims = call.int64s(1);
  call.move(0, value => call.graph.op('Expand', [value, dims]));
}

function reverse(call: OperatorCall): void {
  const rank = call.rank(0);
  const which = call.ints(1).map(axis => call.axis(axis, rank));
  const each = (value: number): string => call.graph.ints(...which.map(() => value));
  call.move(0, value =>
    call.graph.op('Slice', [value, each(-1), each(-(2 ** 31)), call.graph.ints(...which), each(-1)]),
  );
}

function reverseSequence(call: OperatorCall): void {
  const [time, batch] = [call.options.int32(0), call.options.int32(1)];
  if (!((time === 0 && batch === 1) || (time === 1 && batch === 0)))
    throw call.refuse(`reverses along dimension ${time} with its batch in dimension ${batch}`);
  const lengths = call.graph.cast(call.stored(1), 'int64');
  call.move(0, value =>
    call.graph.op('ReverseSequence', [value, lengths], { time_axis: BigInt(time), batch_axis: BigInt(batch) }),
  );
}

function depthAndSpace(call: OperatorCall): void {
  const { graph } = call;
  const block = call.options.int32(0);
  if (!(block >= 1)) throw call.damaged(`has the block size ${block}`);
  const [height, width, channels] = [call.size(0, 1), call.size(0, 2), call.size(0, 3)];
  const isToDepth = call.operator.name === 'SPACE_TO_DEPTH';
  if (isToDepth ? height % block !== 0 || width % block !== 0 : channels % block ** 2 !== 0)
    throw call.damaged('has a block size that does not divide its input');
  const [inner, outer] = isToDepth
    ? [
        [0, height / block, block, width / block, block, channels],
        [0, height / block, width / block, channels * block ** 2],
      ]
    : [
        [0, height, width, block, block, channels / block ** 2],
        [0, height * block, width * block, channels / block ** 2],
      ];
  const perm = axes(0, 1, 3, 2, 4, 5);
  call.move(0, value =>
    graph.op('Reshape', [
      graph.op('Transpose', [graph.op('Reshape', [value, graph.ints(...inner)])], { perm }),
      graph.ints(...outer),
    ]),
  );
}

function spaceToBatch(call: OperatorCall): void {
  const { graph } = call;
  const block = call.ints(1);
  const amounts = call.ints(2);
  const spatial = block.length;
  const rank = call.rank(0);
  const padding = Array.from({ length: rank }, (_, i) =>
    i >= 1 && i <= spatial ? ([amounts[2 * (i - 1)] ?? 0, amounts[2 * i - 1] ?? 0] as const) : ([0, 0] as const),
  );
  const sizes = block.map((step, i) => {
    const size = call.size(0, i + 1) + padding[i + 1]![0] + padding[i + 1]![1];
    if (!(step >= 1) || size % step !== 0) throw call.damaged('has a block size that does not divide its input');
    return size / step;
  });
  const rest = Array.from({ length: rank - 1 - spatial }, (_, i) => call.size(0, i + 1 + spatial));
  const zero = call.isSameScale(0) ? (call.tensor(0).quantization?.zeroPoints[0] ?? 0) : 0;
  const type = call.isSameScale(0) ? call.to.requireType(call.tensor(0)) : call.valueType(call.tensor(0));
  const perm = [
    ...block.map((_, i) => 2 + 2 * i),
    0,
    ...block.map((_, i) => 1 + 2 * i),
    ...rest.map((_, i) => 1 + 2 * spatial + i),
  ];
  call.move(0, value => {
    const padded = padding.some(([before, after]) => before + after > 0)
      ? graph.op('Pad', [
          value,
          graph.ints(...padding.map(side => side[0]), ...padding.map(side => side[1])),
          graph.constant(type, [], [zero]),
        ])
      : value;
    const blocks = graph.op('Reshape', [
      padded,
      graph.ints(0, ...sizes.flatMap((size, i) => [size, block[i]!]), ...rest),
    ]);
    return graph.op('Reshape', [
      graph.op('Transpose', [blocks], { perm: axes(...perm) }),
      graph.ints(-1, ...sizes, ...rest),
    ]);
  });
}

function batchToSpace(call: OperatorCall): void {
  const { graph } = call;
  const block = call.ints(1);
  const crops = call.ints(2);
  const spatial = block.length;
  const sizes = block.map((_, i) => call.size(0, i + 1));
  const rest = Array.from({ length: call.rank(0) - 1 - spatial }, (_, i) => call.size(0, i + 1 + spatial));
  const perm = [spatial, ...block.flatMap((_, i) => [spatial + 1 + i, i]), ...rest.map((_, i) => 2 * spatial + 1 + i)];
  const full = sizes.map((size, i) => size * block[i]!);
  call.move(0, value => {
    const blocks = graph.op('Reshape', [value, graph.ints(...block, -1, ...sizes, ...rest)]);
    const space = graph.op('Reshape', [
      graph.op('Transpose', [blocks], { perm: axes(...perm) }),
      graph.ints(-1, ...full, ...rest),
    ]);
    if (crops.every(crop => crop === 0)) return space;
    return graph.op('Slice', [
      space,
      graph.ints(...block.map((_, i) => crops[2 * i] ?? 0)),
      graph.ints(...full.map((size, i) => size - (crops[2 * i + 1] ?? 0))),
      graph.ints(...block.map((_, i) => i + 1)),
    ]);
  });
}

/** Position of the result's element i in an input of `size`, in float32 as TFLite computes it. */
function nearest(i: number, size: number, wanted: number, isAligned: boolean, isHalfPixel: boolean): number {
  const scale = isAligned && wanted > 1 ? Math.fround((size - 1) / (wanted - 1)) : Math.fround(size / wanted);
  const position = Math.fround(isHalfPixel ? Math.fround(i + 0.5) * scale : i * scale);
  const index = isAligned ? Math.floor(position + 0.5) : Math.floor(position);
  return Math.max(0, Math.min(size - 1, index));
}

function resize(call: OperatorCall): void {
  const { graph, options } = call;
  const isBilinear = call.operator.name === 'RESIZE_BILINEAR';
  // The bilinear options begin with two numbers that are not used any more.
  const first = isBilinear ? 2 : 0;
  const [isAligned, isHalfPixel] = [options.bool(first), options.bool(first + 1)];
  const wanted = call.constantInts(1);
  if (!isBilinear && wanted !== undefined && call.isFixed(0, 1) && call.isFixed(0, 2)) {
    const tables = ([0, 1] as const).map(i => {
      const size = call.size(0, i + 1);
      const length = wanted[i] ?? 0;
      if (!(length >= 1 && size >= 1)) throw call.damaged('resizes from or to nothing');
      call.checkComputed(length);
      return Array.from({ length }, (_, k) => nearest(k, size, length, isAligned, isHalfPixel));
    });
    call.move(0, value => tables.reduce((result, table, i) => take(call, result, table, i + 1), value));
    return;
  }
  const mode = isAligned ? 'align_corners' : isHalfPixel ? 'half_pixel' : 'asymmetric';
  const planes = graph.op('Transpose', [call.value(0)], { perm: axes(0, 3, 1, 2) });
  // All four sizes, because ONNX Runtime moves transposes past a Resize with chosen axes wrongly.
  const lead = graph.op('Slice', [graph.op('Shape', [planes]), graph.ints(0), graph.ints(2)]);
  const sizes = graph.op('Concat', [lead, call.int64s(1)], { axis: 0n });
  const resized = graph.op('Resize', [planes, '', '', sizes], {
    coordinate_transformation_mode: mode,
    mode: isBilinear ? 'linear' : 'nearest',
    ...(isBilinear ? {} : { nearest_mode: isAligned || isHalfPixel ? 'round_prefer_ceil' : 'floor' }),
  });
  call.result(graph.op('Transpose', [resized], { perm: axes(0, 2, 3, 1) }));
}

export const layoutOperators: Readonly<Record<string, TfliteHandler>> = {
  BATCH_TO_SPACE_ND: batchToSpace,
  BROADCAST_TO: broadcastTo,
  CONCATENATION: concatenate,
  DEPTH_TO_SPACE: depthAndSpace,
  EXPAND_DIMS: expandDims,
  FILL: fill,
  GATHER: gather,
  GATHER_ND: gatherNd,
  MIRROR_PAD: mirrorPad,
  PACK: pack,
  PAD: pad,
  PADV2: pad,
  RANK: call => call.storedResult(call.graph.constant('int32', [], [call.rank(0)])),
  RESHAPE: reshape,
  RESIZE_BILINEAR: resize,
  RESIZE_NEAREST_NEIGHBOR: resize,
  REVERSE_SEQUENCE: reverseSequence,
  REVERSE_V2: reverse,
  SHAPE: shapeOf,
  SLICE: slice,
  SPACE_TO_BATCH_ND: spaceToBatch,
  SPACE_TO_DEPTH: depthAndSpace,
  SPLIT: split,
  SPLIT_V: splitSizes,
  SQUEEZE: squeeze,
  STRIDED_SLICE: stridedSlice,
  TILE: tile,
  TRANSPOSE: transpose,
  UNPACK: unpack,
};
