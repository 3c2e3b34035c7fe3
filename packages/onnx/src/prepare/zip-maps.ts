import { buildValueInfo } from '../model/build.ts';
import type { ModelProto, NodeProto, StringEntry } from '../model/proto.ts';
import { decodeText } from '../wire/wire-reader.ts';

/** Metadata key under which the class labels of a removed ZipMap survive, as a JSON array. */
export const classesKey = 'holdfast.classes';

/** ZipMap becomes a plain tensor with one column per class; its labels go to the metadata. */
export function withoutZipMaps(model: ModelProto, changes: string[]): ModelProto {
  const { graph } = model;
  const zipMaps = graph.nodes.filter(
    node => node.opType === 'ZipMap' && node.domain === 'ai.onnx.ml' && node.inputs.length === 1,
  );
  if (zipMaps.length === 0) return model;
  const outputs = new Map(graph.outputs.map(output => [output.name, output]));
  const metadata: StringEntry[] = [...model.metadataProps];
  const nodes: NodeProto[] = [];
  for (const node of graph.nodes) {
    const name = node.outputs[0] ?? '';
    if (!zipMaps.includes(node)) nodes.push(node);
    else if (outputs.has(name)) {
      const labels = zipMapLabels(node);
      outputs.set(name, buildValueInfo(name, 'float', [null, labels.length === 0 ? null : labels.length]));
      nodes.push({ ...node, opType: 'Identity', domain: '', attributes: [] });
      if (!metadata.some(entry => entry.key === classesKey))
        metadata.push({ key: classesKey, value: JSON.stringify(labels) });
      changes.push(
        `ZipMap removed: the output "${name}" is now a float tensor with one column per class (${labels.length}).`,
      );
    } else changes.push(`ZipMap "${node.name || name}" removed: its result was not an output.`);
  }
  return {
    ...model,
    metadataProps: metadata,
    graph: { ...graph, nodes, outputs: graph.outputs.map(output => outputs.get(output.name)!) },
  };
}

function zipMapLabels(node: NodeProto): (string | number)[] {
  const strings = node.attributes.find(attribute => attribute.name === 'classlabels_strings')?.strings;
  const ints = node.attributes.find(attribute => attribute.name === 'classlabels_int64s')?.ints;
  if (strings !== undefined) return strings.map(label => decodeText(label));
  return [...(ints ?? [])].map(Number);
}
