import { allNodes, domainName } from '../inspect-model.ts';
import { dataType, type GraphProto, type ModelProto, type NodeProto, type TensorProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import { OnnxError } from '../onnx-error.ts';
import { rewriteNode, type Surroundings } from './rewrite-node.ts';
import { releases } from './versions.ts';

const [oldest, newest] = [Math.min(...releases.keys()), Math.max(...releases.keys())];

/**
 * The same graph for runtimes that know ai.onnx only up to `opset`, with the IR and ai.onnx.ml versions of that time.
 * Operators that are younger are written with older ones where that computes the same.
 * @param opset 13 to 21; a model of an older one stays as it is
 * @throws OnnxError `bad_option` for another version; `unsupported_opset` with everything that needs a later one
 */
export function lowerOpset(model: ModelProto, opset: number): ModelProto {
  const release = releases.get(opset);
  const imports = new Map(model.opsetImport.map(({ domain, version }) => [domainName(domain), Number(version)]));
  const own = imports.get('ai.onnx') ?? newest;
  if (release === undefined)
    throw new OnnxError('bad_option', `Opsets ${oldest} to ${newest} can be written, not ${opset}.`);
  if (own <= opset) return model;
  if (model.functions.length > 0)
    throw new OnnxError(
      'bad_option',
      'The model has local functions; export it with them inlined to change its opset.',
    );
  const refused = new Map<string, number>();
  const taken = new Set([...allNodes(model.graph)].flatMap(node => [...node.inputs, ...node.outputs]));
  for (const { name } of [...model.graph.inputs, ...model.graph.initializers]) taken.add(name);
  let numbered = 0;
  const freeName = (stem: string): string => {
    let name = `${stem}_${opset}_${numbered++}`;
    while (taken.has(name)) name = `${stem}_${opset}_${numbered++}`;
    taken.add(name);
    return name;
  };
  const graph = rewriteGraph(model.graph, {
    opset,
    constant: () => undefined,
    isText: () => false,
    freeName,
    refuse: (because, since) => refused.set(because, Math.max(since, refused.get(because) ?? 0)),
  });
  const ml = imports.get('ai.onnx.ml');
  const neededMl = Math.max(0, ...[...allNodes(graph)].map(mlVersionOf));
  if (neededMl > release.ml) refused.set(`ai.onnx.ml ${neededMl}`, firstWithMl(neededMl));
  if (refused.size > 0) {
    const listed = [...refused].map(([because, since]) => `${because} (opset ${since})`);
    throw new OnnxError('unsupported_opset', `Opset ${opset} cannot express ${listed.join(', ')}.`, {
      unsupported: listed,
    });
  }
  return {
    ...model,
    irVersion: Math.min(model.irVersion, release.ir),
    opsetImport: model.opsetImport.map(({ domain, version }) =>
      domainName(domain) === 'ai.onnx'
        ? { domain, version: BigInt(opset) }
        : domainName(domain) === 'ai.onnx.ml'
          ? { domain, version: BigInt(Math.min(ml ?? release.ml, release.ml)) }
          : { domain, version },
    ),
    graph,
  };
}

/** {@link lowerOpset} of an ONNX file. @throws OnnxError as that does */
export function toOpset(bytes: Uint8Array, opset: number): Uint8Array {
  return writeModel(lowerOpset(readModel(bytes), opset));
}

interface Outer extends Surroundings {
  refuse(because: string, since: number): void;
}

function rewriteGraph(graph: GraphProto, outer: Outer): GraphProto {
  const constants = new Map(graph.initializers.map(tensor => [tensor.name, tensor]));
  for (const { opType, outputs, attributes } of graph.nodes) {
    const value = opType === 'Constant' ? attributes.find(attribute => attribute.name === 'value')?.t : undefined;
    if (value !== undefined && outputs[0] !== undefined) constants.set(outputs[0], value);
  }
  const texts = new Set(
    graph.inputs.flatMap(({ name, type }) =>
      type?.kind === 'tensor' && type.elemType === dataType.string ? [name] : [],
    ),
  );
  const around: Outer = {
    ...outer,
    constant: name => constants.get(name) ?? outer.constant(name),
    isText: name => texts.has(name) || constants.get(name)?.dataType === dataType.string || outer.isText(name),
  };
  const nodes: NodeProto[] = [];
  const initializers: TensorProto[] = [...graph.initializers];
  for (const node of graph.nodes) {
    const inner = withInnerGraphs(node, around);
    const rewritten = rewriteNode(inner, around);
    if (rewritten.kind === 'needs') around.refuse(rewritten.because, rewritten.opset);
    else {
      nodes.push(...rewritten.nodes);
      initializers.push(...(rewritten.initializers ?? []));
    }
  }
  return { ...graph, nodes, initializers };
}

function withInnerGraphs(node: NodeProto, around: Outer): NodeProto {
  if (!node.attributes.some(({ g, graphs }) => g ?? graphs)) return node;
  const attributes = node.attributes.map(attribute => ({
    ...attribute,
    ...(attribute.g !== undefined && { g: rewriteGraph(attribute.g, around) }),
    ...(attribute.graphs !== undefined && { graphs: attribute.graphs.map(graph => rewriteGraph(graph, around)) }),
  }));
  return { ...node, attributes };
}

/** The version of ai.onnx.ml that a node needs at least, 0 for nodes of other domains. */
function mlVersionOf({ domain, opType, attributes }: NodeProto): number {
  if (domain !== 'ai.onnx.ml') return 0;
  const has = (pattern: RegExp): boolean => attributes.some(({ name }) => pattern.test(name));
  if (opType === 'TreeEnsemble') return 5;
  if (opType === 'LabelEncoder') return has(/_tensor$/) ? 4 : has(/^(keys|values)_/) ? 2 : 1;
  return opType.startsWith('TreeEnsemble') && has(/_as_tensor$/) ? 3 : 1;
}

function firstWithMl(version: number): number {
  return [...releases].find(([, { ml }]) => ml >= version)?.[0] ?? newest;
}
