import { buildNode, buildTensor } from '../model/build.ts';
import type { NodeProto, TensorProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import {
  freshNames,
  quantizeChannels,
  refuseNothing,
  requireQuantizable,
  weightInputs,
  weightUses,
  withGraph,
} from './channel-weights.ts';

/**
 * Stores the weights of convolutions, matrix products and recurrent layers as int8 with one scale per output channel;
 * computing stays in float32. The file shrinks to about a quarter, answers change by the rounding of weights only.
 * @throws OnnxError `bad_option` when the model has no such weights, `unsupported_opset` below opset 13
 */
export function quantizeWeights(bytes: Uint8Array): Uint8Array {
  const model = readModel(bytes);
  requireQuantizable(model);
  const uses = weightUses(model, weightInputs.keys());
  refuseNothing(uses.length);
  const fresh = freshNames(model);
  const added: TensorProto[] = [];
  const restored = new Map<string, string>();
  const before: NodeProto[] = [];
  for (const use of uses) {
    const key = `${use.tensor.name}\u0000${use.axis}`;
    if (restored.has(key)) continue;
    const weights = quantizeChannels(use);
    const stored = fresh(`${use.tensor.name}_int8`);
    const scale = fresh(`${use.tensor.name}_scale`);
    const output = fresh(`${use.tensor.name}_restored`);
    added.push(
      buildTensor(stored, 'int8', weights.dims, weights.quantized),
      buildTensor(scale, 'float', [weights.scales.length], weights.scales),
    );
    before.push(
      buildNode('DequantizeLinear', [stored, scale], [output], {
        name: output,
        attributes: { axis: BigInt(use.axis) },
      }),
    );
    restored.set(key, output);
  }
  const inputsOf = new Map<NodeProto, Map<number, string>>();
  for (const { node, input, tensor, axis } of uses) {
    const changed = inputsOf.get(node) ?? new Map<number, string>();
    inputsOf.set(node, changed.set(input, restored.get(`${tensor.name}\u0000${axis}`)!));
  }
  const nodes = model.graph.nodes.map(node => {
    const changed = inputsOf.get(node);
    return changed === undefined ? node : { ...node, inputs: node.inputs.map((name, i) => changed.get(i) ?? name) };
  });
  return writeModel(withGraph(model, [...before, ...nodes], added));
}
