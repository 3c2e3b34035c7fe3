import { elementTypeOf, type OipDatatype } from './model/element-type.ts';
import type { GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto } from './model/proto.ts';
import { readModel } from './model/read-model.ts';
import { OnnxError } from './onnx-error.ts';
import { refuseOtherKinds } from './sniff/refuse-other-kinds.ts';

/** A dimension: fixed size, symbol shared between tensors, or null when it is dynamic and has no name. */
export type TensorDimension = number | string | null;

export interface TensorSpec {
  readonly name: string;
  readonly dtype: OipDatatype;
  /** Undefined when the file does not even declare the rank. */
  readonly shape: readonly TensorDimension[] | undefined;
  /** True when the caller may leave the input out. */
  readonly optional?: true;
}

export interface ModelInspection {
  readonly signature: { readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[] };
  readonly irVersion: number;
  /** Operator set version per domain; the standard domain is `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: { readonly name: string; readonly version: string };
  readonly metadata: Readonly<Record<string, string>>;
  /** Nodes of the graph and of all its sub-graphs; function bodies are not counted. */
  readonly nodeCount: number;
  readonly functionCount: number;
  /** Domains of the operators in use, sorted. */
  readonly domains: readonly string[];
  /** File names of external tensor data, sorted. */
  readonly externalData: readonly string[];
  /** Names of the columns of the single input matrix, where the file records them. */
  readonly featureNames?: readonly string[];
}

/**
 * What a model takes, gives and needs, from its bytes alone.
 * @throws OnnxError `not_onnx`, `truncated`, `malformed`, `non_tensor_io`, `unsupported_dtype`, ...
 */
export function inspectModel(bytes: Uint8Array): ModelInspection {
  refuseOtherKinds(bytes);
  return inspectProto(readModel(bytes));
}

/** `inspectModel` of a model already read. */
export function inspectProto(model: ModelProto): ModelInspection {
  const { graph } = model;
  const initialised = new Set([
    ...graph.initializers.map(tensor => tensor.name),
    ...graph.sparseInitializers.map(sparse => sparse.values?.name ?? ''),
  ]);
  const domains = new Set<string>();
  let nodeCount = 0;
  for (const node of allNodes(graph)) {
    nodeCount++;
    domains.add(domainName(node.domain));
  }
  const externalData = new Set<string>();
  for (const tensor of allTensors(model)) {
    if (tensor.isExternal) externalData.add(tensor.externalData.find(entry => entry.key === 'location')?.value ?? '');
  }
  const metadata = Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value]));
  const inputs = graph.inputs.filter(input => !initialised.has(input.name)).map(input => tensorSpec(input, 'input'));
  const featureNames = featureNamesOf(metadata, inputs);
  return {
    signature: { inputs, outputs: graph.outputs.map(output => tensorSpec(output, 'output')) },
    irVersion: model.irVersion,
    opsets: Object.fromEntries(model.opsetImport.map(opset => [domainName(opset.domain), Number(opset.version)])),
    producer: { name: model.producerName, version: model.producerVersion },
    metadata,
    nodeCount,
    functionCount: model.functions.length,
    domains: [...domains].sort(),
    externalData: [...externalData].sort(),
    ...(featureNames === undefined ? {} : { featureNames }),
  };
}

/** The standard domain has two spellings, "" and "ai.onnx"; this gives the second. */
export function domainName(domain: string): string {
  return domain === '' ? 'ai.onnx' : domain;
}

function tensorSpec(value: ValueInfoProto, side: 'input' | 'output'): TensorSpec {
  const { type } = value;
  const isOptional = type?.kind === 'optional';
  const inner: TypeProto | undefined = isOptional ? type.elem : type;
  if (inner?.kind !== 'tensor') {
    const found = inner === undefined ? 'undeclared' : inner.kind;
    throw new OnnxError(
      'non_tensor_io',
      `The ${side} "${value.name}" is not a tensor but ${found}; only tensors can be served. ` +
        'Import the model through prepareModel, or export it with tensor outputs (for scikit-learn: zipmap=False).',
      { node: value.name },
    );
  }
  const element = elementTypeOf(inner.elemType);
  if (element?.oip === undefined) {
    throw new OnnxError(
      'unsupported_dtype',
      `The ${side} "${value.name}" has element type ${element?.onnx ?? inner.elemType}, which cannot be served; ` +
        'cast it to a standard integer, float, bool or string type inside the model.',
      { node: value.name },
    );
  }
  const shape = inner.shape?.map(dimension => plainDimension(dimension.size, value.name));
  return { name: value.name, dtype: element.oip, shape, ...(isOptional ? { optional: true as const } : {}) };
}

function plainDimension(size: bigint | string | undefined, name: string): TensorDimension {
  if (typeof size === 'string') return size;
  // Exporters write 0 or a negative size for "unknown"; ONNX Runtime reads a negative one as dynamic as well.
  if (size === undefined || size < 0n) return null;
  if (size > 2n ** 31n) {
    throw new OnnxError('too_large', `"${name}" declares a dimension of ${size}; make it dynamic or smaller.`, {
      node: name,
    });
  }
  return Number(size);
}

const featureNameKeys = ['holdfast.feature_names', 'feature_names', 'featureNames', 'features'];

function featureNamesOf(
  metadata: Readonly<Record<string, string>>,
  inputs: readonly TensorSpec[],
): string[] | undefined {
  for (const key of featureNameKeys) {
    const names = parseNames(metadata[key]);
    if (names === undefined) continue;
    const columns = inputs.length === 1 ? inputs[0]!.shape?.at(-1) : undefined;
    if (typeof columns !== 'number' || columns === names.length) return names;
  }
  return undefined;
}

/** Names as people put them into metadata: a JSON list, Python's own way to print a list, or a line with commas. */
function parseNames(text: string | undefined): string[] | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  const isList = /^\s*\[.*\]\s*$/s.test(text);
  if (!isList) return text.includes(',') ? text.split(',').map(name => name.trim()) : undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) && parsed.every(name => typeof name === 'string') ? parsed : undefined;
  } catch {
    return pythonList(text);
  }
}

/** `['age', "driver's income"]`; undefined for anything but a list of plain texts. */
function pythonList(text: string): string[] | undefined {
  const item = /'((?:[^'\\]|\\['"\\])*)'|"((?:[^"\\]|\\['"\\])*)"/g;
  const names = [...text.matchAll(item)].map(match => (match[1] ?? match[2] ?? '').replace(/\\(.)/g, '$1'));
  return /^[\s,[\]]*$/.test(text.replace(item, '')) && names.length > 0 ? names : undefined;
}

/** Every node of a graph, sub-graphs of attributes included. */
export function* allNodes(graph: GraphProto): Generator<NodeProto> {
  for (const node of graph.nodes) yield* nodeTree(node);
}

function* nodeTree(node: NodeProto): Generator<NodeProto> {
  yield node;
  for (const inner of subgraphs(node)) yield* allNodes(inner);
}

/** The graphs that a node carries in its attributes. */
export function* subgraphs(node: NodeProto): Generator<GraphProto> {
  for (const attribute of node.attributes) {
    if (attribute.g !== undefined) yield attribute.g;
    if (attribute.graphs !== undefined) yield* attribute.graphs;
  }
}

/** Every tensor stored in a model: initialisers and attribute values, in graph, sub-graphs and functions. */
export function* allTensors(model: ModelProto): Generator<TensorProto> {
  yield* graphTensors(model.graph);
  for (const fn of model.functions) {
    for (const node of fn.nodes) yield* nodeTensors(node);
    for (const attribute of fn.attributeProtos) yield* attributeTensors(attribute);
  }
}

function* graphTensors(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializers;
  for (const sparse of graph.sparseInitializers) {
    if (sparse.values !== undefined) yield sparse.values;
    if (sparse.indices !== undefined) yield sparse.indices;
  }
  for (const node of graph.nodes) yield* nodeTensors(node);
}

function* nodeTensors(node: NodeProto): Generator<TensorProto> {
  for (const attribute of node.attributes) yield* attributeTensors(attribute);
}

function* attributeTensors(attribute: NodeProto['attributes'][number]): Generator<TensorProto> {
  if (attribute.t !== undefined) yield attribute.t;
  if (attribute.tensors !== undefined) yield* attribute.tensors;
  if (attribute.sparseTensor?.values !== undefined) yield attribute.sparseTensor.values;
  if (attribute.sparseTensor?.indices !== undefined) yield attribute.sparseTensor.indices;
  if (attribute.g !== undefined) yield* graphTensors(attribute.g);
  for (const graph of attribute.graphs ?? []) yield* graphTensors(graph);
}
