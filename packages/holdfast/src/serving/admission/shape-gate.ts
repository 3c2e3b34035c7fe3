import { elementCount, type Signature, type Tensor, type TensorSpec, typedArrayOf } from '@holdfast/api';
import { badRequest } from '../refusal.ts';

/** The tensors of a request that may reach the runtime. */
export interface Admitted {
  /** In the order of the signature; optional inputs that were left out are missing. */
  readonly inputs: readonly Tensor[];
  /** Rows asked for: the common first dimension, or 1 for a model without a batch dimension. */
  readonly rows: number;
  /** Requests with equal keys can share one run of the model. */
  readonly batchKey: string;
}

function quoted(names: readonly string[]): string {
  return `[${names.map(name => `'${name}'`).join(',')}]`;
}

function isDynamicFirst(spec: TensorSpec): boolean {
  return spec.shape.length > 0 && spec.shape[0] === -1;
}

/**
 * Holds back what native code must never see: a wrong name, dtype, rank, fixed dimension, a dimension below 1, inputs
 * that disagree about the batch. Its texts are those that clients of the Open Inference Protocol know. Text that a
 * string tensor would cut or corrupt is refused earlier, where it is decoded.
 */
export class ShapeGate {
  readonly #model: string;
  readonly #inputs: readonly TensorSpec[];
  readonly #outputs: readonly TensorSpec[];
  readonly #required: number;
  /** Whether the first dimension of every input is the batch. */
  readonly hasRows: boolean;
  /** Whether rows of several requests may run together: every output has the batch dimension too. */
  readonly isBatchable: boolean;
  readonly #hasKey: boolean;

  constructor(model: string, signature: Pick<Signature, 'inputs' | 'outputs'>) {
    this.#model = model;
    this.#inputs = signature.inputs;
    this.#outputs = signature.outputs;
    this.#required = signature.inputs.filter(spec => !spec.optional).length;
    this.hasRows = signature.inputs.every(isDynamicFirst);
    this.isBatchable = this.hasRows && signature.outputs.every(isDynamicFirst);
    this.#hasKey = signature.inputs.some(spec => spec.optional || spec.shape.slice(1).includes(-1));
  }

  /** @throws Refusal `bad_request` naming the input */
  admit(given: readonly Tensor[]): Admitted {
    const inputs = this.#inOrder(given);
    let rows = -1;
    let batchKey = '';
    for (const tensor of inputs) {
      const spec = this.#spec(tensor.name);
      this.#check(spec, tensor);
      if (this.hasRows) {
        const first = tensor.shape[0]!;
        if (rows !== -1 && first !== rows) {
          throw badRequest(`input '${tensor.name}' batch size does not match other inputs for '${this.#model}'`);
        }
        rows = first;
      }
      if (this.#hasKey) batchKey += `${tensor.name}:${tensor.shape.slice(1).join('x')};`;
    }
    return { inputs, rows: this.hasRows ? Math.max(rows, 0) : 1, batchKey };
  }

  /** The answer to a batch of no rows. */
  emptyOutputs(): readonly Tensor[] {
    return this.#outputs.map(({ name, datatype, shape }) => ({
      name,
      datatype,
      shape: shape.map((dim, axis) => (axis === 0 || dim === -1 ? 0 : dim)),
      data: datatype === 'BYTES' ? [] : new typedArrayOf[datatype](0),
    }));
  }

  #spec(name: string): TensorSpec {
    const { length } = this.#inputs;
    for (let i = 0; i < length; i++) {
      const spec = this.#inputs[i]!;
      if (spec.name === name) return spec;
    }
    throw badRequest(`unexpected inference input '${name}' for model '${this.#model}'`);
  }

  #inOrder(given: readonly Tensor[]): readonly Tensor[] {
    const wanted = this.#inputs.length;
    if (given.length === wanted) {
      let i = 0;
      while (i < wanted && given[i]!.name === this.#inputs[i]!.name) i++;
      if (i === wanted) return given;
    }
    const missing = this.#inputs.filter(spec => !spec.optional && !given.some(({ name }) => name === spec.name));
    if (given.length > wanted || given.length < this.#required) {
      const range = this.#required === wanted ? `${wanted}` : `between ${this.#required} and ${wanted}`;
      const expected = this.#required === wanted ? `expected ${range} inputs` : `expected number of inputs ${range}`;
      const lacking =
        missing.length === 0
          ? '.'
          : `, but missing required input(s) ${quoted(missing.map(({ name }) => name))}. Please provide all required input(s).`;
      throw badRequest(
        `${expected} but got ${given.length} inputs for model '${this.#model}'. ` +
          `Got input(s) ${quoted(given.map(({ name }) => name))}${lacking}`,
      );
    }
    for (const { name } of given) this.#spec(name);
    if (missing.length > 0) {
      throw badRequest(
        `expected ${wanted} inputs but got ${given.length} inputs for model '${this.#model}'. ` +
          `Got input(s) ${quoted(given.map(({ name }) => name))}, ` +
          `but missing required input(s) ${quoted(missing.map(({ name }) => name))}. Please provide all required input(s).`,
      );
    }
    return this.#inputs.flatMap(spec => given.find(({ name }) => name === spec.name) ?? []);
  }

  #check(spec: TensorSpec, tensor: Tensor): void {
    if (tensor.datatype !== spec.datatype) {
      throw badRequest(
        `inference input '${spec.name}' data-type is '${tensor.datatype}', but model '${this.#model}' expects '${spec.datatype}'`,
      );
    }
    const rank = spec.shape.length;
    let fits = tensor.shape.length === rank;
    for (let axis = 0; fits && axis < rank; axis++) {
      const wanted = spec.shape[axis]!;
      const dim = tensor.shape[axis]!;
      const least = axis === 0 && this.isBatchable ? 0 : 1;
      fits = wanted === -1 ? dim >= least : dim === wanted && dim >= 1;
    }
    if (!fits) this.#unexpectedShape(spec, tensor);
    const count = elementCount(tensor.shape);
    if (tensor.data.length !== count) {
      throw badRequest(
        `expected ${count} elements for inference input '${spec.name}' for model '${this.#model}', got ${tensor.data.length}`,
      );
    }
  }

  #unexpectedShape(spec: TensorSpec, tensor: Tensor): never {
    const note = this.isBatchable ? 'NOTE: the first dimension is the batch and may have any size.' : '';
    throw badRequest(
      `unexpected shape for input '${spec.name}' for model '${this.#model}'. ` +
        `Expected [${spec.shape.join(',')}], got [${tensor.shape.join(',')}]. ${note}`,
    );
  }
}
