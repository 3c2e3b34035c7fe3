import { OnnxError } from '../../onnx-error.ts';
import type { ConverterSettings } from '../report.ts';
import type { TfGraph, TfNode, TfPort, TfSignature } from './tf-graph.ts';

type Choice = Pick<ConverterSettings, 'inputs' | 'outputs'>;

/** Signatures for training and initialisation are not for serving. */
const internalSignatures = new Set(['__saved_model_init_op', '__saved_model_train_op']);

/** The signature of a SavedModel to convert. @throws OnnxError `bad_option` listing those it has */
export function chooseSignature(
  signatures: ReadonlyMap<string, TfSignature>,
  asked: string | undefined,
): { readonly name: string; readonly signature: TfSignature; readonly note: string | undefined } {
  const names = [...signatures.keys()].filter(name => !internalSignatures.has(name)).sort();
  const listed = names.length === 0 ? 'none' : names.map(name => `"${name}"`).join(', ');
  const name = asked ?? (names.includes('serving_default') ? 'serving_default' : names[0]);
  const signature = name === undefined ? undefined : signatures.get(name);
  if (name === undefined || signature === undefined)
    throw new OnnxError(
      'bad_option',
      asked === undefined
        ? 'The SavedModel has no signature; save it with signatures=model.call.get_concrete_function(...).'
        : `The SavedModel has no signature "${asked}"; it has ${listed}.`,
    );
  if (asked === undefined && name !== 'serving_default' && names.length > 1)
    throw new OnnxError(
      'bad_option',
      `The SavedModel has the signatures ${listed} and no "serving_default"; choose one with the option "signature".`,
    );
  const note = names.length > 1 ? `The signature "${name}" was converted; the file has ${listed}.` : undefined;
  return { name, signature, note };
}

/** The signature a graph model carries, or inputs and outputs found in the graph. */
export function signatureOf(graph: TfGraph, own: TfSignature | undefined, choice: Choice): TfSignature {
  return own !== undefined && own.outputs.length > 0 ? own : openSignature(graph, choice);
}

/** Inputs and outputs of a graph that names none: placeholders, and nodes whose value nothing reads. */
export function openSignature(graph: TfGraph, settings: Choice): TfSignature {
  const nodes = new Map(graph.nodes.map(node => [node.name, node]));
  const base = (reference: string): string => reference.replace(/^\^/, '').split(':')[0] ?? '';
  const port = (reference: string): TfPort => {
    const node = nodes.get(base(reference));
    if (node === undefined)
      throw new OnnxError('bad_option', `The graph has no node "${base(reference)}".`, { node: base(reference) });
    return {
      key: reference.replace(/:0$/, ''),
      tensor: reference,
      dtype: typeOf(node),
      shape: node.attrs.get('shape')?.shape,
    };
  };
  const inputs = settings.inputs ?? graph.nodes.filter(node => node.op === 'Placeholder').map(node => node.name);
  const read = new Set(graph.nodes.flatMap(node => node.inputs.map(base)));
  const isEnd = (node: TfNode): boolean =>
    !read.has(node.name) && !['Const', 'NoOp', 'Placeholder', 'Assert', 'SaveV2'].includes(node.op);
  const outputs = settings.outputs ?? graph.nodes.filter(isEnd).map(node => node.name);
  if (outputs.length === 0)
    throw new OnnxError('not_a_model', 'The TensorFlow graph has no node that could be its output.');
  return { inputs: inputs.map(port), outputs: outputs.map(port) };
}

export function typeOf(node: TfNode): number {
  return (node.attrs.get('dtype') ?? node.attrs.get('T'))?.type ?? 0;
}
