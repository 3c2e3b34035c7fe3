import type { AttributeProto, GraphProto, NodeProto } from '../model/proto.ts';

/** Gives a node back as it is, or changed. */
export type EditNode = (node: NodeProto) => NodeProto;

/** A graph with every node edited, those of sub-graphs included; the very graph when no node changed. */
export function editedGraph(graph: GraphProto, edit: EditNode): GraphProto {
  const nodes = graph.nodes.map(node => editedNode(node, edit));
  return nodes.some((node, i) => node !== graph.nodes[i]) ? { ...graph, nodes } : graph;
}

/** A node edited after those of its own sub-graphs. */
export function editedNode(node: NodeProto, edit: EditNode): NodeProto {
  const attributes = node.attributes.map(attribute => withEditedGraphs(attribute, edit));
  return edit(attributes.some((attribute, i) => attribute !== node.attributes[i]) ? { ...node, attributes } : node);
}

function withEditedGraphs(attribute: AttributeProto, edit: EditNode): AttributeProto {
  const { g, graphs } = attribute;
  const nextG = g === undefined ? undefined : editedGraph(g, edit);
  const nextGraphs = graphs?.map(graph => editedGraph(graph, edit));
  if (nextG === g && (nextGraphs === undefined || nextGraphs.every((graph, i) => graph === graphs?.[i])))
    return attribute;
  return {
    ...attribute,
    ...(nextG === undefined ? {} : { g: nextG }),
    ...(nextGraphs === undefined ? {} : { graphs: nextGraphs }),
  };
}
