import type { NamedTensor, RunModel } from '../convert/verify/tensor.ts';
import { buildNode, buildTensor } from '../model/build.ts';
import { dataType, type ModelProto, type NodeProto, type TensorProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import { OnnxError } from '../onnx-error.ts';
import {
  freshNames,
  quantizeChannels,
  refuseNothing,
  requireQuantizable,
  weightUses,
  withGraph,
} from './channel-weights.ts';

const operators = ['Conv', 'MatMul', 'Gemm'];

/** Smallest and largest value that each activation took on calibration data. */
export type ActivationRanges = ReadonlyMap<string, { readonly low: number; readonly high: number }>;

/**
 * Runs calibration data and notes the range of every input of a convolution or matrix product.
 * @param batches inputs of the model, a few hundred typical rows in all
 * @throws OnnxError `bad_option` without data
 */
export async function calibrate(
  bytes: Uint8Array,
  batches: Iterable<readonly NamedTensor[]>,
  run: RunModel,
): Promise<ActivationRanges> {
  const model = readModel(bytes);
  const names = [...new Set(weightUses(model, operators).map(({ node }) => node.inputs[0]!))];
  refuseNothing(names.length);
  const observed = withObservedValues(model, names);
  const ranges = new Map<string, { low: number; high: number }>();
  const note = (name: string, values: NamedTensor['data']): void => {
    const range = ranges.get(name) ?? { low: 0, high: 0 };
    for (const value of values) {
      const x = Number(value);
      if (x < range.low) range.low = x;
      if (x > range.high) range.high = x;
    }
    ranges.set(name, range);
  };
  let count = 0;
  for (const batch of batches) {
    count++;
    const outputs = await run(observed, batch);
    for (const tensor of [...batch, ...outputs]) if (names.includes(tensor.name)) note(tensor.name, tensor.data);
  }
  if (count === 0)
    throw new OnnxError('bad_option', 'Static quantization needs calibration data; give typical inputs.');
  return ranges;
}

function withObservedValues(model: ModelProto, names: readonly string[]): Uint8Array {
  const known = new Set([...model.graph.inputs, ...model.graph.outputs].map(value => value.name));
  const outputs = names
    .filter(name => !known.has(name))
    .map(name => ({
      name,
      docString: '',
      type: { kind: 'tensor' as const, elemType: dataType.float, unknown: [] },
      unknown: [],
    }));
  return writeModel({ ...model, graph: { ...model.graph, outputs: [...model.graph.outputs, ...outputs] } });
}

/**
 * Puts QuantizeLinear and DequantizeLinear around the inputs of convolutions and matrix products, with the ranges of
 * calibration, and stores their weights as int8 per channel; runtimes fuse the pairs into 8-bit kernels.
 * @throws OnnxError `bad_option` when nothing can be quantized, `unsupported_opset` below opset 13
 */
export function quantizeStatic(bytes: Uint8Array, ranges: ActivationRanges): Uint8Array {
  const model = readModel(bytes);
  requireQuantizable(model);
  const uses = weightUses(model, operators).filter(({ node }) => ranges.has(node.inputs[0]!));
  refuseNothing(uses.length);
  const fresh = freshNames(model);
  const added: TensorProto[] = [];
  const pairs = new Map<string, string>();
  const byNode = new Map(uses.map(use => [use.node, use]));
  const nodes: NodeProto[] = [];
  for (const node of model.graph.nodes) {
    const use = byNode.get(node);
    if (use === undefined) {
      nodes.push(node);
      continue;
    }
    const name = node.inputs[0]!;
    const { low, high } = ranges.get(name)!;
    let activation = pairs.get(name);
    if (activation === undefined) {
      const scale = (high - low) / 255 || 1;
      const zero = Math.max(0, Math.min(255, Math.round(-low / scale)));
      const [s, z, q] = [fresh(`${name}_scale`), fresh(`${name}_zero`), fresh(`${name}_uint8`)];
      activation = fresh(`${name}_restored`);
      added.push(buildTensor(s, 'float', [], [scale]), buildTensor(z, 'uint8', [], [zero]));
      nodes.push(
        buildNode('QuantizeLinear', [name, s, z], [q], { name: q }),
        buildNode('DequantizeLinear', [q, s, z], [activation], { name: activation }),
      );
      pairs.set(name, activation);
    }
    const weights = quantizeChannels(use);
    const [stored, scales, zeros, weight] = [
      fresh(`${use.tensor.name}_int8`),
      fresh(`${use.tensor.name}_scale`),
      fresh(`${use.tensor.name}_zero`),
      fresh(`${use.tensor.name}_restored`),
    ];
    added.push(
      buildTensor(stored, 'int8', weights.dims, weights.quantized),
      buildTensor(scales, 'float', [weights.scales.length], weights.scales),
      buildTensor(zeros, 'int8', [weights.scales.length], new Int8Array(weights.scales.length)),
    );
    nodes.push(
      buildNode('DequantizeLinear', [stored, scales, zeros], [weight], {
        name: weight,
        attributes: { axis: BigInt(use.axis) },
      }),
      { ...node, inputs: node.inputs.map((input, i) => (i === 0 ? activation : i === 1 ? weight : input)) },
    );
  }
  return writeModel(withGraph(model, nodes, added));
}
