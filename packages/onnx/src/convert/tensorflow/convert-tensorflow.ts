import type { ModelProto } from '../../model/proto.ts';
import { OnnxError } from '../../onnx-error.ts';
import { WireReader } from '../../wire/wire-reader.ts';
import type { SourceFile } from '../convert.ts';
import type { ConverterSettings } from '../report.ts';
import { simplifyModel } from '../simplify/simplify-graph.ts';
import type { ConvertedGraph } from '../sklearn/convert-sklearn.ts';
import { GraphWalk, type Refusal } from './graph-walk.ts';
import { OnnxWriter, tensorInfo } from './onnx-writer.ts';
import { readGraphDef, requireNodes } from './read-graph-def.ts';
import { readSavedModel } from './read-saved-model.ts';
import { readTfjsGraph } from './read-tfjs-graph.ts';
import { chooseSignature, openSignature, signatureOf, typeOf } from './signature.ts';
import {
  type TfGraph,
  type TfNode,
  type TfPort,
  type TfShape,
  type TfSignature,
  type TfTensor,
  tfType,
} from './tf-graph.ts';
import type { TfValue } from './tf-value.ts';
import { Variables } from './variables.ts';

/** A TensorFlow.js graph model (model.json and its weight files). */
export function convertTfjsGraph(
  bytes: Uint8Array,
  files: readonly SourceFile[],
  settings: ConverterSettings,
): ConvertedGraph {
  const { graph, signature, version } = readTfjsGraph(bytes, files);
  requireNodes(graph);
  const written = writeGraph(graph, signatureOf(graph, signature, settings), noVariables, settings);
  return asGraph(written, 'TensorFlow.js', version, 'graph model');
}

/** A frozen GraphDef: inputs are its placeholders, outputs what nothing else reads. */
export function convertGraphDef(
  bytes: Uint8Array,
  _files: readonly SourceFile[],
  settings: ConverterSettings,
): ConvertedGraph {
  const graph = requireNodes(readGraphDef(new WireReader(bytes)));
  const written = writeGraph(graph, openSignature(graph, settings), noVariables, settings);
  return asGraph(written, 'TensorFlow', undefined, 'frozen graph');
}

/** A SavedModel folder: saved_model.pb and variables/. */
export function convertSavedModel(
  bytes: Uint8Array,
  files: readonly SourceFile[],
  settings: ConverterSettings,
): ConvertedGraph {
  const { graph, signatures, version } = readSavedModel(bytes);
  const { name, signature, note } = chooseSignature(signatures, settings.signature);
  const main = files.find(file => file.bytes === bytes)?.name ?? '';
  const variables = new Variables(graph, main, files);
  const written = writeGraph(graph, signature, (node, key) => variables.read(node, key), settings);
  const notes = note === undefined ? written.notes : [note, ...written.notes];
  return asGraph({ ...written, notes }, 'TensorFlow', version, `SavedModel signature ${name}`);
}

function noVariables(node: string): TfTensor {
  throw new OnnxError(
    'missing_file',
    `The graph reads the variable "${node}" but holds no variables; freeze it, or give the SavedModel folder.`,
    { node },
  );
}

interface Written {
  readonly model: ModelProto;
  readonly notes: readonly string[];
}

function writeGraph(
  graph: TfGraph,
  signature: TfSignature,
  variable: (node: string, key: string) => TfTensor,
  settings: ConverterSettings,
): Written {
  const w = new OnnxWriter();
  for (const { key } of [...signature.inputs, ...signature.outputs]) w.reserve(key);
  const walk = new GraphWalk(graph, w, variable);
  const nodes = new Map(graph.nodes.map(node => [node.name, node]));
  const inputs = signature.inputs.map(port => openPort(port, nodes));
  const args = new Map<string, TfValue>(
    inputs.map(({ key, node, dtype, shape }) => [node, { kind: 'tensor', name: key, dtype, shape }]),
  );
  const scope = walk.root(args);
  const references = signature.outputs.map(port => port.tensor);
  walk.checkEffects(scope, references);
  const results = references.map(reference => walk.resolve(scope, reference));
  for (const { key, node, dtype } of inputs)
    if (tfType(dtype).onnx === 0 && walk.refusals.size === 0) throw refusedInput(key, node, dtype);
  const outputs = signature.outputs.map(({ key, shape }, i) => {
    const value = results[i];
    const onnx = value?.kind === 'tensor' ? tfType(value.dtype).onnx : 0;
    if (value?.kind !== 'tensor' || onnx === 0) {
      if (walk.refusals.size === 0)
        walk.refuse(scope, nodes.get(references[i]?.split(':')[0] ?? ''), 'the output is not a tensor of numbers');
      return tensorInfo(key, 1, undefined);
    }
    w.rename(value.name, key);
    return tensorInfo(key, onnx, named(value.shape ?? shape));
  });
  if (walk.refusals.size > 0) throw refusedNodes([...walk.refusals.values()]);
  const infos = inputs.map(({ key, dtype, shape }) => tensorInfo(key, tfType(dtype).onnx, named(shape)));
  const full = w.model(infos, outputs, settings.producerVersion);
  const model = simplifyModel(full);
  const before = graph.nodes.length + [...graph.functions.values()].reduce((sum, fn) => sum + fn.nodes.length, 0);
  return { model, notes: [`${before} TensorFlow nodes became ${model.graph.nodes.length} ONNX nodes.`] };
}

/** An open first axis is the batch; the other open axes stay without a name. */
function named(shape: TfShape): readonly (number | string | null)[] | undefined {
  return shape?.map((dim, i) => (dim === null && i === 0 ? 'batch' : dim));
}

/** The node a signature input stands for, with type and shape from wherever they are known. */
function openPort(
  port: TfPort,
  nodes: ReadonlyMap<string, TfNode>,
): { readonly key: string; readonly node: string; readonly dtype: number; readonly shape: TfShape } {
  const node = port.tensor.split(':')[0] ?? '';
  const found = nodes.get(node);
  if (found === undefined)
    throw new OnnxError('source_malformed', `The signature names the input "${port.tensor}", which the graph lacks.`, {
      node: port.tensor,
    });
  const declared = found.attrs.get('shape')?.shape;
  return { key: port.key, node, dtype: port.dtype || typeOf(found), shape: port.shape ?? declared };
}

function refusedInput(key: string, node: string, dtype: number): OnnxError {
  const what = `the input "${key}" is ${tfType(dtype).name}`;
  return new OnnxError('unsupported_op', `Placeholder (${node}) cannot be converted: ${what}.`, {
    node,
    op: 'Placeholder',
    unsupported: [`Placeholder (${node})`],
  });
}

/** One error for everything that does not convert. */
function refusedNodes(refusals: readonly Refusal[]): OnnxError {
  const listed = refusals.map(({ op, node, why }) => `${op} (${node})${why === undefined ? '' : `: ${why}`}`);
  const shown = listed.slice(0, 20).join('; ');
  const more = listed.length > 20 ? `; and ${listed.length - 20} more` : '';
  const [first] = refusals;
  return new OnnxError('unsupported_op', `TensorFlow nodes that cannot be converted: ${shown}${more}.`, {
    ...(first === undefined ? {} : { node: first.node, op: first.op }),
    unsupported: listed,
  });
}

function asGraph(
  written: Written,
  framework: string,
  frameworkVersion: string | undefined,
  modelClass: string,
): ConvertedGraph {
  return { ...written, framework, frameworkVersion, modelClass, featureNames: undefined, classes: undefined };
}
