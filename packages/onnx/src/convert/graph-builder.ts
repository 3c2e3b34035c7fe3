import {
  type AttributeValue,
  type BuildType,
  type BuildValues,
  buildModel,
  buildNode,
  buildRawTensor,
  buildTensor,
  buildValueInfo,
} from '../model/build.ts';
import type { ModelProto, NodeProto, StringEntry, TensorProto, ValueInfoProto } from '../model/proto.ts';
import { OnnxError } from '../onnx-error.ts';

/** Nodes one conversion may write; nested references in a hostile file cannot multiply beyond it. */
const maxNodes = 60_000;

type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

/**
 * Writes a graph node by node. Values are named by what made them and a running number, so that equal sources give
 * equal bytes; equal small constants are stored once.
 */
export class GraphBuilder {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #shared = new Map<string, string>();
  readonly #taken = new Set<string>();
  readonly #prefix: string;
  #scope = '';
  #count = 0;

  /** @param prefix put before every generated name; a sub-graph needs one of its own */
  constructor(prefix = '') {
    this.#prefix = prefix;
  }

  /** Names what `write` adds after `scope`, a layer for example, so that people find it in the graph. */
  within<T>(scope: string, write: () => T): T {
    const outer = this.#scope;
    this.#scope = scope.replaceAll(/[^\w./-]+/g, '_');
    try {
      return write();
    } finally {
      this.#scope = outer;
    }
  }

  input(name: string, type: BuildType, shape: readonly (number | string | null)[]): string {
    this.#taken.add(name);
    this.#inputs.push(buildValueInfo(name, type, shape));
    return name;
  }

  /** Declares `value` as the model's output `name`. */
  output(value: string, name: string, type: BuildType, shape: readonly (number | string | null)[]): void {
    let unique = name;
    for (let i = 2; this.#taken.has(unique); i++) unique = `${name}_${i}`;
    this.#taken.add(unique);
    this.#node('Identity', [value], [unique], {}, '');
    this.#outputs.push(buildValueInfo(unique, type, shape));
  }

  constant(type: BuildType, dims: readonly number[], values: BuildValues): string {
    const key =
      values.length <= 64
        ? `${type}|${dims.join()}|${Array.from<bigint | boolean | number | string, string>(values, exactText).join('\u0000')}`
        : undefined;
    const known = key === undefined ? undefined : this.#shared.get(key);
    if (known !== undefined) return known;
    const name = this.#name('const');
    this.#initializers.push(buildTensor(name, type, dims, values));
    if (key !== undefined) this.#shared.set(key, name);
    return name;
  }

  /** A constant whose little-endian elements the source file already holds; nothing is copied. */
  rawConstant(type: Exclude<BuildType, 'string'>, dims: readonly number[], bytes: Uint8Array): string {
    const key = bytes.length <= 64 ? `${type}|${dims.join()}|bytes|${bytes.join()}` : undefined;
    const known = key === undefined ? undefined : this.#shared.get(key);
    if (known !== undefined) return known;
    const name = this.#name('const');
    this.#initializers.push(buildRawTensor(name, type, dims, bytes));
    if (key !== undefined) this.#shared.set(key, name);
    return name;
  }

  double(values: number | ArrayLike<number>, dims?: readonly number[]): string {
    const list = typeof values === 'number' ? Float64Array.of(values) : Float64Array.from(values);
    return this.constant('double', dims ?? (typeof values === 'number' ? [] : [list.length]), list);
  }

  ints(...values: number[]): string {
    return this.constant('int64', [values.length], values);
  }

  /** Adds one node with one output and gives its name. */
  op(opType: string, inputs: readonly string[], attributes: Attributes = {}, domain = ''): string {
    const output = this.#name(opType);
    this.#node(opType, inputs, [output], attributes, domain);
    return output;
  }

  /** Adds one node with several outputs. */
  opMany(opType: string, inputs: readonly string[], outputs: number, attributes: Attributes = {}): string[] {
    const names = Array.from({ length: outputs }, () => this.#name(opType));
    this.#node(opType, inputs, names, attributes, '');
    return names;
  }

  cast(value: string, type: BuildType): string {
    const to = {
      float: 1n,
      uint8: 2n,
      int8: 3n,
      int16: 5n,
      int32: 6n,
      int64: 7n,
      string: 8n,
      bool: 9n,
      float16: 10n,
      double: 11n,
    }[type];
    return this.op('Cast', [value], { to });
  }

  finish(metadata: readonly StringEntry[], producerVersion: string): ModelProto {
    return buildModel({
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs: this.#outputs,
      metadata,
      producerVersion,
    });
  }

  #node(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Attributes,
    domain: string,
  ): void {
    if (this.#nodes.length >= maxNodes)
      throw new OnnxError(
        'too_large',
        `The converted graph would have more than ${maxNodes} nodes; the source is too large or damaged.`,
      );
    this.#nodes.push(
      buildNode(opType, inputs, outputs, {
        attributes,
        domain,
        name: `${this.#scope === '' ? 'n' : `${this.#scope}/n`}${this.#nodes.length}_${opType}`,
      }),
    );
  }

  #name(stem: string): string {
    const scoped = this.#scope === '' ? stem : `${this.#scope}/${stem}`;
    const full = this.#prefix === '' ? scoped : `${this.#prefix}_${scoped}`;
    let name = `${full}_${this.#count++}`;
    while (this.#taken.has(name)) name = `${full}_${this.#count++}`;
    return name;
  }
}

function exactText(value: bigint | boolean | number | string): string {
  return Object.is(value, -0) ? '-0' : String(value);
}
