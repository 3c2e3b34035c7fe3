import { neededNames } from '../check/check-graph.ts';
import type { ModelProto } from './proto.ts';

/** The model with only these outputs, in this order, without the nodes and tensors that nothing needs any more. */
export function keepOutputs(model: ModelProto, names: readonly string[]): ModelProto {
  const { graph } = model;
  const byName = new Map(graph.outputs.map(output => [output.name, output]));
  const outputs = names.map(name => byName.get(name)).filter(output => output !== undefined);
  const needed = new Set(names);
  const writer = new Map(graph.nodes.flatMap((node, i) => node.outputs.map(name => [name, i] as const)));
  const kept = new Set<number>();
  const waiting = [...names];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const at = writer.get(name);
    if (at === undefined || kept.has(at)) continue;
    kept.add(at);
    for (const read of neededNames(graph.nodes[at]!)) {
      needed.add(read.name);
      waiting.push(read.name);
    }
  }
  return {
    ...model,
    graph: {
      ...graph,
      outputs,
      nodes: graph.nodes.filter((_, i) => kept.has(i)),
      initializers: graph.initializers.filter(tensor => needed.has(tensor.name)),
      sparseInitializers: graph.sparseInitializers.filter(sparse => needed.has(sparse.values?.name ?? '')),
      // An input that is not needed stays, so that callers of the whole model can call this one.
      inputs: graph.inputs,
    },
  };
}
