import { OnnxError } from '../../onnx-error.ts';
import type { SourceFile } from '../convert.ts';
import { TensorBundle } from './tensor-bundle.ts';
import type { TfGraph, TfNode, TfTensor } from './tf-graph.ts';

/** Values of the variables of a SavedModel, found the way loading it would: by its own restore operations. */
export class Variables {
  readonly #bundle: TensorBundle | undefined;
  readonly #keys: ReadonlyMap<string, string>;

  /** @throws OnnxError `truncated`, `source_malformed` for a damaged index */
  constructor(graph: TfGraph, main: string, files: readonly SourceFile[]) {
    const folder = main.slice(0, main.lastIndexOf('/') + 1);
    const name = 'variables/variables.index';
    const index =
      files.find(file => file.name === folder + name) ?? files.find(file => file.name.endsWith('variables.index'));
    this.#bundle = index === undefined ? undefined : new TensorBundle(index.bytes, files);
    this.#keys = restoredKeys(graph);
  }

  /** @throws OnnxError `missing_file` when the folder is missing or has no value for the variable */
  read(node: string, sharedName: string): TfTensor {
    if (this.#bundle === undefined)
      throw new OnnxError(
        'missing_file',
        'The folder "variables" (variables.index and its data files) is missing; give the whole SavedModel folder.',
        { node },
      );
    const keys = [this.#keys.get(node), sharedName, node, `${sharedName}/.ATTRIBUTES/VARIABLE_VALUE`];
    for (const key of keys) {
      const tensor = key === undefined ? undefined : this.#bundle.read(key);
      if (tensor !== undefined) return tensor;
    }
    throw new OnnxError(
      'missing_file',
      `The variables folder has no value for "${sharedName}"; give the folder that was saved with this graph.`,
      { node },
    );
  }
}

/** Checkpoint key of every variable, by the node that makes it. */
function restoredKeys(graph: TfGraph): Map<string, string> {
  const keys = new Map<string, string>();
  const main = new Map(graph.nodes.map(node => [node.name, node]));
  collect(graph.nodes, reference => variableNode(main, reference), keys);
  for (const call of graph.nodes) {
    const called = graph.functions.get(call.attrs.get('f')?.func ?? '');
    if (called === undefined || !called.nodes.some(node => node.op === 'RestoreV2')) continue;
    const data = call.inputs.filter(input => !input.startsWith('^'));
    const given = new Map(called.inputs.map((name, i) => [name, data[i]]));
    collect(
      called.nodes,
      reference => {
        const argument = given.get(reference.split(':')[0] ?? '');
        return argument === undefined ? undefined : variableNode(main, argument);
      },
      keys,
    );
  }
  return keys;
}

/** The node behind a reference when it makes a variable. */
function variableNode(nodes: ReadonlyMap<string, TfNode>, reference: string): string | undefined {
  let name = reference.split(':')[0] ?? '';
  for (let hops = 0; hops < 16; hops++) {
    const node = nodes.get(name);
    if (node?.op === 'VarHandleOp' || node?.op === 'VariableV2' || node?.op === 'Variable') return name;
    if (node?.op !== 'Identity') return undefined;
    name = node.inputs[0]?.split(':')[0] ?? '';
  }
  return undefined;
}

function collect(
  nodes: readonly TfNode[],
  target: (reference: string) => string | undefined,
  into: Map<string, string>,
): void {
  const byName = new Map(nodes.map(node => [node.name, node]));
  for (const node of nodes) {
    if (node.op !== 'AssignVariableOp' && node.op !== 'Assign') continue;
    const [handle, value] = node.inputs;
    const variable = handle === undefined ? undefined : target(handle);
    const key = value === undefined ? undefined : restoredKey(byName, value);
    if (variable !== undefined && key !== undefined && !into.has(variable)) into.set(variable, key);
  }
}

/** The checkpoint key whose tensor a reference carries, through Identity and the like. */
function restoredKey(nodes: ReadonlyMap<string, TfNode>, reference: string): string | undefined {
  let current = reference;
  for (let hops = 0; hops < 16; hops++) {
    const parts = current.split(':');
    const node = nodes.get(parts[0] ?? '');
    if (node === undefined) return undefined;
    if (node.op === 'RestoreV2') {
      const names = nodes.get(node.inputs[1]?.split(':')[0] ?? '')?.attrs.get('value')?.tensor?.texts;
      return names?.[Number(parts.at(-1)) || 0] ?? undefined;
    }
    if (node.op !== 'Identity' && node.op !== 'Reshape') return undefined;
    current = node.inputs[0] ?? '';
  }
  return undefined;
}
