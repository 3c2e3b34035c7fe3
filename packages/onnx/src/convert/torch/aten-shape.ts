import { optionalField } from '../boosting/json-fields.ts';
import type { AtenCall, AtenHandler } from './aten-call.ts';

function view(call: AtenCall): void {
  const name = call.names('size') ? 'size' : 'shape';
  call.setResult(call.graph.op('Reshape', [call.tensor('self'), call.sizes(name)], { allowzero: 1n }));
}

function flatten(call: AtenCall): void {
  const { graph } = call;
  const rank = call.rank('self');
  const [start, end] = [call.axis(call.number('start_dim', 0), rank), call.axis(call.number('end_dim', -1), rank)];
  const x = call.tensor('self');
  const shape = graph.op('Shape', [x]);
  const part = (from: number, to: number): string => graph.op('Slice', [shape, graph.ints(from), graph.ints(to)]);
  const middle = graph.op('ReduceProd', [part(start, end + 1)], { keepdims: 1n });
  const sizes = graph.op('Concat', [part(0, start), middle, part(end + 1, rank)], { axis: 0n });
  call.setResult(graph.op('Reshape', [x, sizes], { allowzero: 1n }));
}

function permute(call: AtenCall): void {
  const rank = call.rank('self');
  const order = call.ints('dims').map(axis => call.axis(axis, rank));
  call.setResult(call.graph.op('Transpose', [call.tensor('self')], { perm: BigInt64Array.from(order, BigInt) }));
}

function transpose(call: AtenCall): void {
  const rank = call.rank('self');
  const isMatrix = call.node.name === 't';
  const a = isMatrix ? 0 : call.axis(call.number('dim0'), rank);
  const b = isMatrix ? rank - 1 : call.axis(call.number('dim1'), rank);
  const order = Array.from({ length: rank }, (_, i) => BigInt(i === a ? b : i === b ? a : i));
  call.setResult(call.graph.op('Transpose', [call.tensor('self')], { perm: BigInt64Array.from(order) }));
}

function unsqueeze(call: AtenCall): void {
  const axis = call.axis(call.number('dim'), call.rank('self') + 1);
  call.setResult(call.graph.op('Unsqueeze', [call.tensor('self'), call.graph.ints(axis)]));
}

function squeeze(call: AtenCall): void {
  const shape = call.shapeOf('self');
  const given = call.has('dim') ? call.ints('dim').map(axis => call.axis(axis, shape.length)) : shape.map((_, i) => i);
  const gone = given.filter(axis => shape[axis] === 1);
  call.setResult(
    gone.length === 0
      ? call.graph.op('Identity', [call.tensor('self')])
      : call.graph.op('Squeeze', [call.tensor('self'), call.graph.ints(...gone)]),
  );
}

/** A size of -1 keeps what is there. */
function expand(call: AtenCall): void {
  const { graph } = call;
  const sizes = call.sizes('size');
  const kept = graph.op('Where', [graph.op('Equal', [sizes, graph.ints(-1)]), graph.ints(1), sizes]);
  call.setResult(graph.op('Expand', [call.tensor('self'), kept]));
}

function repeat(call: AtenCall): void {
  const { graph } = call;
  const repeats = call.ints('repeats');
  const missing = repeats.length - call.rank('self');
  const axes = Array.from({ length: Math.max(0, missing) }, (_, i) => i);
  const x = axes.length === 0 ? call.tensor('self') : graph.op('Unsqueeze', [call.tensor('self'), graph.ints(...axes)]);
  call.setResult(graph.op('Tile', [x, graph.ints(...repeats)]));
}

/** Tensors of one list in the type of the result. */
function listed(call: AtenCall): string[] {
  const type = call.outputType();
  return call.tensorNames('tensors').map(name => {
    const value = call.valueOf(name);
    return call.typeOf(name) === type ? value : call.graph.cast(value, type);
  });
}

function resultRank(call: AtenCall): number {
  return call.scope.program.tensors.get(call.outputNames()[0] ?? '')?.shape.length ?? 0;
}

function concatenate(call: AtenCall): void {
  const axis = call.axis(call.number('dim', 0), resultRank(call));
  call.setResult(call.graph.op('Concat', listed(call), { axis: BigInt(axis) }));
}

function stack(call: AtenCall): void {
  const { graph } = call;
  const axis = call.axis(call.number('dim', 0), resultRank(call));
  const parts = listed(call).map(value => graph.op('Unsqueeze', [value, graph.ints(axis)]));
  call.setResult(graph.op('Concat', parts, { axis: BigInt(axis) }));
}

function slice(call: AtenCall): void {
  const { graph } = call;
  const axis = call.axis(call.number('dim', 0), call.rank('self'));
  const start = call.has('start') ? call.size('start') : graph.ints(0);
  const end = call.has('end') ? call.size('end') : graph.ints(2 ** 53);
  call.setResult(
    graph.op('Slice', [call.tensor('self'), start, end, graph.ints(axis), graph.ints(call.number('step', 1))]),
  );
}

function select(call: AtenCall): void {
  const { graph } = call;
  const axis = call.axis(call.number('dim'), call.rank('self'));
  const index = graph.op('Squeeze', [call.size('index'), graph.ints(0)]);
  call.setResult(graph.op('Gather', [call.tensor('self'), index], { axis: BigInt(axis) }));
}

/** Parts of given sizes, or all of one size but the last. */
function split(call: AtenCall): void {
  const { graph } = call;
  const axis = call.axis(call.number('dim', 0), call.rank('self'));
  const names = call.outputNames();
  const along = (name: string): number => {
    const size = call.scope.program.tensors.get(name)?.shape[axis];
    if (typeof size !== 'number') throw call.refuse('splits a dimension whose size is open');
    return size;
  };
  const values =
    names.length === 1
      ? [graph.op('Identity', [call.tensor('self')])]
      : graph.opMany('Split', [call.tensor('self'), graph.ints(...names.map(along))], names.length, {
          axis: BigInt(axis),
        });
  values.forEach((value, i) => {
    call.setResult(value, i);
  });
}

/** An element of a list of tensors, which has been set as tensors of its own already. */
function listItem(call: AtenCall): void {
  const names = call.tensorNames('a');
  const name = names[call.number('b')];
  if (name === undefined) throw call.refuse('takes an element that does not exist');
  call.setResult(call.valueOf(name));
}

function indexSelect(call: AtenCall): void {
  const axis = call.axis(call.number('dim'), call.rank('self'));
  call.setResult(call.graph.op('Gather', [call.tensor('self'), call.tensor('index')], { axis: BigInt(axis) }));
}

function gather(call: AtenCall): void {
  const axis = call.axis(call.number('dim'), call.rank('self'));
  call.setResult(call.graph.op('GatherElements', [call.tensor('self'), call.tensor('index')], { axis: BigInt(axis) }));
}

/** self[:, index]: one tensor of whole numbers along one dimension. */
function index(call: AtenCall): void {
  const given = call.argument('indices');
  const entries = optionalField(given, 'as_optional_tensors') ?? optionalField(given, 'as_tensors');
  if (!Array.isArray(entries)) throw call.refuse('lacks its indices');
  const names = entries.map(entry => optionalField(entry, 'as_tensor', 'name') ?? optionalField(entry, 'name'));
  const used = names.flatMap((name, axis) => (typeof name === 'string' ? [{ name, axis }] : []));
  const [only] = used;
  if (only === undefined || used.length > 1) throw call.refuse('indexes several dimensions at once');
  if (call.typeOf(only.name) === 'bool') throw call.refuse('indexes by a mask');
  call.setResult(call.graph.op('Gather', [call.tensor('self'), call.valueOf(only.name)], { axis: BigInt(only.axis) }));
}

const reduction =
  (opType: string): AtenHandler =>
  call => {
    const { graph } = call;
    const type = call.outputType();
    const rank = call.rank('self');
    const dims = call.has('dim') ? call.ints('dim').map(axis => call.axis(axis, rank)) : [];
    const keepdims = call.bool('keepdim', false) ? 1n : 0n;
    // No dimensions mean all of them, in both.
    call.setResult(
      graph.op(opType, [call.operand('self', type), ...(dims.length > 0 ? [graph.ints(...dims)] : [])], { keepdims }),
    );
  };

/** The largest or smallest: of two tensors, of everything, or with its place along one dimension. */
const extreme =
  (reduce: string, place: string): AtenHandler =>
  call => {
    const { graph } = call;
    if (call.has('other')) {
      const type = call.outputType();
      const [x, y] = [call.operand('self', type), call.operand('other', type)];
      call.setResult(graph.op(reduce === 'ReduceMax' ? 'Max' : 'Min', [x, y]));
      return;
    }
    if (!call.has('dim')) {
      reduction(reduce)(call);
      return;
    }
    const axis = call.axis(call.number('dim'), call.rank('self'));
    const keepdims = call.bool('keepdim', false) ? 1n : 0n;
    call.setResult(graph.op(reduce, [call.tensor('self'), graph.ints(axis)], { keepdims }));
    call.setResult(graph.op(place, [call.tensor('self')], { axis: BigInt(axis), keepdims }), 1);
  };

const place =
  (opType: string): AtenHandler =>
  call => {
    const { graph } = call;
    if (!call.has('dim')) {
      const flat = graph.op('Reshape', [call.tensor('self'), graph.ints(-1)]);
      call.setResult(graph.op(opType, [flat], { axis: 0n, keepdims: 0n }));
      return;
    }
    const axis = call.axis(call.number('dim'), call.rank('self'));
    call.setResult(
      graph.op(opType, [call.tensor('self')], { axis: BigInt(axis), keepdims: call.bool('keepdim', false) ? 1n : 0n }),
    );
  };

const truth =
  (opType: string): AtenHandler =>
  call => {
    const { graph } = call;
    const rank = call.rank('self');
    const dims = call.has('dim') ? call.ints('dim').map(axis => call.axis(axis, rank)) : [];
    const whole = graph.cast(call.operand('self', 'bool'), 'int32');
    const keepdims = call.bool('keepdim', false) ? 1n : 0n;
    call.setResult(
      graph.cast(graph.op(opType, [whole, ...(dims.length > 0 ? [graph.ints(...dims)] : [])], { keepdims }), 'bool'),
    );
  };

/** Mean of the squares around the mean, divided by n - correction. */
function variance(call: AtenCall): void {
  const { graph } = call;
  const type = call.outputType();
  const shape = call.shapeOf('self');
  const rank = shape.length;
  const given = call.has('dim') ? call.ints('dim') : [];
  const dims = given.length > 0 ? given.map(axis => call.axis(axis, rank)) : shape.map((_, i) => i);
  const count = dims.reduce((product, axis) => product * Number(shape[axis]), 1);
  if (!Number.isFinite(count)) throw call.refuse('has a number of elements that is open');
  const correction = call.number(call.names('unbiased') ? 'unbiased' : 'correction', 1);
  const x = call.tensor('self');
  const centred = graph.op('Sub', [x, graph.op('ReduceMean', [x, graph.ints(...dims)], { keepdims: 1n })]);
  const squares = graph.op('ReduceSumSquare', [centred, graph.ints(...dims)], {
    keepdims: call.bool('keepdim', false) ? 1n : 0n,
  });
  const result = graph.op('Div', [squares, call.constant(count - correction, type)]);
  call.setResult(call.node.name === 'std' ? graph.op('Sqrt', [result]) : result);
}

function cumulativeSum(call: AtenCall): void {
  const axis = call.axis(call.number('dim'), call.rank('self'));
  const type = call.outputType();
  call.setResult(call.graph.op('CumSum', [call.operand('self', type), call.graph.constant('int64', [], [axis])]));
}

function topK(call: AtenCall): void {
  const axis = call.axis(call.number('dim', -1), call.rank('self'));
  const [values, indices] = call.graph.opMany('TopK', [call.tensor('self'), call.size('k')], 2, {
    axis: BigInt(axis),
    largest: call.bool('largest', true) ? 1n : 0n,
  }) as [string, string];
  call.setResult(values);
  call.setResult(indices, 1);
}

const triangle =
  (upper: bigint): AtenHandler =>
  call =>
    call.setResult(
      call.graph.op('Trilu', [call.tensor('self'), call.graph.constant('int64', [], [call.number('diagonal', 0)])], {
        upper,
      }),
    );

function sizeOf(call: AtenCall): void {
  const axis = call.axis(call.number('dim'), call.rank('self'));
  const size = call.graph.op(
    'Gather',
    [call.graph.op('Shape', [call.tensor('self')]), call.graph.constant('int64', [], [axis])],
    {
      axis: 0n,
    },
  );
  call.setSize(size);
}

function pixelShuffle(call: AtenCall): void {
  const blocksize = BigInt(call.number('upscale_factor'));
  call.setResult(call.graph.op('DepthToSpace', [call.tensor('self')], { blocksize, mode: 'CRD' }));
}

function assertion(): void {
  // A check at run time changes no result.
}

export const atenShape: Readonly<Record<string, AtenHandler>> = {
  _assert_async: assertion,
  _assert_scalar: assertion,
  _assert_tensor_metadata: assertion,
  _operator_getitem: listItem,
  _unsafe_view: view,
  all: truth('ReduceMin'),
  amax: reduction('ReduceMax'),
  amin: reduction('ReduceMin'),
  any: truth('ReduceMax'),
  argmax: place('ArgMax'),
  argmin: place('ArgMin'),
  cat: concatenate,
  chunk: split,
  cumsum: cumulativeSum,
  expand,
  flatten,
  gather,
  index,
  index_select: indexSelect,
  max: extreme('ReduceMax', 'ArgMax'),
  mean: reduction('ReduceMean'),
  min: extreme('ReduceMin', 'ArgMin'),
  permute,
  pixel_shuffle: pixelShuffle,
  prod: reduction('ReduceProd'),
  repeat,
  reshape: view,
  select,
  slice,
  split,
  split_with_sizes: split,
  squeeze,
  stack,
  std: variance,
  sum: reduction('ReduceSum'),
  sym_size: sizeOf,
  t: transpose,
  topk: topK,
  transpose,
  tril: triangle(0n),
  triu: triangle(1n),
  unsqueeze,
  var: variance,
  view,
};
