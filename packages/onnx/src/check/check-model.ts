import { allNodes, allTensors, domainName, subgraphs } from '../inspect-model.ts';
import type { FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { checkTensorSize } from '../model/tensor-values.ts';
import { OnnxError } from '../onnx-error.ts';
import { refuseOtherKinds } from '../sniff/refuse-other-kinds.ts';
import { givenNames, nodeLabel, orderNodes } from './check-graph.ts';
import { checkLoop, constantsOf } from './endless-loop.ts';
import { checkExternalData } from './external-data.ts';
import { mlOperators, standardOperators } from './known-operators.ts';
import { boundShapes } from './shape-bounds.ts';

/** What the static check allows; every limit has a default. */
export interface CheckLimits {
  /** Size of the file in bytes. @default 2 GiB, the limit of protobuf */
  readonly maxBytes?: number;
  /** Nodes of the graph with its sub-graphs. @default 200,000 */
  readonly maxNodes?: number;
  /** Local functions. @default 200 */
  readonly maxFunctions?: number;
  /** Nodes after all local functions are expanded. @default 100,000 */
  readonly maxExpandedNodes?: number;
  /** Elements of one tensor. @default 2^31 */
  readonly maxTensorElements?: number;
  /** Elements that loading may compute from constants. @default 2^27 */
  readonly maxConstantElements?: number;
  /** Operator domains that may be used besides local functions. */
  readonly domains?: readonly string[];
  /** Files that came with the model: name inside its folder and size in bytes. @default none */
  readonly externalFiles?: ReadonlyMap<string, number>;
}

/** What a static check cannot decide and a time limit at run time must. */
export interface ModelCheck {
  readonly leftToRuntime: readonly string[];
}

/** Newest versions that ONNX Runtime 1.30 loads. */
export const supportedVersions = { ir: 13, standardOpset: 26, mlOpset: 5 } as const;

const defaultDomains = ['ai.onnx', 'ai.onnx.ml', 'com.microsoft', 'com.ms.internal.nhwc', 'com.microsoft.nchwc'];

/**
 * Static scan of an untrusted model, to be run before any native code sees it.
 * @throws OnnxError with the first trouble found; unsupported operators are listed all at once.
 */
export function checkModel(bytes: Uint8Array, limits: CheckLimits = {}): ModelCheck {
  const maxBytes = limits.maxBytes ?? 2 ** 31;
  if (bytes.length > maxBytes)
    throw new OnnxError(
      'too_large',
      `The file has ${bytes.length} bytes, more than ${maxBytes}; keep the weights in an external file.`,
    );
  refuseOtherKinds(bytes);
  const model = readModel(bytes);
  checkVersions(model);
  checkCounts(model, limits);
  checkOperators(model, limits);
  const maxElements = BigInt(limits.maxTensorElements ?? 2 ** 31);
  const files = limits.externalFiles ?? new Map<string, number>();
  for (const tensor of allTensors(model)) {
    checkTensorSize(tensor, 'an attribute', maxElements);
    if (tensor.isExternal) checkExternalData(tensor, files);
  }
  for (const fn of model.functions) checkFunction(fn);
  const order = orderNodes(model.graph.nodes, givenNames(model.graph), new Set());
  checkOutputs(model.graph, new Set());
  boundShapes(model.graph, order, { maxElements, maxConstantElements: BigInt(limits.maxConstantElements ?? 2 ** 27) });
  const leftToRuntime: string[] = [];
  checkNested(
    order,
    new Set(givenNames(model.graph).concat(order.flatMap(node => node.outputs))),
    constantsOf(model.graph),
    leftToRuntime,
  );
  return { leftToRuntime };
}

function checkVersions(model: ModelProto): void {
  if (model.irVersion < 1 || model.irVersion > supportedVersions.ir) {
    throw new OnnxError(
      'unsupported_ir',
      `The file has IR version ${model.irVersion}; versions 1 to ${supportedVersions.ir} can be loaded. Export it with an older onnx package.`,
    );
  }
  if (model.opsetImport.length === 0 && model.irVersion >= 3) {
    throw new OnnxError('unsupported_opset', 'The file names no operator set; export the model again.');
  }
  for (const { domain, version } of model.opsetImport) {
    const name = domainName(domain);
    const newest =
      name === 'ai.onnx'
        ? supportedVersions.standardOpset
        : name === 'ai.onnx.ml'
          ? supportedVersions.mlOpset
          : undefined;
    if (version < 1n || (newest !== undefined && version > BigInt(newest))) {
      throw new OnnxError(
        'unsupported_opset',
        `The file needs opset ${version} of ${name}; 1 to ${newest ?? 'any later'} can be loaded. Export it with opset_version=${newest ?? 1} or lower.`,
      );
    }
  }
}

const functionKey = (domain: string, name: string, overload: string): string =>
  `${domainName(domain)}\u0000${name}\u0000${overload}`;

function checkCounts(model: ModelProto, limits: CheckLimits): void {
  const maxNodes = limits.maxNodes ?? 200_000;
  const maxFunctions = limits.maxFunctions ?? 200;
  const maxExpanded = limits.maxExpandedNodes ?? 100_000;
  if (model.functions.length > maxFunctions)
    throw new OnnxError(
      'too_large',
      `The model has ${model.functions.length} local functions, more than ${maxFunctions}; export it with them inlined.`,
    );
  let nodes = 0;
  for (const _ of allNodes(model.graph)) nodes++;
  if (nodes > maxNodes) throw new OnnxError('too_large', `The model has ${nodes} nodes, more than ${maxNodes}.`);
  if (model.functions.length === 0) return;
  const byKey = new Map(model.functions.map(fn => [functionKey(fn.domain, fn.name, fn.overload), fn]));
  const sizes = new Map<string, number>();
  const expanded = (list: Iterable<NodeProto>, path: readonly string[]): number => {
    let total = 0;
    for (const node of list) {
      const key = functionKey(node.domain, node.opType, node.overload);
      const fn = byKey.get(key);
      total += fn === undefined ? 1 : functionSize(fn, key, path);
      for (const graph of subgraphs(node)) total += expanded(graph.nodes, path);
    }
    return total;
  };
  const functionSize = (fn: FunctionProto, key: string, path: readonly string[]): number => {
    const done = sizes.get(key);
    if (done !== undefined) return done;
    if (path.includes(key))
      throw new OnnxError(
        'cycle',
        `The local function "${fn.name}" calls itself in a cycle; export the model with functions inlined.`,
        { node: fn.name },
      );
    const size = Math.min(expanded(fn.nodes, [...path, key]), Number.MAX_SAFE_INTEGER / 1e6);
    sizes.set(key, size);
    return size;
  };
  const total = expanded(model.graph.nodes, []);
  const reachable = Math.max(
    total,
    ...model.functions.map(fn => functionSize(fn, functionKey(fn.domain, fn.name, fn.overload), [])),
  );
  if (reachable > maxExpanded)
    throw new OnnxError(
      'too_large',
      `The local functions expand to more than ${maxExpanded} nodes; export the model with smaller functions.`,
    );
}

function checkOperators(model: ModelProto, limits: CheckLimits): void {
  const allowed = new Set(limits.domains ?? defaultDomains);
  const local = new Set(model.functions.map(fn => functionKey(fn.domain, fn.name, fn.overload)));
  const unknown = new Map<string, NodeProto>();
  const look = (node: NodeProto): void => {
    const domain = domainName(node.domain);
    if (local.has(functionKey(node.domain, node.opType, node.overload))) return;
    if (!allowed.has(domain)) {
      throw new OnnxError(
        'unsupported_domain',
        `Node "${nodeLabel(node)}" uses operator ${node.opType} of the domain "${domain}", which is not installed; export the model with standard operators.`,
        { node: nodeLabel(node), op: node.opType },
      );
    }
    const names = domain === 'ai.onnx' ? standardOperators : domain === 'ai.onnx.ml' ? mlOperators : undefined;
    if (names !== undefined && !names.has(node.opType) && !unknown.has(node.opType)) unknown.set(node.opType, node);
  };
  for (const node of allNodes(model.graph)) look(node);
  for (const fn of model.functions) for (const node of fn.nodes) look(node);
  if (unknown.size === 0) return;
  const listed = [...unknown].map(([op, node]) => `${op} at node "${nodeLabel(node)}"`);
  const [op, node] = [...unknown][0]!;
  throw new OnnxError(
    'unsupported_op',
    `The model uses operators that do not exist in ONNX: ${listed.join(', ')}; export it with standard operators.`,
    { node: nodeLabel(node), op, unsupported: listed },
  );
}

function checkFunction(fn: FunctionProto): void {
  orderNodes(fn.nodes, fn.inputs, new Set());
}

function checkOutputs(graph: GraphProto, outer: ReadonlySet<string>): void {
  const written = new Set(givenNames(graph));
  for (const node of graph.nodes) for (const output of node.outputs) written.add(output);
  for (const output of graph.outputs) {
    if (!written.has(output.name) && !outer.has(output.name))
      throw new OnnxError(
        'dangling_input',
        `The output "${output.name}" is produced by no node; export the model again.`,
        { node: output.name },
      );
  }
}

function checkNested(
  nodes: readonly NodeProto[],
  scope: ReadonlySet<string>,
  constants: ReadonlyMap<string, TensorProto>,
  leftToRuntime: string[],
): void {
  for (const node of nodes) {
    if (node.opType === 'Loop' && checkLoop(node, constants))
      leftToRuntime.push(`The Loop "${nodeLabel(node)}" ends by a condition that only running it can tell.`);
    for (const graph of subgraphs(node)) {
      const order = orderNodes(graph.nodes, givenNames(graph), scope);
      const inner = new Set([...scope, ...givenNames(graph), ...order.flatMap(item => item.outputs)]);
      checkOutputs(graph, scope);
      checkNested(order, inner, new Map([...constants, ...constantsOf(graph)]), leftToRuntime);
    }
  }
}
