import type { AttributeProto, NodeProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';

/** A model in which one attribute of every node that has it is another: a converter's mistake, made on purpose. */
export function spoilAttribute(
  model: Uint8Array,
  name: string,
  change: (attribute: AttributeProto, node: NodeProto) => AttributeProto,
): Uint8Array {
  const read = readModel(model);
  let changed = 0;
  const nodes = read.graph.nodes.map(node => ({
    ...node,
    attributes: node.attributes.map(attribute => {
      if (attribute.name !== name) return attribute;
      changed++;
      return change(attribute, node);
    }),
  }));
  if (changed === 0) throw new Error(`no node of the model has the attribute ${name}`);
  return writeModel({ ...read, graph: { ...read.graph, nodes } });
}

/** Changes the bytes of an attribute that is a tensor. */
export function spoilTensorAttribute(model: Uint8Array, name: string, edit: (bytes: DataView) => void): Uint8Array {
  return spoilAttribute(model, name, attribute => {
    const rawData = attribute.t?.rawData?.slice();
    if (attribute.t === undefined || rawData === undefined) throw new Error(`${name} holds no raw tensor`);
    edit(new DataView(rawData.buffer));
    return { ...attribute, t: { ...attribute.t, rawData } };
  });
}
