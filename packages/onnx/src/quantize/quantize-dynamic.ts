import { buildNode, buildTensor } from '../model/build.ts';
import { dataType, type NodeProto, type TensorProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import {
  type ChannelWeights,
  floatValues,
  freshNames,
  intAttribute,
  quantizeChannels,
  refuseNothing,
  requireQuantizable,
  type WeightUse,
  weightUses,
  withGraph,
} from './channel-weights.ts';

/**
 * Computes matrix products and convolutions in 8-bit integers: weights have one scale per output channel, inputs are
 * quantized while running (DynamicQuantizeLinear, MatMulInteger, ConvInteger). Needs no calibration data.
 * @throws OnnxError `bad_option` when the model has neither with constant weights, `unsupported_opset` below opset 13
 */
export function quantizeDynamic(bytes: Uint8Array): Uint8Array {
  const model = readModel(bytes);
  requireQuantizable(model);
  const constants = new Map(model.graph.initializers.map(tensor => [tensor.name, tensor]));
  const biasOf = (node: NodeProto): TensorProto | undefined => constants.get(node.inputs[2] ?? '');
  const uses = weightUses(model, ['MatMul', 'Gemm', 'Conv']).filter(({ node }) =>
    node.opType === 'Conv' ? (node.inputs[2] ?? '') === '' || isFloat(biasOf(node)) : isPlainProduct(node),
  );
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
    const integers = use.node.opType === 'Conv' ? convolved(use) : multiplied(use);
    const stored = fresh(`${use.tensor.name}_int8`);
    const scale = fresh(`${use.tensor.name}_scale`);
    added.push(integers.weights(stored), buildTensor(scale, 'float', integers.scaleDims, integers.scales));
    const x = quantizedInput(node.inputs[0]!, nodes);
    const [sum, real, factor] = [fresh(`${stored}_sum`), fresh(`${stored}_float`), fresh(`${stored}_factor`)];
    const output = node.outputs[0]!;
    let bias = node.opType === 'MatMul' ? '' : (node.inputs[2] ?? '');
    const constantBias = biasOf(node);
    if (node.opType === 'Conv' && constantBias !== undefined) {
      bias = fresh(`${constantBias.name}_column`);
      added.push(buildTensor(bias, 'float', integers.scaleDims, floatValues(constantBias)));
    }
    const operands = [x.value, stored, x.zero];
    if (integers.zeroPoint !== undefined) {
      const zero = fresh(`${stored}_zero`);
      added.push(buildTensor(zero, 'uint8', [], [integers.zeroPoint]));
      operands.push(zero);
    }
    const product = bias === '' ? output : fresh(`${stored}_product`);
    nodes.push(
      integers.multiply(operands, sum),
      buildNode('Cast', [sum], [real], { name: real, attributes: { to: 1n } }),
      buildNode('Mul', [x.scale, scale], [factor], { name: factor }),
      buildNode('Mul', [real, factor], [product], { name: `${stored}_scaled` }),
    );
    if (bias !== '') nodes.push(buildNode('Add', [product, bias], [output], { name: `${stored}_biased` }));
  }
  return writeModel(withGraph(model, nodes, added));
}

/** How the integers of one node are stored and multiplied. */
interface IntegerProduct {
  readonly weights: (name: string) => TensorProto;
  readonly scales: Float32Array;
  /** Shape in which scales and bias stretch over the output. */
  readonly scaleDims: readonly number[];
  /** Stored integer that stands for 0, where it is not 0 itself. */
  readonly zeroPoint: number | undefined;
  readonly multiply: (operands: readonly string[], output: string) => NodeProto;
}

function multiplied(use: WeightUse): IntegerProduct {
  const isTransposed = use.node.opType === 'Gemm' && intAttribute(use.node, 'transB', 0n) === 1n;
  const { dims, quantized, scales } = isTransposed ? transposed(quantizeChannels(use)) : quantizeChannels(use);
  return {
    weights: name => buildTensor(name, 'int8', dims, quantized),
    scales,
    scaleDims: [scales.length],
    zeroPoint: undefined,
    multiply: (operands, output) => buildNode('MatMulInteger', operands, [output], { name: output }),
  };
}

/** ONNX Runtime convolves uint8 with uint8 only: the signed integers are stored 128 higher, with that as their zero point. */
const signedZero = 128;

function convolved(use: WeightUse): IntegerProduct {
  const { dims, quantized, scales } = quantizeChannels(use);
  const raised = Uint8Array.from(quantized, value => value + signedZero);
  return {
    weights: name => buildTensor(name, 'uint8', dims, raised),
    scales,
    scaleDims: [scales.length, ...dims.slice(2).map(() => 1)],
    zeroPoint: signedZero,
    multiply: (operands, output) => ({
      ...buildNode('ConvInteger', operands, [output], { name: output }),
      attributes: use.node.attributes,
    }),
  };
}

function isFloat(tensor: TensorProto | undefined): boolean {
  return tensor !== undefined && tensor.dataType === dataType.float && !tensor.isExternal;
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
