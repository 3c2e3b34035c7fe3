import { buildNode } from '../model/build.ts';
import { dataType, type ModelProto, type NodeProto, type ValueInfoProto } from '../model/proto.ts';
import { OnnxError } from '../onnx-error.ts';
import { editedGraph } from './edit-nodes.ts';

/** Outputs that are no tensors go. @throws OnnxError `non_tensor_io` when no tensor would remain */
export function withoutNonTensorOutputs(model: ModelProto, changes: string[]): ModelProto {
  const isServable = (output: ValueInfoProto): boolean => output.type === undefined || output.type.kind === 'tensor';
  const outputs = model.graph.outputs.filter(isServable);
  const dropped = model.graph.outputs.filter(output => !isServable(output));
  if (dropped.length === 0) return model;
  if (outputs.length === 0) {
    const names = dropped.map(output => `"${output.name}"`).join(', ');
    throw new OnnxError(
      'non_tensor_io',
      `No output of the model is a tensor (${names}); export it with tensor outputs.`,
    );
  }
  for (const output of dropped)
    changes.push(`The output "${output.name}" is a ${output.type?.kind} and was dropped; only tensors can be served.`);
  return { ...model, graph: { ...model.graph, outputs } };
}

/**
 * Inputs and outputs of bfloat16, which runtimes do not hand over, become float32 with a Cast on the inside: every
 * bfloat16 is a float32 exactly, and an input is rounded to bfloat16 as its writer would have had to.
 */
export function withFloatEnds(model: ModelProto, changes: string[]): ModelProto {
  const { graph } = model;
  const stored = new Set(graph.initializers.map(tensor => tensor.name));
  const inputs = graph.inputs.filter(input => isBrain(input) && !stored.has(input.name)).map(({ name }) => name);
  const written = new Set(graph.nodes.flatMap(node => node.outputs));
  const outputs = graph.outputs.filter(output => isBrain(output) && written.has(output.name)).map(({ name }) => name);
  if (inputs.length + outputs.length === 0) return model;
  const taken = new Set([...stored, ...written, ...graph.inputs.map(({ name }) => name)]);
  const inner = new Map([...inputs, ...outputs].map(name => [name, freeName(`${name}_bfloat16`, taken)]));
  const rename = (name: string): string => inner.get(name) ?? name;
  const edit = (node: NodeProto): NodeProto =>
    [...node.inputs, ...node.outputs].some(name => inner.has(name))
      ? { ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) }
      : node;
  const to = (type: number): { attributes: { to: bigint } } => ({ attributes: { to: BigInt(type) } });
  for (const name of inputs)
    changes.push(`The input "${name}" is bfloat16 in the file; it is now float32 and rounded to bfloat16 inside.`);
  for (const name of outputs) changes.push(`The output "${name}" is bfloat16 in the file; it is now float32.`);
  // An output that is an input, unchanged, has the type of that input.
  const isFloat = new Set([...inputs, ...outputs]);
  const typed = (value: ValueInfoProto): ValueInfoProto =>
    isFloat.has(value.name) && value.type?.kind === 'tensor'
      ? { ...value, type: { ...value.type, elemType: dataType.float } }
      : value;
  const edited = editedGraph(graph, edit);
  return {
    ...model,
    graph: {
      ...edited,
      nodes: [
        ...inputs.map(name => buildNode('Cast', [name], [rename(name)], to(dataType.bfloat16))),
        ...edited.nodes,
        ...outputs.map(name => buildNode('Cast', [rename(name)], [name], to(dataType.float))),
      ],
      inputs: graph.inputs.map(typed),
      outputs: graph.outputs.map(typed),
      valueInfo: graph.valueInfo.map(value => ({ ...value, name: rename(value.name) })),
    },
  };
}

const isBrain = ({ type }: ValueInfoProto): boolean => type?.kind === 'tensor' && type.elemType === dataType.bfloat16;

function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let i = 2; taken.has(name); i++) name = `${wanted}_${i}`;
  taken.add(name);
  return name;
}

/**
 * A dimension that inputs and outputs declare as 0, as some exporters do for "unknown", becomes free; the runtime
 * would accept nothing but empty tensors.
 */
export function withoutEmptyDimensions(model: ModelProto, changes: string[]): ModelProto {
  const free = (value: ValueInfoProto): ValueInfoProto => {
    const { type } = value;
    if (type?.kind !== 'tensor' || type.shape?.some(({ size }) => size === 0n) !== true) return value;
    changes.push(`"${value.name}" declares a dimension of 0, which was taken as unknown.`);
    const shape = type.shape.map(dimension => (dimension.size === 0n ? { ...dimension, size: undefined } : dimension));
    return { ...value, type: { ...type, shape } };
  };
  const before = changes.length;
  const inputs = model.graph.inputs.map(free);
  const outputs = model.graph.outputs.map(free);
  if (changes.length === before) return model;
  // What was inferred from the wrong sizes goes with them.
  return { ...model, graph: { ...model.graph, inputs, outputs, valueInfo: [] } };
}
