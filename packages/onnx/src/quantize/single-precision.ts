import { buildTensor } from '../model/build.ts';
import { editTensors } from '../model/edit-tensors.ts';
import {
  type AttributeProto,
  attributeType,
  dataType,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import { OnnxError } from '../onnx-error.ts';

/**
 * Makes a float64 graph compute in float32, with float32 inputs and outputs: half the size and faster, at the price of
 * about seven digits. Thresholds of trees are rounded towards the side on which a float32 input decides as before.
 * @throws OnnxError `bad_option` when the graph has nothing in float64
 */
export function toFloat32(bytes: Uint8Array): Uint8Array {
  const model = readModel(bytes);
  const isDouble = (value: ValueInfoProto): boolean =>
    value.type?.kind === 'tensor' && value.type.elemType === dataType.double;
  const { graph } = model;
  if (
    ![...graph.inputs, ...graph.outputs].some(isDouble) &&
    !graph.initializers.some(t => t.dataType === dataType.double)
  )
    throw new OnnxError('bad_option', 'The model computes in float32 already; leave out --float32.');
  const trees: ModelProto = { ...model, graph: withGraphNodes(graph, withFloatTrees) };
  const tensors = editTensors(trees, tensor => (tensor.dataType === dataType.double ? floatTensor(tensor) : tensor));
  return writeModel({ ...tensors, graph: withFloatValues(withGraphNodes(tensors.graph, withFloatCast)) });
}

function withGraphNodes(graph: GraphProto, edit: (node: NodeProto) => NodeProto): GraphProto {
  return {
    ...graph,
    nodes: graph.nodes.map(node => edit(withInnerGraphs(node, inner => withGraphNodes(inner, edit)))),
  };
}

function withInnerGraphs(node: NodeProto, edit: (graph: GraphProto) => GraphProto): NodeProto {
  if (!node.attributes.some(({ g, graphs }) => g ?? graphs)) return node;
  const attributes = node.attributes.map(
    (attribute): AttributeProto => ({
      ...attribute,
      ...(attribute.g !== undefined && { g: withFloatValues(edit(attribute.g)) }),
      ...(attribute.graphs !== undefined && { graphs: attribute.graphs.map(graph => withFloatValues(edit(graph))) }),
    }),
  );
  return { ...node, attributes };
}

function withFloatValues(graph: GraphProto): GraphProto {
  const single = (value: ValueInfoProto): ValueInfoProto =>
    value.type?.kind === 'tensor' && value.type.elemType === dataType.double
      ? { ...value, type: { ...value.type, elemType: dataType.float } }
      : value;
  return {
    ...graph,
    inputs: graph.inputs.map(single),
    outputs: graph.outputs.map(single),
    valueInfo: graph.valueInfo.map(single),
  };
}

function withFloatCast(node: NodeProto): NodeProto {
  if (node.opType !== 'Cast' || node.domain !== '') return node;
  const attributes = node.attributes.map(attribute =>
    attribute.name === 'to' && attribute.i === BigInt(dataType.double)
      ? { ...attribute, type: attributeType.int, i: BigInt(dataType.float) }
      : attribute,
  );
  return { ...node, attributes };
}

function doubleValues(tensor: TensorProto): Float64Array {
  const bytes = tensor.rawData ?? Uint8Array.from(tensor.doubleData.flatMap(chunk => [...chunk]));
  return new Float64Array(bytes.slice().buffer);
}

function floatTensor(tensor: TensorProto): TensorProto {
  return buildTensor(tensor.name, 'float', tensor.dims.map(Number), Float32Array.from(doubleValues(tensor)));
}

/** Modes of ai.onnx.ml TreeEnsemble: x <= split, and x < split. */
const lessOrEqual = 0;
const less = 1;

function withFloatTrees(node: NodeProto): NodeProto {
  if (node.opType !== 'TreeEnsemble' || node.domain !== 'ai.onnx.ml') return node;
  const modes = node.attributes.find(attribute => attribute.name === 'nodes_modes')?.t?.rawData;
  const attributes = node.attributes.map(attribute => {
    const { name, t } = attribute;
    if (name !== 'nodes_splits' || t?.dataType !== dataType.double || modes === undefined) return attribute;
    const splits = Float32Array.from(doubleValues(t), (split, i) =>
      modes[i] === lessOrEqual ? roundedDown(split) : modes[i] === less ? -roundedDown(-split) : split,
    );
    return { ...attribute, t: buildTensor(t.name, 'float', t.dims.map(Number), splits) };
  });
  return { ...node, attributes };
}

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);

/** The largest float32 that is not above `value`: x <= value holds for a float32 x exactly when x <= this. */
export function roundedDown(value: number): number {
  floats[0] = value;
  if (floats[0] <= value || Number.isNaN(value)) return floats[0];
  if (floats[0] === 0) bits[0] = -2147483647;
  else bits[0] = bits[0]! + (floats[0] > 0 ? -1 : 1);
  return floats[0];
}
