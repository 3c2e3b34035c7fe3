import { OnnxError } from '../../onnx-error.ts';
import { findBranches, writeIf, writeMerge, writeWhile } from './control-flow.ts';
import { scalarOf } from './integers.ts';
import type { OnnxWriter } from './onnx-writer.ts';
import { OpCall } from './op-call.ts';
import { opRules } from './op-table.ts';
import { outputIndex } from './output-names.ts';
import { withConstant } from './small-constants.ts';
import { dt, type TfFunction, type TfGraph, type TfNode, type TfTensor, tfType } from './tf-graph.ts';
import { refused, type TensorValue, type TfValue } from './tf-value.ts';

/** Calls of functions inside functions that are followed. */
const maxDepth = 48;

/** One graph or one call of a function: its nodes, what it was given, and what is known of its values. */
export interface Scope {
  /** Put before the names of its nodes. */
  readonly prefix: string;
  readonly nodes: ReadonlyMap<string, TfNode>;
  readonly args: ReadonlyMap<string, TfValue>;
  readonly values: Map<string, readonly TfValue[]>;
  readonly calls: Map<string, OpCall>;
  readonly depth: number;
}

/** Loops of the first TensorFlow, whose edges go in circles. */
const oldLoops = new Set(['Enter', 'Exit', 'NextIteration', 'LoopCond', 'RefEnter', 'RefExit', 'RefNextIteration']);

/** Operators whose only effect would be lost: an answer that depends on them changes from call to call. */
const changesState =
  /^(Assign|AssignAdd|AssignSub|Assign\w*VariableOp|Resource(Scatter|Apply|SparseApply|StridedSliceAssign)\w*|ScatterUpdate|ScatterAdd|ScatterSub|CountUpTo|LookupTable(Insert|Import)\w*)$/;

export interface Refusal {
  readonly op: string;
  readonly node: string;
  readonly why: string | undefined;
}

/** Follows the graph back from its outputs and writes what they need, without recursion inside a graph. */
export class GraphWalk {
  readonly w: OnnxWriter;
  readonly refusals = new Map<string, Refusal>();
  readonly #graph: TfGraph;
  readonly #variable: (node: string, key: string) => TfTensor;
  readonly #tensors = new Map<string, TensorValue>();

  /** @param variable the value of a variable, by the node that makes its handle and its shared name */
  constructor(graph: TfGraph, w: OnnxWriter, variable: (node: string, key: string) => TfTensor) {
    this.#graph = graph;
    this.w = w;
    this.#variable = variable;
  }

  root(args: ReadonlyMap<string, TfValue>): Scope {
    return this.#scope('', this.#graph.nodes, args, 0);
  }

  #scope(prefix: string, nodes: readonly TfNode[], args: ReadonlyMap<string, TfValue>, depth: number): Scope {
    return {
      prefix,
      nodes: new Map(nodes.map(node => [node.name, node])),
      args,
      values: new Map(),
      calls: new Map(),
      depth,
    };
  }

  /** The value of a reference such as `node:1`. */
  resolve(scope: Scope, reference: string): TfValue {
    const { node, index } = this.#locate(scope, reference);
    const given = scope.args.get(node);
    if (given !== undefined) return given;
    this.#write(scope, node);
    const values = scope.values.get(node) ?? [];
    const value = values[index];
    if (value !== undefined) return value;
    return values.some(one => one.kind === 'refused')
      ? refused
      : this.refuse(scope, scope.nodes.get(node), `it has no output ${index}`);
  }

  #locate(scope: Scope, reference: string): { node: string; index: number } {
    const [node = '', output, index] = reference.replace(/^\^/, '').split(':');
    if (output === undefined) return { node, index: 0 };
    if (index === undefined) return { node, index: Number(output) || 0 };
    const op = scope.nodes.get(node)?.op ?? '';
    const called = this.#graph.functions.get(op);
    const base = called === undefined ? outputIndex(op, output) : Math.max(0, called.outputs.indexOf(output));
    return { node, index: base + (Number(index) || 0) };
  }

  /** Notes that a node cannot be converted and gives a value that stands for it. */
  refuse(scope: Scope, node: TfNode | undefined, why?: string): TfValue {
    const name = node === undefined ? scope.prefix : scope.prefix + node.name;
    if (!this.refusals.has(name)) this.refusals.set(name, { op: node?.op ?? 'graph', node: name, why });
    return refused;
  }

  /** Writes a node and everything before it that is not yet written. */
  #write(scope: Scope, name: string): void {
    const stack = [name];
    const open = new Set<string>();
    for (let current = stack.at(-1); current !== undefined; current = stack.at(-1)) {
      const node = scope.nodes.get(current);
      if (scope.values.has(current) || scope.args.has(current)) {
        stack.pop();
        continue;
      }
      if (node === undefined)
        throw new OnnxError('dangling_input', `The graph reads "${scope.prefix}${current}", which no node makes.`, {
          node: scope.prefix + current,
        });
      const missing = this.#needs(scope, node).filter(needed => !scope.values.has(needed) && !scope.args.has(needed));
      if (missing.length === 0) {
        scope.values.set(current, this.#emit(scope, node));
        stack.pop();
      } else if (open.has(current)) {
        throw new OnnxError('cycle', `The graph has a cycle through "${scope.prefix}${current}".`, { node: current });
      } else {
        open.add(current);
        for (const needed of missing.toReversed()) stack.push(needed);
      }
    }
  }

  #needs(scope: Scope, node: TfNode): string[] {
    if (oldLoops.has(node.op)) return [];
    const data = node.inputs.filter(input => !input.startsWith('^'));
    if (node.op === 'Merge') {
      const branch = findBranches(scope, node);
      if (branch === undefined) return [];
      const predicate = this.#locate(scope, branch.predicate).node;
      if (!scope.values.has(predicate) && !scope.args.has(predicate)) return [predicate];
      const chosen = constantBranch(this.resolve(scope, branch.predicate));
      if (chosen !== undefined) return [this.#locate(scope, chosen === 0 ? branch.no : branch.yes).node];
    }
    return data.map(input => this.#locate(scope, input).node);
  }

  #emit(scope: Scope, node: TfNode): readonly TfValue[] {
    this.w.scope = scope.prefix + node.name;
    if (oldLoops.has(node.op) || changesState.test(node.op)) return [this.refuse(scope, node)];
    try {
      if (node.op === 'Merge') return this.#merge(scope, node);
      const inputs = node.inputs.filter(input => !input.startsWith('^')).map(input => this.resolve(scope, input));
      if (inputs.some(input => input.kind === 'refused')) {
        if (!this.#isKnown(node)) this.refuse(scope, node);
        return [refused];
      }
      this.w.scope = scope.prefix + node.name;
      return this.#emitNode(scope, node, inputs);
    } catch (error) {
      if (!(error instanceof OnnxError) || error.code !== 'unsupported_op' || error.node !== node.name) throw error;
      return [this.refuse(scope, node, error.message)];
    }
  }

  #isKnown(node: TfNode): boolean {
    return opRules.has(node.op) || this.#graph.functions.has(node.op) || graphNodes.has(node.op);
  }

  #emitNode(scope: Scope, node: TfNode, inputs: readonly TfValue[]): readonly TfValue[] {
    const call = new OpCall(node, inputs, this.w, i => {
      const reference = node.inputs.filter(input => !input.startsWith('^'))[i];
      return reference === undefined ? undefined : scope.calls.get(this.#locate(scope, reference).node);
    });
    scope.calls.set(node.name, call);
    const rule = opRules.get(node.op);
    if (rule !== undefined) {
      const result = rule(call);
      const values: readonly TfValue[] = isMany(result) ? result : [result];
      return values.map((value, i) => (i === 0 && value.kind === 'tensor' ? withConstant(call, value) : value));
    }
    switch (node.op) {
      case 'Const':
        return [this.#constant(scope, node)];
      case 'NoOp':
      case 'Assert':
        return [];
      case 'Placeholder':
        return [this.refuse(scope, node, 'it is an input that the signature does not name')];
      case 'Switch':
        return [inputs[0] ?? refused, inputs[0] ?? refused];
      case 'VarHandleOp':
        return [{ kind: 'variable', node: scope.prefix + node.name, key: call.text('shared_name', node.name) }];
      case 'VariableV2':
      case 'Variable':
        return [this.#variableValue(scope.prefix + node.name, call.text('shared_name', node.name))];
      case 'ReadVariableOp':
      case 'ResourceGather':
        return [this.#read(call)];
      case 'If':
      case 'StatelessIf':
        return writeIf(this, scope, call);
      case 'While':
      case 'StatelessWhile':
        return writeWhile(this, scope, call);
      default:
        return this.#call(scope, node, inputs);
    }
  }

  #call(scope: Scope, node: TfNode, inputs: readonly TfValue[]): readonly TfValue[] {
    const isCall = node.op === 'PartitionedCall' || node.op === 'StatefulPartitionedCall';
    const called = this.function(isCall ? (node.attrs.get('f')?.func ?? '') : node.op);
    return called === undefined
      ? [this.refuse(scope, node, isCall ? 'the function it calls is not in the file' : undefined)]
      : this.inline(called, inputs, scope, `${scope.prefix}${node.name}/`);
  }

  function(name: string): TfFunction | undefined {
    return this.#graph.functions.get(name);
  }

  /** Writes the body of a function in place of its call. */
  inline(called: TfFunction, inputs: readonly TfValue[], scope: Scope, prefix: string): readonly TfValue[] {
    if (scope.depth >= maxDepth)
      throw new OnnxError(
        'too_deep',
        `Functions call each other more than ${maxDepth} levels deep ("${called.name}").`,
        {
          node: prefix,
        },
      );
    const args = new Map(called.inputs.map((name, i) => [name, inputs[i] ?? refused]));
    const inner = this.#scope(prefix, called.nodes, args, scope.depth + 1);
    this.checkEffects(inner, [...called.returns.values()]);
    return called.outputs.map(output => {
      const reference = called.returns.get(output);
      return reference === undefined ? refused : this.resolve(inner, reference);
    });
  }

  /** Refuses nodes that change variables and that the outputs wait for, even if only in order. */
  checkEffects(scope: Scope, outputs: readonly string[]): void {
    const seen = new Set<string>();
    const stack = outputs.map(output => this.#locate(scope, output).node);
    for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
      const node = seen.has(name) || scope.args.has(name) ? undefined : scope.nodes.get(name);
      seen.add(name);
      if (node === undefined) continue;
      if (changesState.test(node.op)) this.refuse(scope, node, 'it changes a variable');
      for (const input of node.inputs) stack.push(this.#locate(scope, input).node);
    }
  }

  #merge(scope: Scope, node: TfNode): readonly TfValue[] {
    const branch = findBranches(scope, node);
    if (branch === undefined) return [this.refuse(scope, node, 'it joins no two branches of one condition')];
    const predicate = this.resolve(scope, branch.predicate);
    const chosen = constantBranch(predicate);
    if (chosen !== undefined) return [this.resolve(scope, chosen === 0 ? branch.no : branch.yes)];
    const [yes, no] = [this.resolve(scope, branch.yes), this.resolve(scope, branch.no)];
    if ([predicate, yes, no].some(value => value.kind === 'refused')) return [refused];
    this.w.scope = scope.prefix + node.name;
    return [writeMerge(this, new OpCall(node, [predicate, yes, no], this.w))];
  }

  #constant(scope: Scope, node: TfNode): TfValue {
    const tensor = node.attrs.get('value')?.tensor;
    if (tensor === undefined) return this.refuse(scope, node, 'it holds no value');
    return this.constantValue(scope.prefix + node.name, tensor);
  }

  /** A constant as an initialiser; kinds ONNX has no element for stay without one until somebody reads them. */
  constantValue(name: string, tensor: TfTensor): TensorValue {
    const { onnx, bytes } = tfType(tensor.dtype);
    const total = tensor.dims.reduce((product, dim) => product * dim, 1);
    const value = { kind: 'tensor' as const, dtype: tensor.dtype, shape: tensor.dims, constant: tensor };
    if (onnx === 0) return { ...value, name: '' };
    if (tensor.bytes.length !== total * bytes)
      throw new OnnxError(
        'missing_data',
        `The constant "${name}" holds no values; its weights file does not name it.`,
        {
          node: name,
        },
      );
    return { ...value, name: this.w.raw(name, onnx, tensor.dims, tensor.bytes) };
  }

  #variableValue(node: string, key: string): TensorValue {
    const known = this.#tensors.get(node);
    if (known !== undefined) return known;
    const value = this.constantValue(node, this.#variable(node, key));
    this.#tensors.set(node, value);
    return value;
  }

  #read(call: OpCall): TfValue {
    const [handle] = call.inputs;
    if (handle?.kind !== 'variable') return call.refuse('its input is no variable of this model');
    const value = this.#variableValue(handle.node, handle.key);
    if (call.node.op === 'ReadVariableOp') return value;
    if (call.int('batch_dims', 0) !== 0) return call.refuse('batch_dims is not supported');
    const index = call.tensor(1);
    const shape = index.shape === undefined ? undefined : [...index.shape, ...(value.shape ?? []).slice(1)];
    return call.value(call.op('Gather', [value.name, index.name], { axis: 0n }), value.dtype, shape);
  }
}

const graphNodes = new Set(
  'Const NoOp Assert Placeholder Switch Merge VarHandleOp VariableV2 Variable ReadVariableOp ResourceGather If StatelessIf While StatelessWhile PartitionedCall StatefulPartitionedCall'.split(
    ' ',
  ),
);

function isMany(value: TfValue | readonly TfValue[]): value is readonly TfValue[] {
  return Array.isArray(value);
}

/** 0 or 1 when a condition is known while converting, as the switch between training and inference is. */
function constantBranch(predicate: TfValue): 0 | 1 | undefined {
  if (predicate.kind !== 'tensor' || predicate.dtype !== dt.bool) return undefined;
  const value = scalarOf(predicate);
  return value === undefined ? undefined : value === 0 ? 0 : 1;
}
