import { type AttributeValue, buildNode, buildTensor } from '../model/build.ts';
import type { AttributeProto, NodeProto, TensorProto } from '../model/proto.ts';
import { integerValues } from '../model/tensor-values.ts';
import { decodeText } from '../wire/wire-reader.ts';
import { regressorOf } from './tree-regressor.ts';
import { bornIn, newAttributes, newValues, reductions } from './versions.ts';

/** What a node becomes in an older opset: other nodes, or the version that it needs at least. */
export type Rewritten =
  | { readonly kind: 'nodes'; readonly nodes: readonly NodeProto[]; readonly initializers?: readonly TensorProto[] }
  | { readonly kind: 'needs'; readonly opset: number; readonly because: string };

/** What a rewrite may know of the graph around a node. */
export interface Surroundings {
  readonly opset: number;
  /** A value that is stored in the graph or given by a Constant. */
  constant(name: string): TensorProto | undefined;
  isText(name: string): boolean;
  /** A name that no other value has. */
  freeName(stem: string): string;
}

const needs = (opset: number, because: string): Rewritten => ({ kind: 'needs', opset, because });
const attribute = (node: NodeProto, name: string): AttributeProto | undefined =>
  node.attributes.find(item => item.name === name);

/** A node as opset `around.opset` has it. Operators of other domains than ai.onnx and ai.onnx.ml stay as they are. */
export function rewriteNode(node: NodeProto, around: Surroundings): Rewritten {
  if (node.domain === 'ai.onnx.ml')
    return node.opType === 'TreeEnsemble' && around.opset < 21 ? regressorOf(node) : { kind: 'nodes', nodes: [node] };
  if (node.domain !== '' && node.domain !== 'ai.onnx') return { kind: 'nodes', nodes: [node] };
  return missingAttribute(node, around.opset) ?? rewriteStandard(node, around);
}

function missingAttribute({ opType, attributes }: NodeProto, opset: number): Rewritten | undefined {
  for (const { name, i, s } of attributes) {
    const since = newAttributes[opType]?.[name];
    // All of them are numbers whose default is 0, but saturate, whose default is 1.
    const isDefault = s === undefined && i === (name === 'saturate' ? 1n : 0n);
    if (since !== undefined && since > opset && !isDefault) return needs(since, `${opType} with ${name}`);
    const value = s === undefined ? '' : decodeText(s);
    const valueSince = newValues[opType]?.[name]?.[value];
    if (valueSince !== undefined && valueSince > opset) return needs(valueSince, `${opType} with ${name} ${value}`);
  }
  return undefined;
}

function rewriteStandard(node: NodeProto, around: Surroundings): Rewritten {
  const { opType, inputs } = node;
  const { opset } = around;
  const kept: Rewritten = { kind: 'nodes', nodes: [withoutNewAttributes(node, opset)] };
  const born = bornIn.get(opType) ?? 0;
  if (born > opset) {
    if (opType === 'HardSwish') return hardSwish(node, around);
    if (opType === 'Gelu' && opset >= 15) return gelu(node, around);
    if (opType === 'LayerNormalization' && opset >= 15) return layerNormalization(node, around);
    return needs(born, opType);
  }
  if (opset < 18 && reductions.has(opType)) return reduction(node, around);
  if (opset < 18 && opType === 'Split' && attribute(node, 'num_outputs') !== undefined)
    return { kind: 'nodes', nodes: [without(node, 'num_outputs')] };
  if (opset < 18 && opType === 'Pad' && inputs.length > 3) return needs(18, 'Pad of some axes');
  if (opset < 15 && opType === 'Shape' && attribute(node, 'start') !== undefined) return partialShape(node, around);
  if (opset < 14 && opType === 'Reshape') return plainReshape(node, around);
  if (opset < 19 && opType === 'AveragePool' && attribute(node, 'ceil_mode')?.i === 1n)
    return needs(19, 'AveragePool with ceil_mode, which counted otherwise before,');
  if (opset < 19 && opType === 'Equal' && inputs.some(around.isText)) return needs(19, 'Equal of texts');
  return kept;
}

/** Attributes that are at their default go, because the older definition does not know their names. */
function withoutNewAttributes(node: NodeProto, opset: number): NodeProto {
  const known = newAttributes[node.opType];
  if (known === undefined || !node.attributes.some(({ name }) => (known[name] ?? 0) > opset)) return node;
  return { ...node, attributes: node.attributes.filter(({ name }) => (known[name] ?? 0) <= opset) };
}

const without = (node: NodeProto, ...names: readonly string[]): NodeProto => ({
  ...node,
  attributes: node.attributes.filter(({ name }) => !names.includes(name)),
});

function reduction(node: NodeProto, around: Surroundings): Rewritten {
  const [data = '', axes = ''] = node.inputs;
  const plain = { ...without(node, 'noop_with_empty_axes'), inputs: [data] };
  const stored = axes === '' ? undefined : around.constant(axes);
  const values = stored === undefined ? undefined : integerValues(stored);
  if (axes !== '' && values === undefined) return needs(18, `${node.opType} over axes that are computed`);
  if (values !== undefined && values.length > 0) {
    const [named] = buildNode('', [], [], { attributes: { axes: values } }).attributes;
    return { kind: 'nodes', nodes: [{ ...plain, attributes: [...plain.attributes, named!] }] };
  }
  const isNothing = attribute(node, 'noop_with_empty_axes')?.i === 1n;
  return { kind: 'nodes', nodes: [isNothing ? { ...plain, opType: 'Identity', attributes: [] } : plain] };
}

function partialShape(node: NodeProto, { freeName }: Surroundings): Rewritten {
  const whole = freeName('shape');
  const [from, to] = [freeName('start'), freeName('end')];
  const start = attribute(node, 'start')?.i ?? 0n;
  const end = attribute(node, 'end')?.i ?? 2n ** 62n;
  return {
    kind: 'nodes',
    initializers: [buildTensor(from, 'int64', [1], [start]), buildTensor(to, 'int64', [1], [end])],
    nodes: [
      { ...without(node, 'start', 'end'), outputs: [whole] },
      buildNode('Slice', [whole, from, to], node.outputs),
    ],
  };
}

function plainReshape(node: NodeProto, around: Surroundings): Rewritten {
  const plain: Rewritten = { kind: 'nodes', nodes: [without(node, 'allowzero')] };
  if (attribute(node, 'allowzero')?.i !== 1n) return plain;
  const shape = around.constant(node.inputs[1] ?? '');
  const values = shape === undefined ? undefined : integerValues(shape);
  return values === undefined || values.includes(0n) ? needs(14, 'Reshape to a dimension of 0') : plain;
}

/** Collects nodes over fresh names; constants take the dtype of the node's first input. */
class Steps {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly #around: Surroundings;
  readonly #like: string;

  constructor(around: Surroundings, like: string) {
    this.#around = around;
    this.#like = like;
  }

  op(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}): string {
    const name = this.#around.freeName(opType.toLowerCase());
    this.nodes.push(buildNode(opType, inputs, [name], { attributes }));
    return name;
  }

  constant(value: number): string {
    const name = this.#around.freeName('constant');
    this.initializers.push(buildTensor(name, 'double', [], [value]));
    return this.op('CastLike', [name, this.#like]);
  }

  /** The last step writes what the node wrote. */
  done(node: NodeProto): Rewritten {
    const last = this.nodes.at(-1)!;
    const nodes = [...this.nodes.slice(0, -1), { ...last, outputs: [node.outputs[0] ?? ''] }];
    return { kind: 'nodes', nodes, initializers: this.initializers };
  }
}

/** x * max(0, min(1, x / 6 + 1 / 2)), as HardSwish is defined. */
function hardSwish(node: NodeProto, around: Surroundings): Rewritten {
  const [x = ''] = node.inputs;
  const steps = new Steps(around, x);
  steps.op('Mul', [x, steps.op('HardSigmoid', [x], { alpha: 1 / 6, beta: 0.5 })]);
  return steps.done(node);
}

/** x / 2 * (1 + erf(x / sqrt 2)), or its tanh form, as Gelu is defined. */
function gelu(node: NodeProto, around: Surroundings): Rewritten {
  const [x = ''] = node.inputs;
  const steps = new Steps(around, x);
  const form = attribute(node, 'approximate')?.s;
  const half = steps.op('Mul', [steps.constant(0.5), x]);
  let inner: string;
  if (form !== undefined && decodeText(form) === 'tanh') {
    const cube = steps.op('Mul', [x, steps.op('Mul', [x, x])]);
    const sum = steps.op('Add', [x, steps.op('Mul', [steps.constant(0.044715), cube])]);
    inner = steps.op('Tanh', [steps.op('Mul', [steps.constant(Math.sqrt(2 / Math.PI)), sum])]);
  } else inner = steps.op('Erf', [steps.op('Mul', [x, steps.constant(Math.SQRT1_2)])]);
  steps.op('Mul', [half, steps.op('Add', [steps.constant(1), inner])]);
  return steps.done(node);
}

function layerNormalization(node: NodeProto, around: Surroundings): Rewritten {
  const [x = '', scale = '', bias = ''] = node.inputs;
  const axis = attribute(node, 'axis')?.i ?? -1n;
  if (axis !== -1n || node.outputs.slice(1).some(name => name !== ''))
    return needs(17, 'LayerNormalization over several axes');
  const steps = new Steps(around, x);
  const mean = (name: string): string => steps.op('ReduceMean', [name], { axes: [-1n] });
  const centered = steps.op('Sub', [x, mean(x)]);
  const variance = mean(steps.op('Mul', [centered, centered]));
  const epsilon = steps.constant(attribute(node, 'epsilon')?.f ?? 1e-5);
  const normal = steps.op('Div', [centered, steps.op('Sqrt', [steps.op('Add', [variance, epsilon])])]);
  const scaled = steps.op('Mul', [normal, scale]);
  if (bias !== '') steps.op('Add', [scaled, bias]);
  return steps.done(node);
}
