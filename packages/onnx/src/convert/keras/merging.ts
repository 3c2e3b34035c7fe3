import {
  asFloat,
  batchGuard,
  type LayerCall,
  type LayerTypes,
  normalAxis,
  ofOneType,
  rankOf,
  refuse,
  type Shape,
  scalar,
  showShape,
  type Tensor,
} from './lowering.ts';
import { unitLength } from './normalization.ts';

/** Inputs brought to one rank as Keras does: new axes go behind the batch. */
function aligned(call: LayerCall): Tensor[] {
  const { graph } = call;
  if (call.inputs.length < 2) refuse(call, `merges ${call.inputs.length} input`);
  const rank = Math.max(...call.inputs.map(rankOf));
  return ofOneType(graph, call.inputs).map(x => {
    const missing = rank - rankOf(x);
    if (missing === 0) return x;
    const axes = Array.from({ length: missing }, (_, i) => i + 1);
    return {
      ...x,
      value: graph.op('Unsqueeze', [x.value, graph.ints(...axes)]),
      shape: [x.shape[0] ?? null, ...axes.map(() => 1), ...x.shape.slice(1)],
    };
  });
}

/** The shape that broadcasting gives. */
export function broadcastShape(call: LayerCall, shapes: readonly Shape[]): Shape {
  const rank = Math.max(...shapes.map(shape => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map(shape => (i < rank - shape.length ? 1 : (shape[i - rank + shape.length] ?? null)));
    const known = [...new Set(sizes.filter(size => size !== null && size !== 1))];
    if (known.length > 1)
      refuse(call, `combines shapes that do not fit: ${shapes.map(shape => `[${showShape(shape)}]`).join(' and ')}`);
    return known[0] ?? (sizes.includes(null) ? null : 1);
  });
}

/**
 * A step counts when it counts in every input that says so. Keras 3 drops all masks as soon as one input has none, and
 * writes the mask it means into the calls that use one.
 */
function jointMask(call: LayerCall, inputs: readonly Tensor[]): string | undefined {
  const masks = [...new Set(inputs.flatMap(input => (input.mask === undefined ? [] : [input.mask])))];
  if (masks.length === 0) return undefined;
  if (call.to.flavour === 'keras3' && inputs.some(input => input.mask === undefined)) return undefined;
  return masks.reduce((all, mask) => call.graph.op('And', [all, mask]));
}

function elementwise(opType: string): (call: LayerCall) => Tensor {
  return call => {
    const inputs = aligned(call);
    if (opType === 'Sub' && inputs.length !== 2) refuse(call, `subtracts ${inputs.length} inputs`);
    const value = inputs.map(input => input.value).reduce((all, next) => call.graph.op(opType, [all, next]));
    const shape = broadcastShape(
      call,
      inputs.map(input => input.shape),
    );
    return { value, shape, type: inputs[0]?.type ?? 'float', mask: jointMask(call, inputs) };
  };
}

function average(call: LayerCall): Tensor {
  const sum = elementwise('Add')(call);
  const total = asFloat(call.graph, sum);
  return { ...total, value: call.graph.op('Div', [total.value, scalar(call.graph, call.inputs.length)]) };
}

function concatenate(call: LayerCall): Tensor {
  const { graph } = call;
  const inputs = ofOneType(graph, call.inputs);
  const [first] = inputs;
  if (first === undefined) return refuse(call, 'has no inputs');
  const axis = normalAxis(call, call.config.number('axis', -1), rankOf(first));
  if (inputs.some(input => rankOf(input) !== rankOf(first))) refuse(call, 'joins inputs of different ranks');
  const shape = first.shape.map((size, i) => {
    const sizes = inputs.map(input => input.shape[i] ?? null);
    if (i === axis)
      return sizes.reduce<number | null>((sum, item) => (sum === null || item === null ? null : sum + item), 0);
    return sizes.find(item => item !== null) ?? size;
  });
  const value = graph.op(
    'Concat',
    inputs.map(input => input.value),
    { axis: BigInt(axis) },
  );
  return { value, shape, type: first.type, mask: concatenatedMask(call, inputs, axis) };
}

/** Masks of inputs joined along the steps are joined too; along features a step must count in all. */
function concatenatedMask(call: LayerCall, inputs: readonly Tensor[], axis: number): string | undefined {
  if (inputs.every(input => input.mask === undefined)) return undefined;
  const masks = inputs.flatMap(input => (input.mask === undefined ? [] : [input.mask]));
  if (masks.length < inputs.length) return refuse(call, 'joins inputs of which only some are masked');
  if (axis === 1) return call.graph.op('Concat', masks, { axis: 1n });
  return masks.reduce((all, mask) => call.graph.op('And', [all, mask]));
}

/** Products along one axis of each input, per row of the batch. */
function dot(call: LayerCall): Tensor {
  const { graph, config } = call;
  const [left, right, ...others] = call.inputs.map(input => asFloat(graph, input));
  if (left === undefined || right === undefined || others.length > 0) return refuse(call, 'needs two inputs');
  const [a = 1, b = a] = config.numbers('axes');
  const axisA = normalAxis(call, a, rankOf(left));
  const axisB = normalAxis(call, b, rankOf(right));
  if (axisA === 0 || axisB === 0) refuse(call, 'multiplies along the batch');
  const isUnit = config.flag('normalize', false);
  const least = call.to.flavour === 'keras3' ? 1e-14 : 1e-12;
  const x = isUnit ? unitLength(call, left, [axisA], least) : left.value;
  const y = isUnit ? unitLength(call, right, [axisB], least) : right.value;
  const letters = 'bcdefghijklmnopqrstuvwxyz';
  const own = [...letters.slice(1, rankOf(left))];
  const theirs = [...letters.slice(rankOf(left), rankOf(left) + rankOf(right) - 1)];
  own[axisA - 1] = 'a';
  theirs[axisB - 1] = 'a';
  const kept = [...own.filter(letter => letter !== 'a'), ...theirs.filter(letter => letter !== 'a')];
  const rows = batchGuard(call, left);
  const equation = `b${own.join('')},b${theirs.join('')}->b${kept.join('')}`;
  const value = rows.cut(
    graph.op('Einsum', [rows.filled(x, rankOf(left)), rows.filled(y, rankOf(right))], { equation }),
  );
  const rest = (shape: Shape, axis: number): Shape => shape.filter((_, i) => i !== 0 && i !== axis);
  const shape = [left.shape[0] ?? null, ...rest(left.shape, axisA), ...rest(right.shape, axisB)];
  if (shape.length > 1) return { value, shape, type: 'float' };
  return { value: graph.op('Unsqueeze', [value, graph.ints(1)]), shape: [...shape, 1], type: 'float' };
}

const family = 'merging';

export const mergingLayers: LayerTypes = {
  Add: { family, mask: 'use', emit: elementwise('Add') },
  Subtract: { family, mask: 'use', emit: elementwise('Sub') },
  Multiply: { family, mask: 'use', emit: elementwise('Mul') },
  Average: { family, mask: 'use', emit: average },
  Maximum: { family, mask: 'use', emit: elementwise('Max') },
  Minimum: { family, mask: 'use', emit: elementwise('Min') },
  Concatenate: { family, mask: 'use', emit: concatenate },
  Dot: { family, emit: dot },
};
