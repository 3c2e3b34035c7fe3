import type { AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto } from './proto.ts';

type Edit = (tensor: TensorProto) => TensorProto;

/** The model with every stored tensor (initialisers and attributes, sub-graphs and functions included) passed through `edit`. */
export function editTensors(model: ModelProto, edit: Edit): ModelProto {
  return {
    ...model,
    graph: editGraph(model.graph, edit),
    functions: model.functions.map(
      (fn): FunctionProto => ({ ...fn, nodes: fn.nodes.map(node => editNode(node, edit)) }),
    ),
  };
}

function editGraph(graph: GraphProto, edit: Edit): GraphProto {
  return {
    ...graph,
    initializers: graph.initializers.map(edit),
    nodes: graph.nodes.map(node => editNode(node, edit)),
  };
}

function editNode(node: NodeProto, edit: Edit): NodeProto {
  const carries = node.attributes.some(({ t, g, tensors, graphs }) => t ?? g ?? tensors ?? graphs);
  return carries ? { ...node, attributes: node.attributes.map(attribute => editAttribute(attribute, edit)) } : node;
}

function editAttribute(attribute: AttributeProto, edit: Edit): AttributeProto {
  const { t, g, tensors, graphs } = attribute;
  return {
    ...attribute,
    ...(t !== undefined && { t: edit(t) }),
    ...(g !== undefined && { g: editGraph(g, edit) }),
    ...(tensors !== undefined && { tensors: tensors.map(edit) }),
    ...(graphs !== undefined && { graphs: graphs.map(graph => editGraph(graph, edit)) }),
  };
}
