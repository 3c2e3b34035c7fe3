import type { ValueInfoProto } from '../../model/proto.ts';
import type { GraphWalk, Scope } from './graph-walk.ts';
import { scalarOf } from './integers.ts';
import { tensorInfo } from './onnx-writer.ts';
import type { OpCall } from './op-call.ts';
import { dt, type TfFunction, type TfNode, tfType } from './tf-graph.ts';
import { refused, type TensorValue, type TfValue } from './tf-value.ts';

/** A TensorFlow condition as a scalar truth value; numbers count as true when they are not 0. */
function condition(call: OpCall, value: TfValue | undefined): string {
  if (value?.kind !== 'tensor') return call.refuse('its condition is no tensor');
  const name = value.dtype === dt.bool ? value.name : call.cast(value.name, dt.bool);
  return value.shape?.length === 0 ? name : call.op('Reshape', [name, call.w.ints([])]);
}

function branch(walk: GraphWalk, call: OpCall, attribute: string): TfFunction {
  const name = call.node.attrs.get(attribute)?.func ?? '';
  return walk.function(name) ?? call.refuse(`the function "${name}" is not in the file`);
}

/** Only tensors pass the border of a nested graph. */
function tensors(call: OpCall, values: readonly TfValue[]): readonly TensorValue[] {
  const found = values.filter(value => value.kind === 'tensor');
  return found.length === values.length ? found : call.refuse('a branch gives something that is not a tensor');
}

/** If and StatelessIf: both functions written as nested graphs, or only one when the condition is constant. */
export function writeIf(walk: GraphWalk, scope: Scope, call: OpCall): readonly TfValue[] {
  const [predicate, ...inputs] = call.inputs;
  const [yes, no] = [branch(walk, call, 'then_branch'), branch(walk, call, 'else_branch')];
  const known = predicate?.kind === 'tensor' ? scalarOf(predicate) : undefined;
  const prefix = `${scope.prefix}${call.node.name}/`;
  if (known !== undefined) return walk.inline(known === 0 ? no : yes, inputs, scope, prefix);
  const test = condition(call, predicate);
  const results: (readonly TensorValue[])[] = [];
  const write = (called: TfFunction, side: string): ReturnType<typeof walk.w.nested> =>
    walk.w.nested(side, () => {
      const values = walk.inline(called, inputs, scope, `${prefix}${side}/`);
      const isRefused = values.some(value => value.kind === 'refused');
      const given = isRefused ? [] : tensors(call, values);
      results.push(given);
      const outputs = given.map((value, i) => {
        const name = walk.w.name(`${prefix}${side}_${i}`);
        walk.w.rename(value.name, name);
        return tensorInfo(name, tfType(value.dtype).onnx, value.shape);
      });
      return { inputs: [], outputs };
    });
  const [thenGraph, elseGraph] = [write(yes, 'then'), write(no, 'else')];
  const [first = [], second = []] = results;
  if (first.length !== second.length || first.length === 0) return call.node.attrs.size > 0 ? [refused] : [];
  walk.w.scope = scope.prefix + call.node.name;
  const outputs = walk.w.many('If', [test], first.length, { then_branch: thenGraph, else_branch: elseGraph });
  return outputs.map((name, i) => {
    const [a, b] = [first[i]?.shape, second[i]?.shape];
    const shape = a?.length === b?.length ? a?.map((dim, at) => (dim === b?.[at] ? dim : null)) : undefined;
    return call.value(name, first[i]?.dtype ?? dt.float, shape);
  });
}

/** What is carried from turn to turn of a loop. */
type Carried = Extract<TfValue, { readonly kind: 'sequence' | 'tensor' }>;

function carriedType(value: Carried): { readonly type: number; readonly isSequence: boolean } {
  return { type: tfType(value.dtype).onnx, isSequence: value.kind === 'sequence' };
}

function carriedInfo(name: string, value: Carried): ValueInfoProto {
  const { type, isSequence } = carriedType(value);
  if (!isSequence) return tensorInfo(name, type, undefined);
  const elem = { kind: 'tensor' as const, elemType: type, unknown: [] };
  return { name, docString: '', type: { kind: 'sequence', elem, unknown: [] }, unknown: [] };
}

/**
 * While and StatelessWhile as Loop: the condition is asked once before and again at the end of every turn. Values that
 * the body hands on unchanged, variables and lists that are only read stay outside.
 */
export function writeWhile(walk: GraphWalk, scope: Scope, call: OpCall): readonly TfValue[] {
  const [body, test] = [branch(walk, call, 'body'), branch(walk, call, 'cond')];
  const prefix = `${scope.prefix}${call.node.name}/`;
  const isFixed = (i: number): boolean => body.returns.get(body.outputs[i] ?? '') === body.inputs[i];
  const carried: Carried[] = [];
  const places: number[] = [];
  call.inputs.forEach((value, i) => {
    if (isFixed(i) || value.kind === 'stack' || value.kind === 'variable') return;
    if (value.kind === 'refused') return;
    carried.push(value.kind === 'sequence' && value.name === '' ? emptySequence(walk, value) : value);
    places.push(i);
  });
  const before = walk.inline(test, withCarried(call.inputs, places, carried), scope, `${prefix}cond/`);
  if (before[0]?.kind === 'refused') return [refused];
  const start = condition(call, before[0]);
  let isRefused = false;
  const graph = walk.w.nested(`${call.node.name}_body`, () => {
    const names = carried.map((_, i) => walk.w.name(`${prefix}in_${i}`));
    const inner = carried.map((value, i): Carried => renamed(value, names[i] ?? ''));
    const results = walk.inline(body, withCarried(call.inputs, places, inner), scope, `${prefix}body/`);
    const next = places.map(place => results[place] ?? refused);
    const again = walk.inline(test, withCarried(call.inputs, places, next), scope, `${prefix}cond_again/`);
    isRefused = next.some(value => value.kind !== 'tensor' && value.kind !== 'sequence') || again[0]?.kind !== 'tensor';
    const keepGoing = walk.w.name(`${prefix}continue`);
    if (!isRefused) walk.w.rename(condition(call, again[0]), keepGoing);
    const outputs = next.map((value, i) => {
      const name = walk.w.name(`${prefix}out_${i}`);
      if (value.kind === 'tensor' || value.kind === 'sequence') walk.w.rename(value.name, name);
      return carriedInfo(name, carried[i] ?? { kind: 'tensor', name, dtype: dt.float, shape: undefined });
    });
    const turn = walk.w.name(`${prefix}turn`);
    const going = walk.w.name(`${prefix}going`);
    return {
      inputs: [
        tensorInfo(turn, 7, []),
        tensorInfo(going, 9, []),
        ...names.map((name, i) => carriedInfo(name, carried[i] ?? renamed(refusedCarried, name))),
      ],
      outputs: [tensorInfo(keepGoing, 9, []), ...outputs],
    };
  });
  if (isRefused) return call.refuse('its body changes something that is not a tensor');
  walk.w.scope = scope.prefix + call.node.name;
  const outputs = walk.w.many('Loop', ['', start, ...carried.map(value => value.name)], carried.length, {
    body: graph,
  });
  const results = carried.map((value, i) => renamed(value, outputs[i] ?? ''));
  return withCarried(call.inputs, places, results);
}

const refusedCarried: Carried = { kind: 'tensor', name: '', dtype: dt.float, shape: undefined };

/** The value under another name; its elements and sizes may change in the loop. */
function renamed(value: Carried, name: string): Carried {
  if (value.kind === 'sequence') return { ...value, name };
  return { kind: 'tensor', name, dtype: value.dtype, shape: value.shape?.map(() => null) };
}

function emptySequence(walk: GraphWalk, value: Extract<TfValue, { readonly kind: 'sequence' }>): Carried {
  return { ...value, name: walk.w.op('SequenceEmpty', [], { dtype: BigInt(tfType(value.dtype).onnx) }) };
}

function withCarried(inputs: readonly TfValue[], places: readonly number[], values: readonly TfValue[]): TfValue[] {
  const all = [...inputs];
  places.forEach((place, i) => {
    all[place] = values[i] ?? refused;
  });
  return all;
}

interface Branches {
  /** Reference of the condition. */
  readonly predicate: string;
  readonly yes: string;
  readonly no: string;
}

/** The two computed values and an If that hands one of them on, so that shapes may differ. */
export function writeMerge(walk: GraphWalk, call: OpCall): TfValue {
  const [predicate, yes, no] = call.inputs;
  const test = condition(call, predicate);
  const [a, b] = tensors(call, [yes ?? refused, no ?? refused]);
  if (a === undefined || b === undefined) return refused;
  const side = (value: TensorValue, name: string): ReturnType<typeof walk.w.nested> =>
    walk.w.nested(name, () => {
      const output = walk.w.name(`${walk.w.scope}/${name}`);
      walk.w.rename(value.name, output);
      return { inputs: [], outputs: [tensorInfo(output, tfType(value.dtype).onnx, undefined)] };
    });
  const attributes = { then_branch: side(a, 'then'), else_branch: side(b, 'else') };
  return call.value(call.op('If', [test], attributes), a.dtype, undefined);
}

/** Finds the Switch whose two sides meet in a Merge: one input comes from its true side alone, one from the false. */
export function findBranches(scope: Scope, node: TfNode): Branches | undefined {
  const inputs = node.inputs.filter(input => !input.startsWith('^'));
  const [first, second] = inputs;
  if (inputs.length !== 2 || first === undefined || second === undefined) return undefined;
  const [sidesA, sidesB] = [sidesOf(scope, first), sidesOf(scope, second)];
  for (const [predicate, sides] of sidesA) {
    const others = sidesB.get(predicate);
    if (sides.size !== 1 || others?.size !== 1) continue;
    const [a, b] = [[...sides][0], [...others][0]];
    if (a === b) continue;
    return a === 1 ? { predicate, yes: first, no: second } : { predicate, yes: second, no: first };
  }
  return undefined;
}

/** Nodes looked at to find the Switch of a Merge. */
const maxSearched = 20_000;

/** Every condition a value depends on through a Switch, with the sides it comes from. */
function sidesOf(scope: Scope, reference: string): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  const seen = new Set<string>();
  const stack = [reference];
  for (let next = stack.pop(); next !== undefined && seen.size < maxSearched; next = stack.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const [name = '', port] = next.replace(/^\^/, '').split(':');
    const node = scope.nodes.get(name);
    if (node === undefined) continue;
    const predicate = node.op === 'Switch' ? node.inputs[1] : undefined;
    if (predicate !== undefined) {
      const sides = found.get(predicate) ?? new Set<number>();
      sides.add(Number(port ?? 0));
      found.set(predicate, sides);
    }
    for (const input of predicate === undefined ? node.inputs : node.inputs.slice(0, 1)) stack.push(input);
  }
  return found;
}
