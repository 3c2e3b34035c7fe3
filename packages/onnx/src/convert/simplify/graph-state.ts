import { buildTensor } from '../../model/build.ts';
import { elementTypeOf } from '../../model/element-type.ts';
import type { AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto } from '../../model/proto.ts';

/** One graph while it is being simplified: nodes in topological order, each pass replaces the list. */
export interface GraphState {
  nodes: readonly NodeProto[];
  /** Initialisers that nothing can override, by name. */
  readonly constants: Map<string, TensorProto>;
  readonly inputs: readonly ValueInfoProto[];
  /** Names that must keep their value: graph outputs and what nested graphs refer to. */
  readonly pinned: ReadonlySet<string>;
  readonly graphOutputs: ReadonlySet<string>;
  /** A name nobody has yet, made of `stem`. */
  readonly fresh: (stem: string) => string;
}

/** Largest constant that folding may write, in bytes. */
export const maxFoldedBytes = 64 << 20;

/** Bytes per element of a constant in raw form, 0 for kinds that cannot be folded. */
export function elementBytes(tensor: TensorProto): number {
  const bits = elementTypeOf(tensor.dataType)?.bits ?? 0;
  return tensor.isExternal || tensor.rawData === undefined || bits < 8 ? 0 : bits / 8;
}

export function dimsOf(tensor: TensorProto): number[] {
  return tensor.dims.map(Number);
}

export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Whether the declared shape is what the raw data holds; anything else is left to the checks of the runtime. */
export function isWhole(tensor: TensorProto): boolean {
  const bytes = elementBytes(tensor);
  return bytes > 0 && tensor.rawData !== undefined && sizeOf(dimsOf(tensor)) * bytes === tensor.rawData.length;
}

/** The constant `like` with other dims and data. */
export function withRaw(like: TensorProto, dims: readonly number[], raw: Uint8Array): TensorProto {
  return { ...like, dims: dims.map(BigInt), rawData: raw };
}

export function findAttribute(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attributes.find(attribute => attribute.name === name);
}

export function intAttribute(node: NodeProto, name: string, otherwise: number): number {
  const value = findAttribute(node, name)?.i;
  return value === undefined ? otherwise : Number(value);
}

export function intsAttribute(node: NodeProto, name: string): number[] | undefined {
  const values = findAttribute(node, name)?.ints;
  return values === undefined ? undefined : Array.from(values, Number);
}

/** The node with one attribute set, the others kept in their order. */
export function withAttribute(
  node: NodeProto,
  attribute: Pick<AttributeProto, 'name' | 'type' | 'i' | 'ints'>,
): NodeProto {
  const full = { refAttrName: '', docString: '', unknown: [], ...attribute };
  const isPresent = findAttribute(node, attribute.name) !== undefined;
  return {
    ...node,
    attributes: isPresent
      ? node.attributes.map(old => (old.name === attribute.name ? full : old))
      : [...node.attributes, full],
  };
}

/** Whole numbers of a small int64 or int32 constant, or undefined when `name` is no such constant. */
export function constantInts(state: GraphState, name: string | undefined): number[] | undefined {
  const tensor = name === undefined ? undefined : state.constants.get(name);
  if (tensor?.rawData === undefined || !isWhole(tensor) || tensor.rawData.length > 1 << 16) return undefined;
  const { rawData: raw } = tensor;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  if (tensor.dataType === 7)
    return Array.from({ length: raw.length / 8 }, (_, i) => Number(view.getBigInt64(i * 8, true)));
  if (tensor.dataType === 6) return Array.from({ length: raw.length / 4 }, (_, i) => view.getInt32(i * 4, true));
  return undefined;
}

/** Adds an int64 vector as a constant and gives its name. */
export function addInts(state: GraphState, stem: string, values: readonly number[]): string {
  const name = state.fresh(stem);
  state.constants.set(name, buildTensor(name, 'int64', [values.length], values));
  return name;
}

/** Names of `graph` and of graphs nested in it that come from outside. */
function outerNames(graph: GraphProto, found: Set<string>): void {
  const own = new Set([
    ...graph.inputs.map(input => input.name),
    ...graph.initializers.map(tensor => tensor.name),
    ...graph.nodes.flatMap(node => node.outputs),
  ]);
  const used = new Set([...graph.nodes.flatMap(node => node.inputs), ...graph.outputs.map(output => output.name)]);
  for (const node of graph.nodes) captured(node, used);
  for (const name of used) if (!own.has(name)) found.add(name);
}

/** Adds the names that graphs in the attributes of `node` take from outside. */
export function captured(node: NodeProto, found: Set<string>): void {
  for (const attribute of node.attributes) {
    if (attribute.g !== undefined) outerNames(attribute.g, found);
    for (const graph of attribute.graphs ?? []) outerNames(graph, found);
  }
}
