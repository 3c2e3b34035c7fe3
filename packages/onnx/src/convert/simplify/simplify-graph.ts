import { createHash } from 'node:crypto';
import type { GraphProto, ModelProto, NodeProto, TensorProto } from '../../model/proto.ts';
import { foldConstants, withInputs } from './fold-constants.ts';
import { fuseConvolutions } from './fuse-convolutions.ts';
import { captured, type GraphState } from './graph-state.ts';
import { moveTransposes } from './move-transposes.ts';

/** Nesting of graphs that is followed; deeper ones stay as they are. */
const maxDepth = 16;
/** Rounds of folding; each can open work for the next, and real graphs settle in two. */
const rounds = 3;

/**
 * The same computation with fewer nodes: constants folded, transposes cancelled and moved together, batch normalisation
 * taken into convolutions, nodes without effect and equal initialisers gone. Inputs and outputs keep name, type and
 * order; equal models give equal results. Models below opset 18 are returned as they are.
 */
export function simplifyModel(model: ModelProto): ModelProto {
  const opset = model.opsetImport.find(entry => entry.domain === '' || entry.domain === 'ai.onnx')?.version ?? 0n;
  if (opset < 18n) return model;
  const graph = simplifyGraph(model.graph, '', 0);
  return graph === model.graph ? model : { ...model, graph };
}

function simplifyGraph(original: GraphProto, prefix: string, depth: number): GraphProto {
  if (depth > maxDepth || !isSorted(original)) return original;
  const graph = {
    ...original,
    nodes: original.nodes.map((node, i) => withSimpleGraphs(node, `${prefix}g${i}_`, depth)),
  };
  const state = open(graph, prefix);
  for (let round = 0; round < rounds; round++) {
    const before = state.nodes.length;
    foldConstants(state);
    moveTransposes(state);
    foldConstants(state);
    fuseConvolutions(state);
    state.nodes = living(state);
    if (state.nodes.length === before) break;
  }
  state.nodes = absorbOutputNames(state);
  const alias = equalInitializers(graph, state);
  const renamed = state.nodes.map(node =>
    withInputs(
      node,
      node.inputs.map(name => alias.get(name) ?? name),
    ),
  );
  const nodes = withUniqueNames(renamed);
  const used = new Set([...nodes.flatMap(node => node.inputs), ...state.pinned]);
  const overridable = graph.initializers.filter(tensor => !state.constants.has(tensor.name));
  const constants = [...state.constants.values()].filter(tensor => used.has(tensor.name) && !alias.has(tensor.name));
  const existing = new Set([...used, ...nodes.flatMap(node => node.outputs)]);
  return {
    ...graph,
    nodes,
    initializers: [...overridable, ...constants],
    valueInfo: nodes.length === graph.nodes.length ? graph.valueInfo.filter(value => existing.has(value.name)) : [],
  };
}

function withSimpleGraphs(node: NodeProto, prefix: string, depth: number): NodeProto {
  if (!node.attributes.some(attribute => attribute.g !== undefined)) return node;
  return {
    ...node,
    attributes: node.attributes.map((attribute, i) =>
      attribute.g === undefined
        ? attribute
        : { ...attribute, g: simplifyGraph(attribute.g, `${prefix}${i}_`, depth + 1) },
    ),
  };
}

function open(graph: GraphProto, prefix: string): GraphState {
  const inputNames = new Set(graph.inputs.map(input => input.name));
  const graphOutputs = new Set(graph.outputs.map(output => output.name));
  const pinned = new Set(graphOutputs);
  for (const node of graph.nodes) captured(node, pinned);
  const taken = new Set([
    ...inputNames,
    ...pinned,
    ...graph.initializers.map(tensor => tensor.name),
    ...graph.nodes.flatMap(node => [...node.inputs, ...node.outputs]),
  ]);
  const next = new Map<string, number>();
  const fresh = (stem: string): string => {
    const full = stem.startsWith(prefix) ? stem : `${prefix}${stem}`;
    let count = next.get(full) ?? 0;
    let name = count === 0 ? full : `${full}_${count}`;
    while (taken.has(name)) name = `${full}_${++count}`;
    next.set(full, count + 1);
    taken.add(name);
    return name;
  };
  const constants = new Map<string, TensorProto>();
  for (const tensor of graph.initializers) if (!inputNames.has(tensor.name)) constants.set(tensor.name, tensor);
  return { nodes: graph.nodes, constants, inputs: graph.inputs, pinned, graphOutputs, fresh };
}

/** Whether every node comes after those it reads; the passes walk the list once and rely on it. */
function isSorted(graph: GraphProto): boolean {
  const later = new Set(graph.nodes.flatMap(node => node.outputs));
  for (const node of graph.nodes) {
    const reads = new Set(node.inputs);
    captured(node, reads);
    for (const name of reads) if (later.has(name)) return false;
    for (const name of node.outputs) later.delete(name);
  }
  return true;
}

/** Node names made by the passes may repeat; ONNX Runtime refuses that. */
function withUniqueNames(nodes: readonly NodeProto[]): NodeProto[] {
  const taken = new Set(nodes.map(node => node.name));
  const seen = new Set<string>();
  return nodes.map(node => {
    if (node.name === '' || !seen.has(node.name)) {
      seen.add(node.name);
      return node;
    }
    let count = 2;
    while (taken.has(`${node.name}_${count}`)) count++;
    const name = `${node.name}_${count}`;
    taken.add(name);
    return { ...node, name };
  });
}

/** The nodes that something needs. */
function living(state: GraphState): NodeProto[] {
  const needed = new Set(state.pinned);
  const kept: NodeProto[] = [];
  for (const node of state.nodes.toReversed()) {
    if (!node.outputs.some(name => needed.has(name))) continue;
    for (const name of node.inputs) needed.add(name);
    kept.push(node);
  }
  return kept.reverse();
}

/** An Identity that only gives an output its name goes, and what it reads takes the name. */
function absorbOutputNames(state: GraphState): NodeProto[] {
  const produced = new Set(state.nodes.flatMap(node => node.outputs));
  const renamed = new Map<string, string>();
  const dropped = new Set<NodeProto>();
  for (const node of state.nodes) {
    const [input = ''] = node.inputs;
    const [output = ''] = node.outputs;
    if (node.opType !== 'Identity' || node.domain !== '' || !state.graphOutputs.has(output)) continue;
    if (!produced.has(input) || state.pinned.has(input) || renamed.has(input)) continue;
    renamed.set(input, output);
    dropped.add(node);
  }
  const current = (name: string): string => renamed.get(name) ?? name;
  return state.nodes
    .filter(node => !dropped.has(node))
    .map(node => ({ ...withInputs(node, node.inputs.map(current)), outputs: node.outputs.map(current) }));
}

/** Initialisers that hold the same as an earlier one, with that one's name. */
function equalInitializers(graph: GraphProto, state: GraphState): Map<string, string> {
  const alias = new Map<string, string>();
  const first = new Map<string, string>();
  const nested = new Set<string>();
  for (const node of graph.nodes) captured(node, nested);
  for (const [name, tensor] of state.constants) {
    if (tensor.rawData === undefined || tensor.isExternal || state.pinned.has(name) || nested.has(name)) continue;
    const digest = createHash('sha1').update(tensor.rawData).digest('base64');
    const key = `${tensor.dataType}|${tensor.dims.join()}|${digest}`;
    const known = first.get(key);
    if (known === undefined) first.set(key, name);
    else alias.set(name, known);
  }
  return alias;
}
