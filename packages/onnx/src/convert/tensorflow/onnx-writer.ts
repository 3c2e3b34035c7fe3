import { type AttributeValue, buildModel, buildNode, buildTensor } from '../../model/build.ts';
import type { GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from '../../model/proto.ts';
import { OnnxError } from '../../onnx-error.ts';

/** Nodes one conversion may write: functions that call each other cannot multiply beyond it. */
const maxNodes = 100_000;

export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

/**
 * Writes a graph whose nodes carry the names of the source. Constants live in the outermost graph, where nested graphs
 * reach them.
 */
export class OnnxWriter {
  readonly #initializers: TensorProto[] = [];
  readonly #shared = new Map<string, string>();
  readonly #taken = new Set<string>();
  readonly #next = new Map<string, number>();
  #nodes: NodeProto[] = [];
  #written = 0;
  /** Name of the source node whose operators are being written. */
  scope = 'graph';

  /** A name nobody has, close to `stem`. */
  name(stem: string): string {
    let count = this.#next.get(stem) ?? 0;
    let name = count === 0 ? stem : `${stem}_${count}`;
    while (this.#taken.has(name)) name = `${stem}_${++count}`;
    this.#next.set(stem, count + 1);
    this.#taken.add(name);
    return name;
  }

  op(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const [output = ''] = this.many(type, inputs, 1, attributes);
    return output;
  }

  many(type: string, inputs: readonly string[], count: number, attributes: Attributes = {}): string[] {
    const outputs = Array.from({ length: count }, () => this.name(`${this.scope}/${type}`));
    this.#push(buildNode(type, inputs, outputs, { attributes, name: outputs[0] ?? '' }));
    return outputs;
  }

  /** An Identity that gives a value the name of an output. */
  rename(value: string, name: string): void {
    this.#push(buildNode('Identity', [value], [name], { name: this.name(`${name}/output`) }));
  }

  #push(node: NodeProto): void {
    if (++this.#written > maxNodes)
      throw new OnnxError('too_large', `The converted graph would have more than ${maxNodes} nodes.`);
    this.#nodes.push(node);
  }

  /** A constant in raw form. */
  raw(stem: string, onnxType: number, dims: readonly number[], bytes: Uint8Array): string {
    const name = this.name(stem);
    const like = buildTensor(name, 'uint8', [0], []);
    this.#initializers.push({ ...like, dataType: onnxType, dims: dims.map(BigInt), rawData: bytes });
    return name;
  }

  ints(values: readonly number[]): string {
    return this.#constant(`i:${values.join()}`, 'axes', () => buildTensor('', 'int64', [values.length], values));
  }

  int(value: number): string {
    return this.#constant(`s:${value}`, 'axis', () => buildTensor('', 'int64', [], [value]));
  }

  /** A scalar of an ONNX element type. */
  scalar(onnxType: number, value: number): string {
    const key = `${onnxType}:${Object.is(value, -0) ? '-0' : value}`;
    return this.#constant(key, 'scalar', () => scalarTensor(onnxType, value));
  }

  #constant(key: string, stem: string, build: () => TensorProto): string {
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const name = this.name(stem);
    this.#initializers.push({ ...build(), name });
    this.#shared.set(key, name);
    return name;
  }

  reserve(name: string): void {
    this.#taken.add(name);
  }

  /** Runs `write` into a graph of its own, which sees everything written before. */
  nested(
    name: string,
    write: () => { inputs: readonly ValueInfoProto[]; outputs: readonly ValueInfoProto[] },
  ): GraphProto {
    const outer = this.#nodes;
    this.#nodes = [];
    try {
      const { inputs, outputs } = write();
      return buildModel({ name, nodes: this.#nodes, inputs, outputs }).graph;
    } finally {
      this.#nodes = outer;
    }
  }

  model(inputs: readonly ValueInfoProto[], outputs: readonly ValueInfoProto[], producerVersion: string): ModelProto {
    return buildModel({ nodes: this.#nodes, initializers: this.#initializers, inputs, outputs, producerVersion });
  }
}

function scalarTensor(onnxType: number, value: number): TensorProto {
  const kinds = { 1: 'float', 11: 'double', 6: 'int32', 7: 'int64', 2: 'uint8', 3: 'int8', 9: 'bool' } as const;
  const kind = kinds[onnxType as keyof typeof kinds];
  if (kind === undefined)
    throw new OnnxError('unsupported_dtype', `A constant of ONNX type ${onnxType} is not written.`);
  return buildTensor('', kind, [], [value]);
}

/** Input or output of a graph with known or open axes. */
export function tensorInfo(
  name: string,
  onnxType: number,
  shape: readonly (number | string | null)[] | undefined,
): ValueInfoProto {
  const dims = shape?.map(size => ({
    size: size === null ? undefined : typeof size === 'number' ? BigInt(size) : size,
    unknown: [],
  }));
  const type = { kind: 'tensor' as const, elemType: onnxType, unknown: [] };
  return { name, docString: '', type: dims === undefined ? type : { ...type, shape: dims }, unknown: [] };
}
