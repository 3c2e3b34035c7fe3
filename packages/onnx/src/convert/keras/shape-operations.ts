import { isList, isObject, type Json } from './config.ts';
import { asFloat, type LayerCall, rankOf, refuse, type Shape, tensorsIn, transpose } from './lowering.ts';
import { axesOf, type Operation, operand, plain } from './operation.ts';
import { reshaped } from './reshaping.ts';

export const expandDims: Operation = {
  params: [['input', 'x'], ['axis']],
  emit: (call, given) => {
    const x = operand(call, given(0), 'float');
    const [axis = 0] = axesOf(call, plain(given, 1) ?? 0, rankOf(x) + 1);
    if (axis === 0) return refuse(call, 'puts an axis before the batch');
    const shape = [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)];
    return { value: call.graph.op('Unsqueeze', [x.value, call.graph.ints(axis)]), shape, type: x.type };
  },
};

export const squeeze: Operation = {
  params: [['input', 'x'], ['axis']],
  emit: (call, given) => {
    const x = operand(call, given(0), 'float');
    const asked = plain(given, 1);
    const all = x.shape.flatMap((size, i) => (size === 1 && i > 0 ? [i] : []));
    const axes =
      asked === undefined || asked === null || (isList(asked) && asked.length === 0)
        ? all
        : axesOf(call, asked, rankOf(x));
    if (axes.some(axis => axis === 0 || x.shape[axis] !== 1))
      return refuse(call, 'drops an axis whose size is not known to be 1');
    return {
      value: call.graph.op('Squeeze', [x.value, call.graph.ints(...axes)]),
      shape: x.shape.filter((_, i) => !axes.includes(i)),
      type: x.type,
    };
  },
};

export const reshape: Operation = {
  params: [
    ['tensor', 'x'],
    ['shape', 'newshape'],
  ],
  emit: (call, given) => {
    const x = operand(call, given(0), 'float');
    const target = plain(given, 1);
    if (!isList(target)) return refuse(call, 'reshapes to a shape that is computed');
    const sizes = target.map(size => (typeof size === 'number' ? size : -1));
    const [batch, ...rest] = sizes;
    const total = x.shape
      .slice(1)
      .reduce<number | null>((all, size) => (all === null || size === null ? null : all * size), 1);
    const fixed = rest.filter(size => size !== -1).reduce((all, size) => all * size, 1);
    if (
      batch !== -1 ||
      total === null ||
      fixed === 0 ||
      rest.filter(size => size === -1).length > 1 ||
      total % fixed !== 0
    )
      return refuse(call, `reshapes to [${sizes.join(', ')}], which would mix the rows of the batch`);
    const shape = rest.map(size => (size === -1 ? total / fixed : size));
    if (shape.reduce((all, size) => all * size, 1) !== total)
      return refuse(call, `reshapes to [${sizes.join(', ')}], which would mix the rows of the batch`);
    return reshaped(call, x, shape);
  },
};

export const transposing: Operation = {
  params: [
    ['a', 'x'],
    ['perm', 'axes'],
  ],
  emit: (call, given) => {
    const x = operand(call, given(0), 'float');
    const asked = plain(given, 1);
    const perm = isList(asked) ? axesOf(call, asked, rankOf(x)) : x.shape.map((_, i) => rankOf(x) - 1 - i);
    if (perm[0] !== 0 || new Set(perm).size !== rankOf(x)) return refuse(call, 'moves the rows of the batch');
    return {
      value: transpose(call.graph, x.value, perm),
      shape: perm.map(axis => x.shape[axis] ?? null),
      type: x.type,
    };
  },
};

export const concat: Operation = {
  params: [['values', 'xs', 'arrays'], ['axis']],
  emit: (call, given) => {
    const list = given(0);
    const values = list === undefined ? [] : tensorsIn([list]);
    const [first] = values;
    if (first === undefined || (list?.kind === 'list' && list.items.length !== values.length))
      return refuse(call, 'joins something that is no tensor');
    const [axis = 0] = axesOf(call, plain(given, 1) ?? 0, rankOf(first));
    if (axis === 0) return refuse(call, 'joins the rows of batches');
    const inputs = values.some(value => value.type !== first.type)
      ? values.map(value => asFloat(call.graph, value))
      : values;
    const shape: Shape = first.shape.map((size, i) =>
      i !== axis
        ? size
        : values.reduce<number | null>(
            (sum, value) => (sum === null || value.shape[i] == null ? null : sum + value.shape[i]),
            0,
          ),
    );
    const value = call.graph.op(
      'Concat',
      inputs.map(input => input.value),
      { axis: BigInt(axis) },
    );
    return { value, shape, type: inputs[0]?.type ?? 'float' };
  },
};

interface Cut {
  readonly start: number;
  readonly end: number;
  readonly step: number;
  readonly isSingle: boolean;
}

const everything: Cut = { start: 0, end: 2 ** 40, step: 1, isSingle: false };

/** Indexing by numbers and slices, one per axis. */
export const getItem: Operation = {
  params: [
    ['tensor', 'x', 'self'],
    ['slice_spec', 'key'],
  ],
  emit: (call, given) => {
    const { graph } = call;
    const x = operand(call, given(0), 'float');
    const spec = plain(given, 1);
    const list = isList(spec) ? spec : isObject(spec) && isList(spec.value) ? spec.value : [spec ?? null];
    const cuts = list.map(item => cutOf(call, item));
    if (cuts.length > rankOf(x)) return refuse(call, 'indexes more axes than there are');
    const [batch] = cuts;
    if (batch !== undefined && JSON.stringify(batch) !== JSON.stringify(everything))
      return refuse(call, 'picks rows of the batch');
    const axes = cuts.map((_, i) => i).filter(i => JSON.stringify(cuts[i]) !== JSON.stringify(everything));
    if (axes.length === 0) return x;
    const pick = (read: (cut: Cut) => number): string => graph.ints(...axes.map(axis => read(cuts[axis]!)));
    const value = graph.op('Slice', [
      x.value,
      pick(cut => cut.start),
      pick(cut => cut.end),
      graph.ints(...axes),
      pick(cut => cut.step),
    ]);
    const sizes = x.shape.map((size, i) => (axes.includes(i) ? cutSize(cuts[i]!, size) : size));
    const single = axes.filter(axis => cuts[axis]!.isSingle);
    if (single.length === 0) return { value, shape: sizes, type: x.type };
    return {
      value: graph.op('Squeeze', [value, graph.ints(...single)]),
      shape: sizes.filter((_, i) => !single.includes(i)),
      type: x.type,
    };
  },
};

function cutOf(call: LayerCall, item: Json): Cut {
  if (typeof item === 'number' && Number.isInteger(item))
    return { start: item, end: item === -1 ? 2 ** 40 : item + 1, step: 1, isSingle: true };
  const config = isObject(item) && isObject(item.config) ? item.config : item;
  const read = (key: string, place: number): Json => {
    if (!isObject(config)) return null;
    return config[key] ?? (isList(config.value) ? (config.value[place] ?? null) : null);
  };
  const isSlice = isObject(config) && ('start' in config || 'stop' in config || isList(config.value));
  if (!isSlice) return refuse(call, `indexes with ${JSON.stringify(item).slice(0, 60)}`);
  const [start, stop, step] = [read('start', 0), read('stop', 1), read('step', 2)];
  if (step !== null && !(typeof step === 'number' && step > 0)) return refuse(call, 'indexes backwards');
  if ([start, stop].some(bound => bound !== null && typeof bound !== 'number'))
    return refuse(call, 'indexes to a place that is computed');
  return {
    start: typeof start === 'number' ? start : 0,
    end: typeof stop === 'number' ? stop : 2 ** 40,
    step: typeof step === 'number' ? step : 1,
    isSingle: false,
  };
}

function cutSize({ start, end, step, isSingle }: Cut, size: number | null): number | null {
  if (isSingle) return 1;
  if (size === null) return null;
  const from = Math.min(size, start < 0 ? Math.max(0, size + start) : start);
  const to = Math.min(size, end < 0 ? Math.max(0, size + end) : end);
  return Math.max(0, Math.ceil((to - from) / step));
}
