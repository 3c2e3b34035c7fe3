import {
  type AttributeProto,
  attributeType,
  dataType,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type StringEntry,
  type ValueInfoProto,
} from './model/proto.ts';
import { readModel } from './model/read-model.ts';
import { writeModel } from './model/write-model.ts';
import { OnnxError } from './onnx-error.ts';
import { refuseOtherKinds } from './sniff/refuse-other-kinds.ts';
import { decodeText } from './wire/wire-reader.ts';

export interface PreparedModel {
  /** The cleaned model; the very input bytes when nothing had to change. */
  readonly bytes: Uint8Array;
  /** One sentence per change. */
  readonly changes: readonly string[];
}

/** The locale that exists on slim images and still lower-cases beyond ASCII. */
const portableLocale = 'C.UTF-8';
/** Metadata key under which the class labels of a removed ZipMap survive, as a JSON array. */
export const classesKey = 'holdfast.classes';

/**
 * Makes an ONNX model servable without changing what it computes: ZipMap becomes a plain probability tensor,
 * text normalisation uses a locale that every system has, outputs that are not tensors are dropped.
 * Preparing a prepared model changes nothing; equal input gives equal bytes.
 * @throws OnnxError when the file is no ONNX model, or `non_tensor_io` when no tensor output would remain
 */
export function prepareModel(bytes: Uint8Array): PreparedModel {
  refuseOtherKinds(bytes);
  const changes: string[] = [];
  const original = readModel(bytes);
  let model = withoutZipMaps(original, changes);
  model = withPortableLocale(model, changes);
  model = withoutNonTensorOutputs(model, changes);
  return changes.length === 0 ? { bytes, changes } : { bytes: writeModel(model), changes };
}

function withoutZipMaps(model: ModelProto, changes: string[]): ModelProto {
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
      outputs.set(name, tensorOutput(name, labels.length));
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

function tensorOutput(name: string, columns: number): ValueInfoProto {
  const shape = [
    { size: undefined, unknown: [] },
    { size: columns > 0 ? BigInt(columns) : undefined, unknown: [] },
  ];
  return { name, docString: '', type: { kind: 'tensor', elemType: dataType.float, shape, unknown: [] }, unknown: [] };
}

function withPortableLocale(model: ModelProto, changes: string[]): ModelProto {
  const edit = (node: NodeProto): NodeProto => {
    const attributes = node.attributes.map(attribute => withEditedGraphs(attribute, edit));
    const nested = attributes.some((attribute, i) => attribute !== node.attributes[i]) ? { ...node, attributes } : node;
    return needsPortableLocale(node) ? withLocale(nested, changes) : nested;
  };
  const graph = editedGraph(model.graph, edit);
  const functions = model.functions.map(fn => {
    const nodes = fn.nodes.map(edit);
    return nodes.some((node, i) => node !== fn.nodes[i]) ? { ...fn, nodes } : fn;
  });
  return { ...model, graph, functions };
}

function editedGraph(graph: GraphProto, edit: (node: NodeProto) => NodeProto): GraphProto {
  const nodes = graph.nodes.map(edit);
  return nodes.some((node, i) => node !== graph.nodes[i]) ? { ...graph, nodes } : graph;
}

function withEditedGraphs(attribute: AttributeProto, edit: (node: NodeProto) => NodeProto): AttributeProto {
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

const attributeText = (node: NodeProto, name: string): string | undefined => {
  const value = node.attributes.find(attribute => attribute.name === name)?.s;
  return value === undefined ? undefined : decodeText(value);
};

/** A locale is only opened when case changes or comparison ignores case; the default is en_US. */
function needsPortableLocale(node: NodeProto): boolean {
  if (node.opType !== 'StringNormalizer' || (node.domain !== '' && node.domain !== 'ai.onnx')) return false;
  const locale = attributeText(node, 'locale');
  return locale !== portableLocale && locale !== '';
}

function withLocale(node: NodeProto, changes: string[]): NodeProto {
  changes.push(
    `StringNormalizer "${node.name || (node.outputs[0] ?? '')}" now uses the locale ${portableLocale} instead of ${attributeText(node, 'locale') ?? 'en_US'}.`,
  );
  const kept = node.attributes.filter(attribute => attribute.name !== 'locale');
  const locale: AttributeProto = {
    name: 'locale',
    refAttrName: '',
    docString: '',
    type: attributeType.string,
    s: new TextEncoder().encode(portableLocale),
    unknown: [],
  };
  return { ...node, attributes: [...kept, locale] };
}

function withoutNonTensorOutputs(model: ModelProto, changes: string[]): ModelProto {
  const isServable = (output: ValueInfoProto): boolean => output.type === undefined || output.type.kind === 'tensor';
  const outputs = model.graph.outputs.filter(isServable);
  const dropped = model.graph.outputs.filter(output => !isServable(output));
  if (dropped.length === 0) return model;
  if (outputs.length === 0) {
    const names = dropped.map(output => `"${output.name}"`).join(', ');
    throw new OnnxError(
      'non_tensor_io',
      `No output of the model is a tensor (${names}); export it with tensor outputs.`,
    );
  }
  for (const output of dropped)
    changes.push(`The output "${output.name}" is a ${output.type?.kind} and was dropped; only tensors can be served.`);
  return { ...model, graph: { ...model.graph, outputs } };
}
