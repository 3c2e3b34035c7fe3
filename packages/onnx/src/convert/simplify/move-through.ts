import { buildNode } from '../../model/build.ts';
import { attributeType, type NodeProto } from '../../model/proto.ts';
import { constantInts, dimsOf, type GraphState, intAttribute, intsAttribute, withAttribute } from './graph-state.ts';
import { normalAxes, permWithout } from './rearrange.ts';

/** A value as another one transposed: axis `i` of it is axis `perm[i]` of the source. */
export interface Layout {
  readonly source: string;
  readonly perm: readonly number[];
}

/** What a rule may ask about the walk. */
export interface LayoutView {
  readonly state: GraphState;
  layout(name: string): Layout | undefined;
  rank(name: string): number | undefined;
  sourceOf(name: string, perm: readonly number[]): string | undefined;
  ints(values: readonly number[]): string;
}

/** A node rewritten to work on sources; `perms` says how its outputs relate to what they were. */
interface Moved {
  readonly node: NodeProto;
  readonly perms: readonly (readonly number[] | undefined)[];
  readonly before?: readonly NodeProto[];
}

type Rule = (view: LayoutView, node: NodeProto, perm: readonly number[]) => Moved | undefined;

/** Moves the transposes of a node's inputs behind it, or gives undefined when the node needs its own order. */
export function moveThrough(view: LayoutView, node: NodeProto): Moved | undefined {
  const rule = rules.get(node.opType);
  if (rule === undefined) return undefined;
  const perm = node.inputs.map(name => view.layout(name)?.perm).find(found => found !== undefined);
  return perm === undefined ? undefined : rule(view, node, perm);
}

/** The node over the source of its first input, or undefined when that input is in its own order. */
function onSource(view: LayoutView, node: NodeProto): NodeProto | undefined {
  const layout = view.layout(node.inputs[0] ?? '');
  const others = node.inputs.slice(1);
  if (layout === undefined || others.some(name => view.layout(name) !== undefined)) return undefined;
  return { ...node, inputs: [layout.source, ...others] };
}

const unary: Rule = (view, node, perm) => {
  const moved = onSource(view, node);
  return moved === undefined ? undefined : { node: moved, perms: node.outputs.map(() => perm) };
};

const broadcast: Rule = (view, node, perm) => {
  const inputs: string[] = [];
  for (const name of node.inputs) {
    const source = view.sourceOf(name, perm);
    if (source === undefined) return undefined;
    inputs.push(source);
  }
  return { node: { ...node, inputs }, perms: [perm] };
};

/** An operator with one axis attribute over any number of equal inputs. */
const axisOfAll =
  (otherwise: number): Rule =>
  (view, node, perm) => {
    const axis = normalAxes([intAttribute(node, 'axis', otherwise)], perm.length)?.[0];
    if (axis === undefined) return undefined;
    const inputs: string[] = [];
    for (const name of node.inputs) {
      if (view.rank(name) !== perm.length) return undefined;
      const source = view.sourceOf(name, perm);
      if (source === undefined) return undefined;
      inputs.push(source);
    }
    return { node: setAxis({ ...node, inputs }, perm[axis]!), perms: [perm] };
  };

const axisOfFirst =
  (otherwise: number): Rule =>
  (view, node, perm) => {
    const axis = normalAxes([intAttribute(node, 'axis', otherwise)], perm.length)?.[0];
    const moved = onSource(view, node);
    if (axis === undefined || moved === undefined) return undefined;
    return { node: setAxis(moved, perm[axis]!), perms: node.outputs.map(() => perm) };
  };

function setAxis(node: NodeProto, axis: number): NodeProto {
  return withAttribute(node, { name: 'axis', type: attributeType.int, i: BigInt(axis) });
}

/** Batch and instance normalisation keep batch and channels where they are. */
const channelsSecond: Rule = (view, node, perm) =>
  perm[0] === 0 && perm[1] === 1 && node.outputs.length === 1 ? unary(view, node, perm) : undefined;

const pad: Rule = (view, node, perm) => {
  const pads = constantInts(view.state, node.inputs[1]);
  const moved = onSource(view, node);
  if (pads === undefined || moved === undefined) return undefined;
  if (node.inputs.length > 3) {
    const axes = axesOf(view, node.inputs[3], perm.length);
    if (axes === undefined) return undefined;
    const inputs = [...moved.inputs.slice(0, 3), view.ints(axes.map(axis => perm[axis]!))];
    return { node: { ...moved, inputs }, perms: [perm] };
  }
  const rank = perm.length;
  if (pads.length !== 2 * rank) return undefined;
  const permuted = new Array<number>(2 * rank).fill(0);
  perm.forEach((axis, i) => {
    permuted[axis] = pads[i]!;
    permuted[rank + axis] = pads[rank + i]!;
  });
  const inputs = [moved.inputs[0]!, view.ints(permuted), ...moved.inputs.slice(2)];
  return { node: { ...moved, inputs }, perms: [perm] };
};

function axesOf(view: LayoutView, name: string | undefined, rank: number): number[] | undefined {
  const axes = constantInts(view.state, name);
  return axes === undefined ? undefined : normalAxes(axes, rank);
}

const reduce: Rule = (view, node, perm) => {
  const moved = onSource(view, node);
  if (moved === undefined || node.inputs[1] === '') return undefined;
  const all = perm.map((_, i) => i);
  const isAll = node.inputs.length < 2 && intAttribute(node, 'noop_with_empty_axes', 0) === 0;
  const axes = isAll ? all : axesOf(view, node.inputs[1], perm.length);
  if (axes === undefined || axes.length === 0) return undefined;
  const inputs = [moved.inputs[0]!, view.ints(axes.map(axis => perm[axis]!))];
  const keeps = intAttribute(node, 'keepdims', 1) !== 0;
  return { node: { ...moved, inputs }, perms: [keeps ? perm : permWithout(perm, new Set(axes))] };
};

const argReduce: Rule = (view, node, perm) => {
  const axis = normalAxes([intAttribute(node, 'axis', 0)], perm.length)?.[0];
  const moved = onSource(view, node);
  if (axis === undefined || moved === undefined) return undefined;
  const keeps = intAttribute(node, 'keepdims', 1) !== 0;
  return { node: setAxis(moved, perm[axis]!), perms: [keeps ? perm : permWithout(perm, new Set([axis]))] };
};

const squeeze: Rule = (view, node, perm) => {
  const axes = axesOf(view, node.inputs[1], perm.length);
  const moved = onSource(view, node);
  if (axes === undefined || moved === undefined) return undefined;
  const inputs = [moved.inputs[0]!, view.ints(axes.map(axis => perm[axis]!).sort((a, b) => a - b))];
  return { node: { ...moved, inputs }, perms: [permWithout(perm, new Set(axes))] };
};

/** New axes go to the end of the source: where they stand is a matter of the order only. */
const unsqueeze: Rule = (view, node, perm) => {
  const asked = constantInts(view.state, node.inputs[1]);
  const moved = onSource(view, node);
  if (asked === undefined || moved === undefined) return undefined;
  const rank = perm.length + asked.length;
  const axes = normalAxes(asked, rank);
  if (axes === undefined) return undefined;
  const rest = [...perm];
  let next = perm.length;
  const whole = Array.from({ length: rank }, (_, i) => (axes.includes(i) ? next++ : (rest.shift() ?? 0)));
  const inputs = [moved.inputs[0]!, view.ints(axes.map((_, i) => perm.length + i))];
  return { node: { ...moved, inputs }, perms: [whole] };
};

const slice: Rule = (view, node, perm) => {
  const starts = constantInts(view.state, node.inputs[1]);
  const axes = node.inputs.length > 3 ? axesOf(view, node.inputs[3], perm.length) : starts?.map((_, i) => i);
  const moved = onSource(view, node);
  if (axes === undefined || moved === undefined) return undefined;
  const inputs = [...moved.inputs.slice(0, 3), view.ints(axes.map(axis => perm[axis]!)), ...moved.inputs.slice(4)];
  return { node: { ...moved, inputs }, perms: [perm] };
};

/** Picking one position of an axis drops the axis; picking several keeps it. */
const gather: Rule = (view, node, perm) => {
  const index = view.state.constants.get(node.inputs[1] ?? '');
  const axis = normalAxes([intAttribute(node, 'axis', 0)], perm.length)?.[0];
  const moved = onSource(view, node);
  if (index === undefined || axis === undefined || moved === undefined || dimsOf(index).length > 1) return undefined;
  const keeps = dimsOf(index).length === 1;
  return { node: setAxis(moved, perm[axis]!), perms: [keeps ? perm : permWithout(perm, new Set([axis]))] };
};

/** The shape of a transposed value is the shape of its source, put in order. */
const shape: Rule = (view, node, perm) => {
  const moved = onSource(view, node);
  if (moved === undefined || node.attributes.length > 0) return undefined;
  const raw = view.state.fresh(`${node.outputs[0]}_source`);
  return {
    before: [{ ...moved, outputs: [raw] }],
    node: buildNode('Gather', [raw, view.ints(perm)], node.outputs, { name: `${node.name}_order` }),
    perms: [undefined],
  };
};

/** Operators with one number per axis as their second input. */
const perAxis: Rule = (view, node, perm) => {
  const values = constantInts(view.state, node.inputs[1]);
  const moved = onSource(view, node);
  if (values?.length !== perm.length || moved === undefined) return undefined;
  const permuted = new Array<number>(perm.length).fill(1);
  perm.forEach((axis, i) => {
    permuted[axis] = values[i]!;
  });
  return { node: { ...moved, inputs: [moved.inputs[0]!, view.ints(permuted)] }, perms: [perm] };
};

const quantize: Rule = (view, node, perm) => {
  const scale = view.state.constants.get(node.inputs[1] ?? '');
  if (scale === undefined || intsAttribute(node, 'block_size') !== undefined) return undefined;
  return dimsOf(scale).length === 0 ? unary(view, node, perm) : axisOfFirst(1)(view, node, perm);
};

const named = (names: string, rule: Rule): [string, Rule][] => names.split(' ').map(name => [name, rule]);

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...named(
    'Relu Sigmoid Tanh LeakyRelu Elu Selu Celu HardSigmoid HardSwish Softplus Softsign ThresholdedRelu Abs Neg Exp Log ' +
      'Sqrt Reciprocal Floor Ceil Round Sign Erf Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh Atanh Not IsNaN IsInf ' +
      'Cast Clip Gelu Mish BitwiseNot',
    unary,
  ),
  ...named(
    'Add Sub Mul Div Pow Min Max Sum Mean Mod And Or Xor Equal Greater Less GreaterOrEqual LessOrEqual Where PRelu',
    broadcast,
  ),
  ['Concat', axisOfAll(0)],
  ...named('Softmax LogSoftmax Hardmax', axisOfFirst(-1)),
  ['Split', axisOfFirst(0)],
  ...named('BatchNormalization InstanceNormalization', channelsSecond),
  ['Pad', pad],
  ...named(
    'ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare',
    reduce,
  ),
  ...named('ArgMax ArgMin', argReduce),
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Slice', slice],
  ['Gather', gather],
  ['Shape', shape],
  ...named('Expand Tile', perAxis),
  ...named('QuantizeLinear DequantizeLinear', quantize),
]);
