import type { BuildType } from '../../model/build.ts';
import { activationNames, applyActivation } from './activations.ts';
import type { LayerSpec } from './architecture.ts';
import type { Json } from './config.ts';
import { asFloat, castTo, type LayerType, like, rankOf, refuse, type Tensor, transpose } from './lowering.ts';
import { broadcastShape } from './merging.ts';
import { axesOf, dtypes, type Operation, operand, pair, plain } from './operation.ts';
import { concat, expandDims, getItem, reshape, squeeze, transposing } from './shape-operations.ts';

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
