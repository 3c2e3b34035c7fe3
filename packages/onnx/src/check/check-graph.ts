import { subgraphs } from '../inspect-model.ts';
import type { GraphProto, NodeProto } from '../model/proto.ts';
import { OnnxError } from '../onnx-error.ts';

/** How a sentence names a node: its own name, or its operator and first output. */
export function nodeLabel(node: NodeProto): string {
  return node.name !== '' ? node.name : `${node.opType} -> ${node.outputs[0] ?? '?'}`;
}

/**
 * Orders the nodes of a graph so that each comes after what it needs, and checks on the way that every value has
 * one writer and every input exists.
 * @throws OnnxError `duplicate_output`, `dangling_input`, `cycle`
 */
export function orderNodes(
  nodes: readonly NodeProto[],
  given: Iterable<string>,
  outer: ReadonlySet<string>,
): NodeProto[] {
  const available = new Set(given);
  const producer = new Map<string, number>();
  nodes.forEach((node, index) => {
    for (const output of node.outputs) {
      if (output === '') continue;
      if (producer.has(output) || available.has(output)) {
        throw new OnnxError(
          'duplicate_output',
          `The value "${output}" is written twice, the second time by node "${nodeLabel(node)}"; export the model again.`,
          { node: nodeLabel(node), op: node.opType },
        );
      }
      producer.set(output, index);
    }
  });
  const waiting = new Int32Array(nodes.length);
  const readers = new Map<number, number[]>();
  nodes.forEach((node, index) => {
    const needed = new Set<number>();
    for (const input of neededNames(node)) {
      const from = producer.get(input.name);
      if (from !== undefined) needed.add(from);
      else if (!input.captured && input.name !== '' && !available.has(input.name) && !outer.has(input.name)) {
        throw new OnnxError(
          'dangling_input',
          `Node "${nodeLabel(node)}" (${node.opType}) reads "${input.name}", which nothing produces; export the model again.`,
          { node: nodeLabel(node), op: node.opType },
        );
      }
    }
    waiting[index] = needed.size;
    for (const from of needed) {
      const list = readers.get(from);
      if (list === undefined) readers.set(from, [index]);
      else list.push(index);
    }
  });
  const order: NodeProto[] = [];
  const ready = [...waiting.keys()].filter(index => waiting[index] === 0);
  for (let next = 0; next < ready.length; next++) {
    const index = ready[next]!;
    order.push(nodes[index]!);
    for (const reader of readers.get(index) ?? []) {
      waiting[reader] = waiting[reader]! - 1;
      if (waiting[reader] === 0) ready.push(reader);
    }
  }
  if (order.length < nodes.length) {
    const stuck = nodes[waiting.findIndex(count => count > 0)]!;
    throw new OnnxError(
      'cycle',
      `The graph has a cycle through node "${nodeLabel(stuck)}" (${stuck.opType}); export the model again.`,
      { node: nodeLabel(stuck), op: stuck.opType },
    );
  }
  return order;
}

interface NeededName {
  readonly name: string;
  /** True for a name that a sub-graph mentions: it may be the sub-graph's own. */
  readonly captured: boolean;
}

/** Names that a node reads, those that its sub-graphs take from outside included. */
export function* neededNames(node: NodeProto): Generator<NeededName> {
  for (const name of node.inputs) yield { name, captured: false };
  for (const graph of subgraphs(node)) for (const name of namesReadIn(graph)) yield { name, captured: true };
}

function* namesReadIn(graph: GraphProto): Generator<string> {
  const own = new Set<string>();
  for (const value of graph.inputs) own.add(value.name);
  for (const tensor of graph.initializers) own.add(tensor.name);
  for (const node of graph.nodes) for (const output of node.outputs) own.add(output);
  for (const node of graph.nodes) {
    for (const { name } of neededNames(node)) if (!own.has(name)) yield name;
  }
  for (const output of graph.outputs) if (!own.has(output.name)) yield output.name;
}

/** Names that a graph gives to its nodes before any of them runs. */
export function givenNames(graph: GraphProto): string[] {
  const names = new Set(graph.inputs.map(value => value.name));
  for (const tensor of graph.initializers) names.add(tensor.name);
  for (const sparse of graph.sparseInitializers) if (sparse.values !== undefined) names.add(sparse.values.name);
  return [...names];
}
