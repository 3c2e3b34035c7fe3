import type { NodeProto } from '../../model/proto.ts';
import { evaluateConstant } from './evaluate-constant.ts';
import { constantInts, findAttribute, type GraphState, intsAttribute } from './graph-state.ts';
import { isIdentity } from './rearrange.ts';

/** Computes nodes over constants, and takes out nodes that pass their input through. */
export function foldConstants(state: GraphState): void {
  const alias = new Map<string, string>();
  const kept: NodeProto[] = [];
  const producers = new Map<string, NodeProto>();
  for (const original of state.nodes) {
    const node = withInputs(
      original,
      original.inputs.map(name => alias.get(name) ?? name),
    );
    const [output] = node.outputs;
    const [input] = node.inputs;
    if (output === undefined) continue;
    const constant = node.opType === 'Constant' ? constantValue(node) : evaluateConstant(state, node);
    if (constant !== undefined && !state.graphOutputs.has(output)) {
      state.constants.set(output, { ...constant, name: output });
      continue;
    }
    if (constant !== undefined && node.opType !== 'Identity') {
      const name = state.fresh(`${output}_value`);
      state.constants.set(name, { ...constant, name });
      kept.push(identity(node, name, output));
      continue;
    }
    if (input !== undefined && passesThrough(state, node)) {
      if (state.pinned.has(output)) kept.push(identity(node, input, output));
      else alias.set(output, input);
      continue;
    }
    const merged = mergedReshape(state, node, producers);
    for (const name of merged.outputs) producers.set(name, merged);
    kept.push(merged);
  }
  state.nodes = kept;
}

export function withInputs(node: NodeProto, inputs: readonly string[]): NodeProto {
  return inputs.every((name, i) => name === node.inputs[i]) ? node : { ...node, inputs };
}

function identity(node: NodeProto, input: string, output: string): NodeProto {
  return { ...node, opType: 'Identity', domain: '', inputs: [input], outputs: [output], attributes: [] };
}

function constantValue(node: NodeProto): NonNullable<ReturnType<typeof evaluateConstant>> | undefined {
  const value = findAttribute(node, 'value')?.t;
  return node.domain === '' && value !== undefined && !value.isExternal ? value : undefined;
}

function passesThrough(state: GraphState, node: NodeProto): boolean {
  if (node.domain !== '' || node.outputs.length !== 1) return false;
  switch (node.opType) {
    case 'Identity':
      return true;
    case 'Dropout':
      return node.inputs.length < 3;
    case 'Transpose': {
      const perm = intsAttribute(node, 'perm');
      return perm !== undefined && isIdentity(perm);
    }
    case 'Pad': {
      const pads = constantInts(state, node.inputs[1]);
      return pads?.every(pad => pad === 0) ?? false;
    }
    case 'Concat':
    case 'Sum':
    case 'Max':
    case 'Min':
    case 'Mean':
      return node.inputs.length === 1;
    case 'Unsqueeze':
      return constantInts(state, node.inputs[1])?.length === 0;
    default:
      return false;
  }
}

/** A reshape of a reshape needs only the last one, when that one takes no size over from its input. */
function mergedReshape(state: GraphState, node: NodeProto, producers: ReadonlyMap<string, NodeProto>): NodeProto {
  const before = producers.get(node.inputs[0] ?? '');
  const first = before?.inputs[0];
  if (node.opType !== 'Reshape' || node.domain !== '' || before?.domain !== '' || first === undefined) return node;
  if (before.opType !== 'Reshape' && before.opType !== 'Squeeze' && before.opType !== 'Unsqueeze') return node;
  const shape = constantInts(state, node.inputs[1]);
  if (shape === undefined || shape.includes(0)) return node;
  return { ...node, inputs: [first, ...node.inputs.slice(1)] };
}
