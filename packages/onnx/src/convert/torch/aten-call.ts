import type { BuildType } from '../../model/build.ts';
import { OnnxError } from '../../onnx-error.ts';
import { optionalField } from '../boosting/json-fields.ts';
import type { GraphBuilder } from '../graph-builder.ts';
import type { Pt2Node, Pt2Program, SymbolicSize } from './read-pt2.ts';

type PlainType = Exclude<BuildType, 'string'>;

/** Values of a program on its way into a graph: tensors by name, and whole numbers known only at run time. */
export interface AtenScope {
  readonly graph: GraphBuilder;
  readonly program: Pt2Program;
  readonly tensors: Map<string, string>;
  /** Symbolic integers as int64 scalars. */
  readonly sizes: Map<string, string>;
  /** Element types of values, as emitted. */
  readonly types: Map<string, PlainType>;
}

/** Arguments that change no element of a result, or say what the declared result says already. */
const withoutEffect = new Set(
  (
    'memory_format device layout dtype pin_memory non_blocking copy requires_grad implicit momentum cudnn_enabled ' +
    'padding_idx scale_grad_by_freq sparse sparse_grad half_to_float N C HxW p sorted chunks split_size split_sizes'
  ).split(' '),
);

/** One operator of an exported program, with its arguments at hand by the names of the ATen schema. */
export class AtenCall {
  readonly node: Pt2Node;
  readonly scope: AtenScope;
  readonly #read = new Set<string>();

  constructor(node: Pt2Node, scope: AtenScope) {
    this.node = node;
    this.scope = scope;
  }

  get graph(): GraphBuilder {
    return this.scope.graph;
  }

  get place(): string {
    return this.outputNames()[0] ?? this.node.target;
  }

  refuse(what: string): OnnxError {
    const sentence = `${this.node.target} "${this.place}" ${what}`;
    return new OnnxError('unsupported_source', `${sentence}.`, {
      node: this.place,
      op: this.node.target,
      unsupported: [sentence],
    });
  }

  /** An argument as the file has it; asking for it counts as reading it. */
  argument(name: string): unknown {
    this.#read.add(name);
    return this.node.inputs.get(name);
  }

  /** Whether the call names an argument, given or not: overloads of one operator differ by their names. */
  names(name: string): boolean {
    return this.node.inputs.has(name);
  }

  /** Arguments that are given and that nobody asked for: an overload the operator's rule does not know. */
  unread(): string[] {
    return [...this.node.inputs.keys()].filter(name => {
      if (this.#read.has(name) || withoutEffect.has(name)) return false;
      return this.has(name) && optionalField(this.node.inputs.get(name), 'as_bool') !== false;
    });
  }

  has(name: string): boolean {
    const argument = this.argument(name);
    return argument !== undefined && optionalField(argument, 'as_none') === undefined;
  }

  #argument(name: string, kind: string): unknown {
    return optionalField(this.argument(name), kind);
  }

  /** Name of a tensor argument. */
  tensorName(name: string): string {
    const found = optionalField(this.argument(name), 'as_tensor', 'name');
    if (typeof found !== 'string') throw this.refuse(`lacks the tensor "${name}"`);
    return found;
  }

  tensor(name: string): string {
    return this.valueOf(this.tensorName(name));
  }

  valueOf(tensorName: string): string {
    const value = this.scope.tensors.get(tensorName);
    if (value === undefined)
      throw new OnnxError(
        'source_malformed',
        `The exported program uses "${tensorName}" before anything computes it.`,
        { node: tensorName },
      );
    return value;
  }

  typeOf(tensorName: string): PlainType {
    const type = this.scope.types.get(tensorName) ?? this.scope.program.tensors.get(tensorName)?.type;
    if (type === undefined)
      throw this.refuse(`has the type ${this.scope.program.tensors.get(tensorName)?.typeName ?? 'unknown'}`);
    return type;
  }

  shapeOf(name: string): readonly SymbolicSize[] {
    const meta = this.scope.program.tensors.get(this.tensorName(name));
    if (meta === undefined) throw this.refuse(`has no shape for "${name}"`);
    return meta.shape;
  }

  shapeOfResult(): readonly SymbolicSize[] {
    const meta = this.scope.program.tensors.get(this.outputNames()[0] ?? '');
    if (meta === undefined) throw this.refuse('has no shape for its result');
    return meta.shape;
  }

  rank(name: string): number {
    return this.shapeOf(name).length;
  }

  /** A dimension counted from the front. */
  axis(axis: number, rank: number): number {
    const positive = axis < 0 ? axis + Math.max(1, rank) : axis;
    if (!(Number.isInteger(positive) && positive >= 0 && positive < Math.max(1, rank)))
      throw this.refuse(`works along dimension ${axis} of ${rank}`);
    return positive;
  }

  tensorNames(name: string): string[] {
    const list = this.#argument(name, 'as_tensors') ?? this.#argument(name, 'as_optional_tensors');
    if (!Array.isArray(list)) throw this.refuse(`lacks the tensors "${name}"`);
    return list.map(item => {
      const found = optionalField(item, 'name') ?? optionalField(item, 'as_tensor', 'name');
      if (typeof found !== 'string') throw this.refuse(`leaves out one of "${name}"`);
      return found;
    });
  }

  /** A plain number or truth value, or the default of the schema. */
  number(name: string, otherwise?: number): number {
    for (const kind of ['as_int', 'as_float', 'as_bool']) {
      const value = this.#argument(name, kind);
      if (typeof value === 'number' || typeof value === 'boolean' || isWord(value)) return Number(value);
    }
    const plain = optionalField(this.argument(name), 'as_sym_int', 'as_int');
    if (typeof plain === 'number') return plain;
    if (this.has(name) || otherwise === undefined) throw this.refuse(`needs a fixed number as "${name}"`);
    return otherwise;
  }

  bool(name: string, otherwise: boolean): boolean {
    return this.number(name, otherwise ? 1 : 0) !== 0;
  }

  text(name: string, otherwise: string): string {
    const value = this.#argument(name, 'as_string');
    return typeof value === 'string' ? value : otherwise;
  }

  floats(name: string): number[] {
    const found = this.#argument(name, 'as_floats');
    if (!Array.isArray(found) || !found.every(item => typeof item === 'number'))
      throw this.refuse(`needs fixed numbers as "${name}"`);
    return found;
  }

  ints(name: string, otherwise?: readonly number[]): number[] {
    const plain = this.#argument(name, 'as_ints');
    if (Array.isArray(plain) && plain.every(item => typeof item === 'number')) return plain;
    const symbolic = this.#argument(name, 'as_sym_ints');
    if (Array.isArray(symbolic)) {
      const values = symbolic.map(item => optionalField(item, 'as_int'));
      if (values.every(item => typeof item === 'number')) return values;
    }
    const one = this.#argument(name, 'as_int');
    if (typeof one === 'number') return [one];
    if (this.has(name) || otherwise === undefined) throw this.refuse(`needs fixed numbers as "${name}"`);
    return [...otherwise];
  }

  /** One whole number as an int64 list of one, fixed or symbolic. */
  #size(item: unknown): string {
    if (typeof item === 'number') return this.graph.ints(item);
    const plain = optionalField(item, 'as_int');
    if (typeof plain === 'number') return this.graph.ints(plain);
    const name = optionalField(item, 'as_name');
    const value = typeof name === 'string' ? this.scope.sizes.get(name) : undefined;
    if (value === undefined) throw this.refuse('uses a size that nothing computes');
    return this.graph.op('Reshape', [value, this.graph.ints(1)]);
  }

  /** A list of sizes as one int64 value, fixed or symbolic. */
  sizes(name: string): string {
    const plain = this.#argument(name, 'as_ints');
    if (Array.isArray(plain) && plain.every(item => typeof item === 'number')) return this.graph.ints(...plain);
    const symbolic = this.#argument(name, 'as_sym_ints');
    if (!Array.isArray(symbolic)) throw this.refuse(`lacks the sizes "${name}"`);
    if (symbolic.length === 0) return this.graph.ints();
    return this.graph.op(
      'Concat',
      symbolic.map(item => this.#size(item)),
      { axis: 0n },
    );
  }

  /** A whole number, fixed or symbolic, as an int64 list of one. */
  size(name: string, otherwise?: number): string {
    const plain = this.#argument(name, 'as_int');
    if (typeof plain === 'number') return this.graph.ints(Math.max(-(2 ** 53), Math.min(plain, 2 ** 53)));
    const symbolic = this.#argument(name, 'as_sym_int');
    if (symbolic !== undefined) return this.#size(symbolic);
    if (otherwise === undefined) throw this.refuse(`lacks the number "${name}"`);
    return this.graph.ints(otherwise);
  }

  /** A tensor or number as a value of `type`. */
  operand(name: string, type: PlainType): string {
    const tensorName = optionalField(this.argument(name), 'as_tensor', 'name');
    if (typeof tensorName === 'string') {
      const value = this.valueOf(tensorName);
      return this.typeOf(tensorName) === type ? value : this.graph.cast(value, type);
    }
    const symbol = optionalField(this.argument(name), 'as_sym_int', 'as_name');
    const size = typeof symbol === 'string' ? this.scope.sizes.get(symbol) : undefined;
    if (size !== undefined) return type === 'int64' ? size : this.graph.cast(size, type);
    return this.graph.constant(type, [], [this.number(name)]);
  }

  isReal(name: string): boolean {
    const tensorName = optionalField(this.argument(name), 'as_tensor', 'name');
    if (typeof tensorName === 'string') return /^(float|double|float16)$/.test(this.typeOf(tensorName));
    const value = this.#argument(name, 'as_float');
    return typeof value === 'number' || isWord(value);
  }

  outputNames(): string[] {
    return this.node.outputs.flatMap(output => {
      const one = optionalField(output, 'as_tensor', 'name');
      if (typeof one === 'string') return [one];
      const many = optionalField(output, 'as_tensors');
      return Array.isArray(many)
        ? many.flatMap(item => {
            const name = optionalField(item, 'name');
            return typeof name === 'string' ? [name] : [];
          })
        : [];
    });
  }

  /** Element type of the result, as the program declares it. */
  outputType(output = 0): PlainType {
    const name = this.outputNames()[output];
    if (name === undefined) throw this.refuse('has no result');
    const meta = this.scope.program.tensors.get(name);
    if (meta?.type === undefined) throw this.refuse(`gives the type ${meta?.typeName ?? 'unknown'}`);
    return meta.type;
  }

  setResult(value: string, output = 0): void {
    const name = this.outputNames()[output];
    if (name !== undefined) this.scope.tensors.set(name, value);
  }

  setSize(value: string): void {
    for (const output of this.node.outputs) {
      const name = optionalField(output, 'as_sym_int', 'as_name') ?? optionalField(output, 'as_sym_bool', 'as_name');
      if (typeof name === 'string') this.scope.sizes.set(name, value);
    }
  }

  constant(value: number, type: PlainType): string {
    return this.graph.constant(type, [], [value]);
  }
}

/** Numbers that JSON does not have are written as words. */
function isWord(value: unknown): value is string {
  return value === 'Infinity' || value === '-Infinity' || value === 'NaN';
}

/** Lowers one operator. */
export type AtenHandler = (call: AtenCall) => void;
