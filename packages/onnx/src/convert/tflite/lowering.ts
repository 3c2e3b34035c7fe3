import type { BuildType } from '../../model/build.ts';
import { OnnxError } from '../../onnx-error.ts';
import { FlatTable } from '../flatbuffer/flat-table.ts';
import type { GraphBuilder } from '../graph-builder.ts';
import type { Quantization, TfliteModel, TfliteOperator, TfliteSubgraph, TfliteTensor } from './read-tflite.ts';
import { onnxTypeOf } from './tensor-types.ts';

/** Elements of a constant table the converter computes itself, such as the indices of a resize. */
const maxComputedElements = 1 << 24;

/** Activation fused into an operator, by its number in the schema; `none` is 0. */
export const fusedActivations = ['none', 'relu', 'relu-n1-to-1', 'relu6', 'tanh', 'sign-bit'] as const;
export type FusedActivation = (typeof fusedActivations)[number];

/** Range a fused activation clips to, or undefined when it does not clip. */
export function clipRange(activation: FusedActivation): readonly [number, number] | undefined {
  if (activation === 'relu') return [0, Number.POSITIVE_INFINITY];
  if (activation === 'relu6') return [0, 6];
  return activation === 'relu-n1-to-1' ? [-1, 1] : undefined;
}

/** A constant as the file holds it. */
export interface Constant {
  readonly tensor: TfliteTensor;
  readonly bytes: Uint8Array;
}

/** What all subgraphs of one conversion share. */
export interface TfliteContext {
  readonly model: TfliteModel;
  readonly notes: Set<string>;
  /** States that live on between calls, by the name of the tensor: given as input, answered as output. */
  readonly states: TfliteState[];
  /** Values of resource variables that an initializer assigns, by their shared name. */
  readonly variables: Map<string, Constant>;
  /** Lowers another subgraph into `graph`, its inputs bound to `inputs`; gives its outputs. */
  readonly lower: (
    graph: GraphBuilder,
    subgraph: number,
    inputs: readonly string[],
    from: SubgraphLowering,
  ) => string[];
  /** Lowers a subgraph that only assigns variables. */
  readonly initialize: (subgraph: number, from: SubgraphLowering) => void;
  /** A prefix no other graph of the conversion has. */
  readonly uniquePrefix: (stem: string) => string;
}

export interface TfliteState {
  readonly name: string;
  readonly type: BuildType;
  readonly shape: readonly number[];
  readonly next: string;
}

/** One subgraph on its way into a graph: which tensor is which value. */
export class SubgraphLowering {
  readonly graph: GraphBuilder;
  readonly context: TfliteContext;
  readonly subgraph: TfliteSubgraph;
  readonly depth: number;
  /** Whether this is run once, to assign variables. */
  readonly isInitializer: boolean;
  /** Shared names of the variables that resource tensors stand for. */
  readonly variableNames = new Map<number, string>();
  /** Values as stored: quantised tensors as integers. */
  readonly #stored = new Map<number, string>();
  readonly #real = new Map<number, string>();
  /** Constants that stand for the result of an operator folded away. */
  readonly #folded = new Map<number, Constant>();

  constructor(
    graph: GraphBuilder,
    context: TfliteContext,
    subgraph: TfliteSubgraph,
    depth: number,
    isInitializer = false,
  ) {
    this.isInitializer = isInitializer;
    this.graph = graph;
    this.context = context;
    this.subgraph = subgraph;
    this.depth = depth;
  }

  tensor(index: number): TfliteTensor {
    const tensor = this.subgraph.tensors[index];
    if (tensor === undefined) throw new OnnxError('source_malformed', `The TFLite model has no tensor ${index}.`);
    return tensor;
  }

  constant(index: number): Constant | undefined {
    const folded = this.#folded.get(index);
    if (folded !== undefined || this.#stored.has(index)) return folded;
    const tensor = this.tensor(index);
    return tensor.bytes === undefined ? undefined : { tensor, bytes: tensor.bytes };
  }

  /** The value as the source stores it. */
  stored(index: number): string {
    const known = this.#stored.get(index);
    if (known !== undefined) return known;
    const constant = this.constant(index);
    const { name } = this.tensor(index);
    if (constant === undefined)
      throw new OnnxError('source_malformed', `The tensor "${name}" is used before anything computes it.`, {
        node: name,
      });
    const value = this.emitConstant(constant, constant.tensor.shape, constant.bytes);
    this.#stored.set(index, value);
    // A value stands for a constant too; the lookup above must go on finding it.
    this.#folded.set(index, constant);
    return value;
  }

  emitConstant({ tensor }: Constant, shape: readonly number[], bytes: Uint8Array): string {
    return this.graph.rawConstant(this.requireType(tensor), shape, bytes);
  }

  requireType(tensor: TfliteTensor): Exclude<BuildType, 'string'> {
    const type = onnxTypeOf(tensor.type);
    if (type === undefined || type === 'string')
      throw new OnnxError(
        'unsupported_source',
        `The tensor "${tensor.name}" has the type ${tensor.type}, which does not convert.`,
        { node: tensor.name, unsupported: [`type ${tensor.type}`] },
      );
    return type;
  }

  /** The value in the type the tensor declares, also where a folded constant is kept in a smaller one. */
  declared(index: number): string {
    const constant = this.constant(index);
    return constant !== undefined && constant.tensor.type !== this.tensor(index).type
      ? this.value(index)
      : this.stored(index);
  }

  /** The value to compute with: real numbers for quantised and half-precision tensors, else as stored. */
  value(index: number): string {
    const known = this.#real.get(index);
    if (known !== undefined) return known;
    const tensor = this.constant(index)?.tensor ?? this.tensor(index);
    let value = this.stored(index);
    if (tensor.type === 'FLOAT16') value = this.graph.cast(value, 'float');
    else if (tensor.quantization !== undefined && isQuantized(tensor))
      value = this.dequantized(value, tensor, tensor.quantization, tensor.quantization.axis);
    this.#real.set(index, value);
    return value;
  }

  dequantized(value: string, tensor: TfliteTensor, quantization: Quantization, axis: number): string {
    const { scales, zeroPoints } = quantization;
    const shape = scales.length === 1 ? [] : [scales.length];
    const scale = this.graph.constant('float', shape, scales);
    const attributes = scales.length === 1 ? {} : { axis: BigInt(axis) };
    const zero = this.graph.constant(this.requireType(tensor), shape, zeroPoints);
    return this.graph.op('DequantizeLinear', [value, scale, zero], attributes);
  }

  setStored(index: number, value: string): void {
    this.#stored.set(index, value);
    this.#folded.delete(index);
    this.#real.delete(index);
  }

  /** Says that a tensor's value is this constant; it is written only where it is used. */
  setConstant(index: number, constant: Constant): void {
    this.#stored.delete(index);
    this.#folded.set(index, constant);
  }

  /** Sets a tensor from real numbers: quantised as the tensor is. */
  setReal(index: number, value: string): void {
    const tensor = this.tensor(index);
    const { quantization } = tensor;
    if (tensor.type === 'FLOAT16') {
      this.setStored(index, this.graph.cast(value, 'float16'));
      return;
    }
    if (quantization === undefined || !isQuantized(tensor)) {
      this.setStored(index, value);
      return;
    }
    this.setStored(index, this.quantized(value, tensor, quantization));
  }

  quantized(value: string, tensor: TfliteTensor, { scales, zeroPoints, axis }: Quantization): string {
    const shape = scales.length === 1 ? [] : [scales.length];
    return this.graph.op(
      'QuantizeLinear',
      [
        value,
        this.graph.constant('float', shape, scales),
        this.graph.constant(this.requireType(tensor), shape, zeroPoints),
      ],
      scales.length === 1 ? {} : { axis: BigInt(axis) },
    );
  }
}

const quantizable = new Set(['INT8', 'UINT8', 'INT16', 'INT4']);

/** Whether a tensor's integers stand for real numbers that operators compute with. */
export function isQuantized(tensor: TfliteTensor): boolean {
  return tensor.quantization !== undefined && quantizable.has(tensor.type);
}

const noOptions = FlatTable.root(Uint8Array.of(8, 0, 0, 0, 4, 0, 4, 0, 4, 0, 0, 0), 'TFLite model');

/** One operator being lowered, with its tensors at hand. */
export class OperatorCall {
  readonly operator: TfliteOperator;
  readonly to: SubgraphLowering;
  readonly options: FlatTable;

  constructor(operator: TfliteOperator, to: SubgraphLowering) {
    this.operator = operator;
    this.to = to;
    this.options = operator.options ?? noOptions;
  }

  get graph(): GraphBuilder {
    return this.to.graph;
  }

  /** Name of the first output, which names the operator for people. */
  get place(): string {
    const output = this.operator.outputs[0];
    return output === undefined ? this.operator.name : this.to.tensor(output).name;
  }

  /** @throws OnnxError `unsupported_source` for something of this operator that does not convert */
  refuse(what: string): OnnxError {
    return new OnnxError('unsupported_source', `${this.operator.name} "${this.place}" ${what}.`, {
      node: this.place,
      op: this.operator.name,
      unsupported: [`${this.operator.name} "${this.place}" ${what}`],
    });
  }

  damaged(what: string): OnnxError {
    return new OnnxError(
      'source_malformed',
      `The TFLite model is damaged: ${this.operator.name} "${this.place}" ${what}.`,
      { node: this.place, op: this.operator.name },
    );
  }

  /** Index of an input tensor. @throws OnnxError when it is absent */
  index(input: number): number {
    const index = this.operator.inputs[input] ?? -1;
    if (index < 0) throw this.damaged(`lacks its input ${input}`);
    return index;
  }

  hasInput(input: number): boolean {
    return (this.operator.inputs[input] ?? -1) >= 0;
  }

  tensor(input: number): TfliteTensor {
    const index = this.index(input);
    return this.to.constant(index)?.tensor ?? this.to.tensor(index);
  }

  output(output = 0): TfliteTensor {
    return this.to.tensor(this.outputIndex(output));
  }

  outputIndex(output = 0): number {
    const index = this.operator.outputs[output];
    if (index === undefined) throw this.damaged(`lacks its output ${output}`);
    return index;
  }

  value(input: number): string {
    return this.to.value(this.index(input));
  }

  stored(input: number): string {
    return this.to.stored(this.index(input));
  }

  constant(input: number): Constant | undefined {
    return this.to.constant(this.index(input));
  }

  /** Whole numbers of a constant input, or undefined when it is computed. */
  constantInts(input: number): number[] | undefined {
    const constant = this.constant(input);
    if (constant === undefined) return undefined;
    const { bytes, tensor } = constant;
    if (bytes.length > maxComputedElements) throw this.damaged(`has a parameter of ${bytes.length} bytes`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (tensor.type === 'INT64')
      return Array.from({ length: bytes.length / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
    if (tensor.type === 'INT32') return Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true));
    if (tensor.type === 'INT16') return Array.from({ length: bytes.length / 2 }, (_, i) => view.getInt16(2 * i, true));
    if (tensor.type === 'INT8') return Array.from(bytes, byte => (byte << 24) >> 24);
    throw this.damaged(`has a parameter of type ${tensor.type}`);
  }

  /** Whole numbers of an input that must be constant. */
  ints(input: number): number[] {
    const values = this.constantInts(input);
    if (values === undefined) throw this.refuse(`computes its parameter ${input} at run time`);
    return values;
  }

  /** A list of whole numbers as int64, constant or computed. */
  int64s(input: number): string {
    const values = this.constantInts(input);
    if (values !== undefined) return this.graph.ints(...values);
    const value = this.graph.cast(this.stored(input), 'int64');
    return this.rank(input) === 1 ? value : this.graph.op('Reshape', [value, this.graph.ints(-1)]);
  }

  rank(input: number): number {
    return this.tensor(input).shape.length;
  }

  /** A static size. @throws OnnxError when the source leaves it open */
  size(input: number, axis: number): number {
    const size = this.tensor(input).openShape.at(axis);
    if (size === undefined) throw this.damaged(`has an input without dimension ${axis}`);
    if (size < 0) throw this.refuse(`leaves the size of dimension ${axis} open where it must be known`);
    return size;
  }

  /** Whether a size is fixed by the source. */
  isFixed(input: number, axis: number): boolean {
    return (this.tensor(input).openShape.at(axis) ?? -1) >= 0;
  }

  /** A dimension counted from the front. */
  axis(axis: number, rank: number): number {
    const positive = axis < 0 ? axis + rank : axis;
    if (!(positive >= 0 && positive < rank)) throw this.damaged(`works along dimension ${axis} of ${rank}`);
    return positive;
  }

  activation(field: number): FusedActivation {
    const activation = fusedActivations[this.options.int8(field)];
    if (activation === undefined || activation === 'sign-bit')
      throw this.refuse(`has the fused activation ${this.options.int8(field)}`);
    return activation;
  }

  activated(value: string, activation: FusedActivation, type: BuildType = 'float'): string {
    if (activation === 'relu') return this.graph.op('Relu', [value]);
    if (activation === 'tanh') return this.graph.op('Tanh', [value]);
    const range = clipRange(activation);
    if (range === undefined) return value;
    return this.graph.op('Clip', [value, ...range.map(bound => this.graph.constant(type, [], [bound]))]);
  }

  /** Element type of the values a computation on this input works with. */
  valueType(tensor: TfliteTensor): BuildType {
    return tensor.type === 'FLOAT16' || isQuantized(tensor) ? 'float' : this.to.requireType(tensor);
  }

  number(value: number, type: BuildType = 'float'): string {
    return this.graph.constant(type, [], [value]);
  }

  /** Sets an output from values computed with, quantised as it is. */
  result(value: string, activation: FusedActivation = 'none', output = 0): void {
    const tensor = this.output(output);
    this.to.setReal(this.outputIndex(output), this.activated(value, activation, this.valueType(tensor)));
  }

  /** Sets an output that is stored as computed. */
  storedResult(value: string, output = 0): void {
    this.to.setStored(this.outputIndex(output), value);
  }

  /** Whether input and output stand for the same real numbers by the same integers, so that moving elements suffices. */
  isSameScale(input: number, output = 0): boolean {
    const [a, b] = [this.tensor(input), this.output(output)];
    if (a.type !== b.type) return false;
    if (!isQuantized(a) && !isQuantized(b)) return true;
    const [p, q] = [a.quantization, b.quantization];
    return (
      p !== undefined &&
      q !== undefined &&
      p.scales.length === 1 &&
      q.scales.length === 1 &&
      p.scales[0] === q.scales[0] &&
      p.zeroPoints[0] === q.zeroPoints[0]
    );
  }

  /** Applies an operator that only moves elements of input `input`. */
  move(input: number, how: (value: string) => string, output = 0): void {
    if (this.isSameScale(input, output)) this.storedResult(how(this.stored(input)), output);
    else this.result(how(this.value(input)), 'none', output);
  }

  /** @throws OnnxError when a table of this size would be computed from numbers in the file */
  checkComputed(elements: number): void {
    if (!(elements <= maxComputedElements)) throw this.damaged(`would need a table of ${elements} elements`);
  }
}

/** Lowers one operator. */
export type TfliteHandler = (call: OperatorCall) => void;
