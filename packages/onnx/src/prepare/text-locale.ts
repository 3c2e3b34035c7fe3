import { type AttributeProto, attributeType, type ModelProto, type NodeProto } from '../model/proto.ts';
import { decodeText } from '../wire/wire-reader.ts';
import { editedGraph, editedNode } from './edit-nodes.ts';

/** The locale that exists on slim images and still lower-cases beyond ASCII. */
const portableLocale = 'C.UTF-8';

/** Text normalisation uses a locale that every system has. */
export function withPortableLocale(model: ModelProto, changes: string[]): ModelProto {
  const edit = (node: NodeProto): NodeProto => (needsPortableLocale(node) ? withLocale(node, changes) : node);
  const graph = editedGraph(model.graph, edit);
  const functions = model.functions.map(fn => {
    const nodes = fn.nodes.map(node => editedNode(node, edit));
    return nodes.some((node, i) => node !== fn.nodes[i]) ? { ...fn, nodes } : fn;
  });
  return { ...model, graph, functions };
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
