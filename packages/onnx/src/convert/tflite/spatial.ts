import type { OperatorCall, TfliteHandler } from './lowering.ts';

const axes = (...list: number[]): BigInt64Array => BigInt64Array.from(list, BigInt);

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

/** Padding, blocks of places, and sizes of pictures. */
export const spatialOperators: Readonly<Record<string, TfliteHandler>> = {
  BATCH_TO_SPACE_ND: batchToSpace,
  DEPTH_TO_SPACE: depthAndSpace,
  MIRROR_PAD: mirrorPad,
  PAD: pad,
  PADV2: pad,
  RESIZE_BILINEAR: resize,
  RESIZE_NEAREST_NEIGHBOR: resize,
  SPACE_TO_BATCH_ND: spaceToBatch,
  SPACE_TO_DEPTH: depthAndSpace,
};
