import { OnnxError } from '../../onnx-error.ts';
import { WireReader } from '../../wire/wire-reader.ts';
import { readGraphDef, readShape, requireNodes } from './read-graph-def.ts';
import type { TfGraph, TfPort, TfSignature } from './tf-graph.ts';

export interface SavedModel {
  readonly graph: TfGraph;
  readonly signatures: ReadonlyMap<string, TfSignature>;
  readonly version: string | undefined;
}

const message = (field: number): number => field * 8 + 2;

/**
 * SavedModel: meta_graphs = 2. The graph tagged "serve" is taken, or the only one.
 * @throws OnnxError `truncated`, `malformed`, `not_a_model`
 */
export function readSavedModel(bytes: Uint8Array): SavedModel {
  const reader = new WireReader(bytes);
  const graphs: (SavedModel & { readonly tags: readonly string[] })[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === message(2)) graphs.push(readMetaGraph(reader.message()));
    else reader.skip(tag);
  }
  const chosen = graphs.find(graph => graph.tags.includes('serve')) ?? graphs[0];
  if (chosen === undefined) throw new OnnxError('not_a_model', 'The SavedModel has no graph; save the model again.');
  requireNodes(chosen.graph);
  return chosen;
}

/** MetaGraphDef: meta_info_def = 1, graph_def = 2, signature_def = 5. */
function readMetaGraph(reader: WireReader): SavedModel & { readonly tags: readonly string[] } {
  let graph: TfGraph = { nodes: [], functions: new Map() };
  const signatures = new Map<string, TfSignature>();
  const tags: string[] = [];
  let version: string | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === message(1)) {
      const info = reader.message();
      // MetaInfoDef: tags = 4, tensorflow_version = 5.
      for (let inner = info.tag(); inner !== 0; inner = info.tag()) {
        if (inner === message(4)) tags.push(info.string());
        else if (inner === message(5)) version = info.string();
        else info.skip(inner);
      }
    } else if (tag === message(2)) graph = readGraphDef(reader.message());
    else if (tag === message(5)) readSignatureEntry(reader.message(), signatures);
    else reader.skip(tag);
  }
  return { graph, signatures, tags, version };
}

function readSignatureEntry(reader: WireReader, into: Map<string, TfSignature>): void {
  let key = '';
  let signature: TfSignature = { inputs: [], outputs: [] };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === message(1)) key = reader.string();
    else if (tag === message(2)) signature = readSignature(reader.message());
    else reader.skip(tag);
  }
  into.set(key, signature);
}

/** SignatureDef: inputs = 1, outputs = 2, both maps of TensorInfo. */
function readSignature(reader: WireReader): TfSignature {
  const inputs: TfPort[] = [];
  const outputs: TfPort[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === message(1)) inputs.push(readPort(reader.message()));
    else if (tag === message(2)) outputs.push(readPort(reader.message()));
    else reader.skip(tag);
  }
  const byKey = (a: TfPort, b: TfPort): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
  return { inputs: inputs.sort(byKey), outputs: outputs.sort(byKey) };
}

/** Map entry of TensorInfo: name = 1, dtype = 2, tensor_shape = 3. */
function readPort(reader: WireReader): TfPort {
  let port: TfPort = { key: '', tensor: '', dtype: 0, shape: undefined };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === message(1)) port = { ...port, key: reader.string() };
    else if (tag === message(2)) {
      const tensor = reader.message();
      for (let inner = tensor.tag(); inner !== 0; inner = tensor.tag()) {
        if (inner === message(1)) port = { ...port, tensor: tensor.string() };
        else if (inner === 2 * 8) port = { ...port, dtype: tensor.varintInt32() };
        else if (inner === message(3)) port = { ...port, shape: readShape(tensor.message()) };
        else tensor.skip(inner);
      }
    } else reader.skip(tag);
  }
  return port;
}
