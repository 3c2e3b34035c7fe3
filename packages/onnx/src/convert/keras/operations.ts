import type { BuildType } from '../../model/build.ts';
import { activationNames, applyActivation } from './activations.ts';
import type { LayerSpec } from './architecture.ts';
import { isList, isObject, type Json } from './config.ts';
import {
  asFloat,
  type CallValue,
  castTo,
  type LayerCall,
  type LayerType,
  like,
  normalAxis,
  ofOneType,
  rankOf,
  refuse,
  type Shape,
  type Tensor,
  tensorsIn,
  transpose,
} from './lowering.ts';
import { broadcastShape } from './merging.ts';
import { reshaped } from './reshaping.ts';

/** A function of TensorFlow or Keras that a model calls outside of layers. */
interface Operation {
  /** Its parameters in order, the names that TensorFlow and Keras give them side by side. */
  readonly params: readonly (readonly string[])[];
  readonly emit: (call: LayerCall, given: Given) => Tensor;
}

/** The arguments of one call by parameter. */
type Given = (index: number) => CallValue | undefined;

const dtypes: Readonly<Record<string, BuildType>> = {
  float32: 'float',
  float16: 'float',
  bfloat16: 'float',
  float64: 'float',
  int8: 'int8',
  uint8: 'uint8',
  int32: 'int32',
  int64: 'int64',
  bool: 'bool',
};

function plain(given: Given, index: number): Json | undefined {
  const value = given(index);
  return value?.kind === 'value' ? value.value : undefined;
}

/** An argument as a tensor; numbers become constants of the given type. */
function operand(call: LayerCall, value: CallValue | undefined, type: BuildType): Tensor {
  if (value?.kind === 'tensor') return value.tensor;
  if (value?.kind !== 'value') return refuse(call, 'combines something that is neither a tensor nor a number');
  const numbers = flat(value.value);
  if (numbers === undefined)
    return refuse(call, `combines ${JSON.stringify(value.value)?.slice(0, 60)}, which is no number`);
  const shape = shapeOf(value.value);
  const isWhole = numbers.every(Number.isInteger);
  const ownType = type !== 'float' && !isWhole ? 'float' : type;
  return { value: call.graph.constant(ownType, shape, numbers), shape, type: ownType };
}

function flat(value: Json): number[] | undefined {
  if (typeof value === 'number') return [value];
  if (isObject(value) && isObject(value.config)) return flat(value.config.value ?? null);
  if (!isList(value)) return undefined;
  const inner = value.map(flat);
  return inner.some(item => item === undefined) ? undefined : inner.flatMap(item => item ?? []);
}

function shapeOf(value: Json): number[] {
  if (isObject(value) && isObject(value.config)) return shapeOf(value.config.value ?? null);
  return isList(value) ? [value.length, ...(value[0] === undefined ? [] : shapeOf(value[0]))] : [];
}

/** Two operands of one type. */
function pair(call: LayerCall, given: Given): [Tensor, Tensor] {
  const first = given(0);
  const second = given(1);
  const known = [first, second].find(value => value?.kind === 'tensor');
  const type = known?.kind === 'tensor' ? known.tensor.type : 'float';
  const a = operand(call, first, type);
  const b = operand(call, second, type);
  const [left = a, right = b] = ofOneType(call.graph, [a, b]);
  return [left, right];
}

const xy = [
  ['x', 'x1', 'a'],
  ['y', 'x2', 'b'],
];

function binary(opType: string, isFloat = false, result?: BuildType): Operation {
  return {
    params: xy,
    emit: (call, given) => {
      const [a, b] = pair(call, given).map(item => (isFloat ? asFloat(call.graph, item) : item));
      if (a === undefined || b === undefined) return refuse(call, 'needs two operands');
      const value = call.graph.op(opType, [a.value, b.value]);
      return { value, shape: broadcastShape(call, [a.shape, b.shape]), type: result ?? a.type };
    },
  };
}

/** @param keepsWhole whether whole numbers give whole numbers, which float32 would round beyond 2^24 */
function unary(opType: string, keepsWhole = false): Operation {
  return {
    params: [['x', 'input', 'features']],
    emit: (call, given) => {
      const own = operand(call, given(0), 'float');
      const x = keepsWhole && /^int(8|32|64)$/.test(own.type) ? own : asFloat(call.graph, own);
      return like(x, { value: call.graph.op(opType, [x.value]), mask: undefined });
    },
  };
}

function activation(name: string): Operation {
  return {
    params: [['x', 'features', 'logits'], ['axis'], ['approximate']],
    emit: (call, given) => {
      const axis = plain(given, 1);
      if (axis !== undefined && axis !== null && axis !== -1)
        return refuse(call, `is called with axis = ${JSON.stringify(axis)}`);
      const approximate = plain(given, 2);
      const isApproximate = name === 'gelu' && approximate === true;
      return applyActivation(call, operand(call, given(0), 'float'), isApproximate ? 'gelu_new' : name);
    },
  };
}

function axesOf(call: LayerCall, value: Json | undefined, rank: number): number[] {
  if (value === undefined || value === null) return Array.from({ length: rank }, (_, i) => i);
  const axes = flat(value) ?? refuse(call, `names the axes ${JSON.stringify(value)}`);
  return axes.map(axis => normalAxis(call, axis, rank));
}

function reduction(opType: string): Operation {
  return {
    params: [['input_tensor', 'x'], ['axis'], ['keepdims']],
    emit: (call, given) => {
      const raw = operand(call, given(0), 'float');
      const x = opType === 'ReduceMean' ? asFloat(call.graph, raw) : raw;
      const axes = axesOf(call, plain(given, 1), rankOf(x));
      if (axes.includes(0)) return refuse(call, 'reduces over the rows of the batch');
      const keeps = plain(given, 2) === true;
      const value = call.graph.op(opType, [x.value, call.graph.ints(...axes)], { keepdims: keeps ? 1n : 0n });
      return {
        value,
        shape: x.shape.flatMap((size, i) => (axes.includes(i) ? (keeps ? [1] : []) : [size])),
        type: x.type,
      };
    },
  };
}

const notEqual: Operation = {
  params: xy,
  emit: (call, given) => {
    const isEqual = binary('Equal', false, 'bool').emit(call, given);
    return { ...isEqual, value: call.graph.op('Not', [isEqual.value]) };
  },
};

function logical(opType: 'And' | 'Or'): Operation {
  return {
    params: xy,
    emit: (call, given) => {
      const [a, b] = [0, 1].map(i => castTo(call.graph, operand(call, given(i), 'bool'), 'bool'));
      if (a === undefined || b === undefined) return refuse(call, 'needs two operands');
      const value = call.graph.op(opType, [a.value, b.value]);
      return { value, shape: broadcastShape(call, [a.shape, b.shape]), type: 'bool' };
    },
  };
}

const logicalNot: Operation = {
  params: [['x']],
  emit: (call, given) => {
    const x = castTo(call.graph, operand(call, given(0), 'bool'), 'bool');
    return { ...x, value: call.graph.op('Not', [x.value]), mask: undefined };
  },
};

const cast: Operation = {
  params: [['x'], ['dtype']],
  emit: (call, given) => {
    const dtype = plain(given, 1);
    const type = typeof dtype === 'string' ? dtypes[dtype.replace(/^(tf|torch|jnp)\./, '')] : undefined;
    if (type === undefined) return refuse(call, `casts to ${JSON.stringify(dtype)}`);
    if (type === 'float' && dtype !== 'float32')
      call.to.notes.add(`Casts to ${String(dtype)} were made casts to float32.`);
    return { ...castTo(call.graph, operand(call, given(0), 'float'), type), mask: undefined };
  },
};

const oneHot: Operation = {
  params: [['indices', 'x'], ['depth', 'num_classes'], ['on_value'], ['off_value'], ['axis'], ['dtype']],
  emit: (call, given) => {
    const { graph } = call;
    const depth = plain(given, 1);
    const axis = plain(given, 4) ?? -1;
    const [on, off] = [plain(given, 2) ?? 1, plain(given, 3) ?? 0];
    if (typeof depth !== 'number' || axis !== -1 || on !== 1 || off !== 0) return refuse(call, 'has unusual options');
    const index = castTo(graph, operand(call, given(0), 'int64'), 'int64');
    const columns = graph.constant(
      'int64',
      [depth],
      Array.from({ length: depth }, (_, i) => i),
    );
    // Comparing leaves a row of zeros for an index outside, as TensorFlow does.
    const hot = graph.op('Equal', [graph.op('Unsqueeze', [index.value, graph.ints(-1)]), columns]);
    return { value: graph.cast(hot, 'float'), shape: [...index.shape, depth], type: 'float' };
  },
};

const clip: Operation = {
  params: [
    ['t', 'x'],
    ['clip_value_min', 'x_min'],
    ['clip_value_max', 'x_max'],
  ],
  emit: (call, given) => {
    const limits = [1, 2].map(i => {
      const limit = plain(given, i);
      return typeof limit === 'number' ? limit : refuse(call, 'clips to no number');
    });
    const own = operand(call, given(0), 'float');
    const x = limits.every(Number.isInteger) ? own : asFloat(call.graph, own);
    const bounds = limits.map(limit => call.graph.constant(x.type, [], [limit]));
    return like(x, { value: call.graph.op('Clip', [x.value, ...bounds]), mask: undefined });
  },
};

const expandDims: Operation = {
  params: [['input', 'x'], ['axis']],
  emit: (call, given) => {
    const x = operand(call, given(0), 'float');
    const [axis = 0] = axesOf(call, plain(given, 1) ?? 0, rankOf(x) + 1);
    if (axis === 0) return refuse(call, 'puts an axis before the batch');
    const shape = [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)];
    return { value: call.graph.op('Unsqueeze', [x.value, call.graph.ints(axis)]), shape, type: x.type };
  },
};

const squeeze: Operation = {
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

const reshape: Operation = {
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

const transposing: Operation = {
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

const concat: Operation = {
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

const matmul: Operation = {
  params: [['a', 'x1'], ['b', 'x2'], ['transpose_a'], ['transpose_b']],
  emit: (call, given) => {
    const [a, b] = [0, 1].map(i => asFloat(call.graph, operand(call, given(i), 'float')));
    if (a === undefined || b === undefined || rankOf(a) < 2 || rankOf(b) < 2) return refuse(call, 'multiplies vectors');
    const turned = (x: Tensor, flag: Json | undefined): Tensor => {
      if (flag !== true) return x;
      const perm = x.shape.map((_, i) => i);
      perm.push(...perm.splice(-2).reverse());
      return { ...x, value: transpose(call.graph, x.value, perm), shape: perm.map(axis => x.shape[axis] ?? null) };
    };
    const left = turned(a, plain(given, 2));
    const right = turned(b, plain(given, 3));
    const outer = broadcastShape(call, [left.shape.slice(0, -2), right.shape.slice(0, -2)]);
    const shape = [...outer, left.shape.at(-2) ?? null, right.shape.at(-1) ?? null];
    return { value: call.graph.op('MatMul', [left.value, right.value]), shape, type: 'float' };
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
const getItem: Operation = {
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

const identity: Operation = { params: [['input', 'x']], emit: (call, given) => operand(call, given(0), 'float') };

/** Functions by the names of TensorFlow's modules and of Keras 3's operation classes. */
const operations: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ...entries('add __operators__.add math.add Add', binary('Add')),
  ...entries('subtract __operators__.sub math.subtract Subtract', binary('Sub')),
  ...entries('multiply __operators__.mul math.multiply Multiply', binary('Mul')),
  ...entries('divide math.divide math.truediv __operators__.truediv TrueDivide Divide', binary('Div', true)),
  ...entries('pow math.pow Power', binary('Pow', true)),
  ...entries('maximum math.maximum Maximum', binary('Max')),
  ...entries('minimum math.minimum Minimum', binary('Min')),
  ...entries('math.greater __operators__.gt Greater', binary('Greater', false, 'bool')),
  ...entries('math.less __operators__.lt Less', binary('Less', false, 'bool')),
  ...entries('math.equal __operators__.eq Equal', binary('Equal', false, 'bool')),
  ...entries('math.not_equal __operators__.ne NotEqual', notEqual),
  ...entries('math.logical_and logical_and LogicalAnd', logical('And')),
  ...entries('math.logical_or logical_or LogicalOr', logical('Or')),
  ...entries('math.logical_not logical_not LogicalNot', logicalNot),
  ...entries('math.abs abs Absolute Abs', unary('Abs', true)),
  ...entries('math.exp exp Exp', unary('Exp')),
  ...entries('math.log Log', unary('Log')),
  ...entries('math.sqrt sqrt Sqrt', unary('Sqrt')),
  ...entries('math.negative negative __operators__.neg Negative', unary('Neg', true)),
  ...entries('math.sin sin Sin', unary('Sin')),
  ...entries('math.cos cos Cos', unary('Cos')),
  ...entries('math.floor floor Floor', unary('Floor')),
  ...entries('math.reduce_mean reduce_mean Mean', reduction('ReduceMean')),
  ...entries('math.reduce_sum reduce_sum Sum', reduction('ReduceSum')),
  ...entries('math.reduce_max reduce_max Max', reduction('ReduceMax')),
  ...entries('math.reduce_min reduce_min Min', reduction('ReduceMin')),
  ...entries('cast Cast', cast),
  ...entries('one_hot OneHot', oneHot),
  ...entries('clip_by_value Clip', clip),
  ...entries('expand_dims ExpandDims', expandDims),
  ...entries('squeeze Squeeze', squeeze),
  ...entries('reshape Reshape', reshape),
  ...entries('transpose Transpose', transposing),
  ...entries('concat Concatenate', concat),
  ...entries('linalg.matmul matmul Matmul', matmul),
  ...entries('__operators__.getitem GetItem', getItem),
  ...entries('identity stop_gradient Identity StopGradient', identity),
  ...activationNames.flatMap(name => entries(`nn.${name} math.${name} ${name} ${className(name)}`, activation(name))),
]);

function entries(names: string, operation: Operation): [string, Operation][] {
  return names.split(' ').map(name => [name, operation]);
}

/** `hard_sigmoid` as the operation class HardSigmoid. */
function className(name: string): string {
  return name.replaceAll(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());
}

export const operationNames: readonly string[] = [...operations.keys()].filter(name => /^[A-Z]/.test(name)).sort();

/** Whether a layer of the file is a bare operation of Keras 3; HDF5 files leave the module out, and operations cannot train. */
export function isOperation(spec: LayerSpec): boolean {
  if (spec.module === '')
    return (
      spec.config.trainable === undefined && spec.className !== 'InputLayer' && spec.calls.some(call => call.isNew)
    );
  return /^keras(\.src)?\.(ops|backend)\b/.test(spec.module);
}

/** The operation a layer stands for, or undefined when it is a real layer. */
export function operationName(spec: LayerSpec): string | undefined {
  if (isOperation(spec)) return spec.className;
  if (spec.className === 'TFOpLambda' || spec.className === 'SlicingOpLambda')
    return typeof spec.config.function === 'string' ? spec.config.function : '';
  return undefined;
}

/** The row of the layer table for an operation, or undefined when it is not known. */
export function operationType(name: string): LayerType | undefined {
  const operation = operations.get(name);
  if (operation === undefined) return undefined;
  return {
    family: 'operations',
    kwargs: [...operation.params.flat(), 'name'],
    emit: call => {
      call.config.ignore('function');
      return operation.emit(call, index => {
        for (const name of operation.params[index] ?? []) {
          const named = call.kwargs.get(name);
          if (named !== undefined) return named;
        }
        const positional = call.args[index];
        if (positional !== undefined) return positional;
        for (const name of operation.params[index] ?? []) {
          const own = call.config.raw(name);
          if (own !== undefined) return { kind: 'value', value: own };
        }
        return undefined;
      });
    },
  };
}
