import { buildNode, buildTensor } from '../model/build.ts';
import type { NodeProto, TensorProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import {
  type ChannelWeights,
  freshNames,
  intAttribute,
  quantizeChannels,
  refuseNothing,
  requireQuantizable,
  weightUses,
  withGraph,
} from './channel-weights.ts';

/**
 * Computes matrix products in 8-bit integers: weights are int8 per output channel, inputs are quantized while running
 * (DynamicQuantizeLinear, MatMulInteger). Needs no calibration data.
 * @throws OnnxError `bad_option` when the model has no constant matrix products, `unsupported_opset` below opset 13
 */
export function quantizeDynamic(bytes: Uint8Array): Uint8Array {
  const model = readModel(bytes);
  requireQuantizable(model);
  const uses = weightUses(model, ['MatMul', 'Gemm']).filter(({ node }) => isPlainProduct(node));
  refuseNothing(uses.length);
  const byNode = new Map(uses.map(use => [use.node, use]));
  const fresh = freshNames(model);
  const added: TensorProto[] = [];
  const inputs = new Map<string, { readonly value: string; readonly scale: string; readonly zero: string }>();
  const quantizedInput = (name: string, nodes: NodeProto[]) => {
    const known = inputs.get(name);
    if (known !== undefined) return known;
    const made = { value: fresh(`${name}_uint8`), scale: fresh(`${name}_scale`), zero: fresh(`${name}_zero`) };
    nodes.push(buildNode('DynamicQuantizeLinear', [name], [made.value, made.scale, made.zero], { name: made.value }));
    inputs.set(name, made);
    return made;
  };
  const nodes: NodeProto[] = [];
  for (const node of model.graph.nodes) {
    const use = byNode.get(node);
    if (use === undefined) {
      nodes.push(node);
      continue;
    }
    const isTransposed = node.opType === 'Gemm' && intAttribute(node, 'transB', 0n) === 1n;
    const weights = isTransposed ? transposed(quantizeChannels(use)) : quantizeChannels(use);
    const stored = fresh(`${use.tensor.name}_int8`);
    const scale = fresh(`${use.tensor.name}_scale`);
    added.push(
      buildTensor(stored, 'int8', weights.dims, weights.quantized),
      buildTensor(scale, 'float', [weights.scales.length], weights.scales),
    );
    const x = quantizedInput(node.inputs[0]!, nodes);
    const [sum, real, factor] = [fresh(`${stored}_sum`), fresh(`${stored}_float`), fresh(`${stored}_factor`)];
    const output = node.outputs[0]!;
    const bias = node.opType === 'Gemm' ? node.inputs[2] : undefined;
    const product = bias === undefined || bias === '' ? output : fresh(`${stored}_product`);
    nodes.push(
      buildNode('MatMulInteger', [x.value, stored, x.zero], [sum], { name: sum }),
      buildNode('Cast', [sum], [real], { name: real, attributes: { to: 1n } }),
      buildNode('Mul', [x.scale, scale], [factor], { name: factor }),
      buildNode('Mul', [real, factor], [product], { name: `${stored}_scaled` }),
    );
    if (product !== output && bias !== undefined)
      nodes.push(buildNode('Add', [product, bias], [output], { name: `${stored}_biased` }));
  }
  return writeModel(withGraph(model, nodes, added));
}

/** A product without factors or a transposed input, which MatMulInteger does not have. */
export function isPlainProduct(node: NodeProto): boolean {
  if (node.opType === 'MatMul') return true;
  const factor = (name: string): number => node.attributes.find(attribute => attribute.name === name)?.f ?? 1;
  return factor('alpha') === 1 && factor('beta') === 1 && intAttribute(node, 'transA', 0n) === 0n;
}

function transposed({ dims, quantized, scales }: ChannelWeights): ChannelWeights {
  const [rows = 0, columns = 0] = dims;
  const turned = new Int8Array(quantized.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = quantized[i * columns + j]!;
  return { dims: [columns, rows], quantized: turned, scales, axis: 1 };
}
