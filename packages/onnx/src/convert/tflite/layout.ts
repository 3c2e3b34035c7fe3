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

export const layoutOperators: Readonly<Record<string, TfliteHandler>> = {
  BROADCAST_TO: broadcastTo,
  CONCATENATION: concatenate,
  EXPAND_DIMS: expandDims,
  FILL: fill,
  GATHER: gather,
  GATHER_ND: gatherNd,
  PACK: pack,
  RANK: call => call.storedResult(call.graph.constant('int32', [], [call.rank(0)])),
  RESHAPE: reshape,
  REVERSE_SEQUENCE: reverseSequence,
  REVERSE_V2: reverse,
  SHAPE: shapeOf,
  SLICE: slice,
  SPLIT: split,
  SPLIT_V: splitSizes,
  SQUEEZE: squeeze,
  STRIDED_SLICE: stridedSlice,
  TILE: tile,
  TRANSPOSE: transpose,
  UNPACK: unpack,
};
