import { type AttributeProto, dataType, type NodeProto } from '../model/proto.ts';
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

function spoilFloats(
  model: Uint8Array,
  isMeant: (rank: number) => boolean,
  edit: (value: number) => number,
): Uint8Array {
  const read = readModel(model);
  let changed = 0;
  const initializers = read.graph.initializers.map(tensor => {
    if (tensor.dataType !== dataType.float || !isMeant(tensor.dims.length) || tensor.rawData === undefined)
      return tensor;
    changed++;
    const rawData = tensor.rawData.slice();
    const view = new DataView(rawData.buffer);
    view.setFloat32(0, edit(view.getFloat32(0, true)), true);
    return { ...tensor, rawData };
  });
  if (changed === 0) throw new Error('the model has no such constant');
  return writeModel({ ...read, graph: { ...read.graph, initializers } });
}

/** Adds to the first element of every float32 constant that is no scalar. */
export function spoilWeights(model: Uint8Array, by: number): Uint8Array {
  return spoilFloats(
    model,
    rank => rank > 0,
    value => value + by,
  );
}

/** Multiplies the first float32 scalar, such as the scale of a quantised tensor. */
export function spoilScale(model: Uint8Array, by: number): Uint8Array {
  let seen = 0;
  return spoilFloats(
    model,
    rank => rank === 0,
    value => (seen++ === 0 ? value * by : value),
  );
}

/**
 * Models in each of which one float64 table (a constant of two dimensions that
 * holds fractions, so that it was learned) has its largest element
 * multiplied by the factor.
 */
export function spoilEachTable(model: Uint8Array, factor: number): Uint8Array[] {
  const read = readModel(model);
  const { initializers } = read.graph;
  return initializers.flatMap((tensor, at) => {
    if (tensor.dataType !== dataType.double || tensor.dims.length !== 2 || tensor.rawData === undefined) return [];
    const rawData = tensor.rawData.slice();
    const values = new Float64Array(rawData.buffer);
    if (values.every(Number.isInteger)) return [];
    let most = 0;
    values.forEach((value, i) => {
      if (Math.abs(value) > Math.abs(values[most]!)) most = i;
    });
    values[most] = values[most]! * factor;
    const spoilt = initializers.map((original, i) => (i === at ? { ...tensor, rawData } : original));
    return [writeModel({ ...read, graph: { ...read.graph, initializers: spoilt } })];
  });
}
