import { type Ensemble, type EnsembleStep, fault, type Signature, type TensorSpec } from '@holdfast/api';

/** The signature of the model that a step names. */
export type SignatureOf = (step: EnsembleStep) => Pick<Signature, 'inputs' | 'outputs'>;

export interface EnsembleTensors {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** One tensor of the ensemble as one model knows it. */
interface Use {
  readonly step: number;
  readonly spec: TensorSpec;
}

function refuse(why: string): never {
  throw fault('model_rejected', why);
}

function list(names: Iterable<string>): string {
  return [...names].map(name => `"${name}"`).join(', ');
}

function shapeText({ datatype, shape }: TensorSpec): string {
  return `${datatype} [${shape.join(',')}]`;
}

function push(uses: Map<string, Use[]>, tensor: string, use: Use): void {
  const known = uses.get(tensor);
  if (known === undefined) uses.set(tensor, [use]);
  else known.push(use);
}

/** The steps of an ensemble with the tensors they take and give. */
class Graph {
  readonly #steps: readonly EnsembleStep[];
  readonly #taken = new Map<string, Use[]>();
  readonly #given = new Map<string, Use[]>();

  constructor({ steps }: Ensemble, signatureOf: SignatureOf) {
    this.#steps = steps;
    for (const [step, one] of steps.entries()) {
      const { inputs, outputs } = signatureOf(one);
      this.#checkNames(step, 'input', one.inputs, inputs);
      this.#checkNames(step, 'output', one.outputs, outputs);
      for (const spec of inputs) {
        const tensor = one.inputs[spec.name] ?? (spec.optional ? undefined : spec.name);
        if (tensor !== undefined) push(this.#taken, tensor, { step, spec });
      }
      // With a map only what it names leaves the step; without one all outputs do, under their own names.
      const isMapped = Object.keys(one.outputs).length > 0;
      for (const spec of outputs) {
        const tensor = one.outputs[spec.name] ?? (isMapped ? undefined : spec.name);
        if (tensor !== undefined) push(this.#given, tensor, { step, spec });
      }
    }
  }

  #name(step: number): string {
    return `step ${step + 1} (${this.#steps[step]?.model})`;
  }

  #checkNames(
    step: number,
    what: 'input' | 'output',
    map: Readonly<Record<string, string>>,
    specs: readonly TensorSpec[],
  ): void {
    const unknown = Object.keys(map).find(name => specs.every(spec => spec.name !== name));
    if (unknown === undefined) return;
    refuse(`${this.#name(step)} has no ${what} "${unknown}"; it has ${list(specs.map(({ name }) => name))}`);
  }

  /** Several steps may give one tensor only if conditions decide between them. */
  checkWriters(): void {
    for (const [tensor, uses] of this.#given) {
      for (const { step } of uses.slice(0, -1)) {
        if (this.#steps[step]?.when !== undefined) continue;
        const last = uses.at(-1)!.step;
        refuse(
          `"${tensor}" is given by ${this.#name(step)} and by ${this.#name(last)}; say with "when" for which rows each runs (only the last may do without)`,
        );
      }
    }
  }

  /** Each tensor is the same to everybody who gives or takes it. */
  checkTypes(): void {
    for (const tensor of new Set([...this.#given.keys(), ...this.#taken.keys()])) this.specOf(tensor);
  }

  /** What all uses of a tensor agree on: the narrowest shape. */
  specOf(tensor: string): TensorSpec {
    const uses = [...(this.#given.get(tensor) ?? []), ...(this.#taken.get(tensor) ?? [])];
    const [first, ...rest] = uses;
    if (first === undefined) refuse(`"${tensor}" is neither given nor taken by any step`);
    let { spec } = first;
    for (const use of rest) {
      const { datatype, shape } = use.spec;
      const fits =
        datatype === spec.datatype &&
        shape.length === spec.shape.length &&
        shape.every((dim, i) => dim === -1 || spec.shape[i] === -1 || dim === spec.shape[i]);
      if (!fits) {
        refuse(
          `"${tensor}" is ${shapeText(first.spec)} for ${this.#name(first.step)}, but ${shapeText(use.spec)} for ${this.#name(use.step)}`,
        );
      }
      spec = { ...spec, shape: spec.shape.map((dim, i) => (dim === -1 ? shape[i]! : dim)) };
    }
    return { ...spec, name: tensor, optional: false };
  }

  /** A given tensor as the caller sees it: a dimension is fixed only if every step that gives it fixes it. */
  #outputSpec(tensor: string): TensorSpec {
    const specs = (this.#given.get(tensor) ?? []).map(({ spec }) => spec);
    const shape = specs[0]!.shape.map((dim, i) => (specs.every(spec => spec.shape[i] === dim) ? dim : -1));
    return { ...specs[0]!, name: tensor, shape, optional: false };
  }

  /** A condition looks at one element per row of a tensor that somebody gives or takes. */
  checkConditions(): void {
    for (const [step, { when }] of this.#steps.entries()) {
      if (when === undefined) continue;
      if (!this.#given.has(when.tensor) && !this.#taken.has(when.tensor))
        refuse(`${this.#name(step)} has a condition on "${when.tensor}", which no step gives or takes`);
      const { shape } = this.specOf(when.tensor);
      if (shape.slice(1).some(dim => dim !== 1))
        refuse(
          `${this.#name(step)} has a condition on "${when.tensor}" with the shape [${shape.join(',')}]; it must have one element per row`,
        );
    }
  }

  /** The steps that must be decided before a step runs: those that give what it takes, and those whose rows it leaves out. */
  #needs(step: number): Set<number> {
    const { when } = this.#steps[step]!;
    const needed = new Set<number>();
    for (const uses of this.#given.values()) {
      if (!uses.some(use => use.step === step)) continue;
      for (const use of uses) if (use.step < step) needed.add(use.step);
    }
    const given = (tensor: string): void => {
      for (const use of this.#given.get(tensor) ?? []) needed.add(use.step);
    };
    for (const [tensor, uses] of this.#taken) if (uses.some(use => use.step === step)) given(tensor);
    if (when !== undefined) given(when.tensor);
    return needed;
  }

  checkCycles(): void {
    const done = new Set<number>();
    const visit = (step: number, path: readonly number[]): void => {
      if (path.includes(step)) {
        const circle = [...path.slice(path.indexOf(step)), step].map(one => this.#name(one));
        refuse(`the steps wait for each other in a circle: ${circle.reverse().join(' -> ')}`);
      }
      if (done.has(step)) return;
      for (const before of this.#needs(step)) visit(before, [...path, step]);
      done.add(step);
    };
    for (const step of this.#steps.keys()) visit(step, []);
  }

  inputs(declared: readonly string[] | undefined): readonly TensorSpec[] {
    const needed = [...this.#taken.keys()].filter(tensor => !this.#given.has(tensor));
    if (declared === undefined) {
      if (needed.length === 0) refuse('the steps take nothing from the caller');
      return needed.map(tensor => this.specOf(tensor));
    }
    for (const tensor of needed) {
      if (declared.includes(tensor)) continue;
      const step = this.#taken.get(tensor)?.[0]?.step ?? 0;
      refuse(`${this.#name(step)} needs "${tensor}", which no step gives and which is no input of the ensemble`);
    }
    for (const tensor of declared) {
      if (this.#given.has(tensor)) refuse(`the input "${tensor}" is given by a step, too`);
      if (!this.#taken.has(tensor)) refuse(`the input "${tensor}" is taken by no step`);
    }
    return declared.map(tensor => this.specOf(tensor));
  }

  outputs(declared: readonly string[] | undefined): readonly TensorSpec[] {
    const conditions = new Set(this.#steps.flatMap(({ when }) => when?.tensor ?? []));
    const free = [...this.#given.keys()].filter(tensor => !this.#taken.has(tensor) && !conditions.has(tensor));
    const names = declared ?? free;
    if (names.length === 0) refuse('every tensor that a step gives is taken by another; name the "outputs"');
    const missing = names.find(tensor => !this.#given.has(tensor));
    if (missing !== undefined)
      refuse(`the output "${missing}" is given by no step; they give ${list(this.#given.keys())}`);
    return names.map(tensor => this.#outputSpec(tensor));
  }
}

/**
 * What an ensemble takes and gives, from the signatures of its models.
 *
 * @throws Fault `model_rejected` that names the step: unknown names, tensors that do not fit together, a tensor that
 * nobody gives, two steps that give the same without conditions, a circle
 */
export function ensembleTensors(ensemble: Ensemble, signatureOf: SignatureOf): EnsembleTensors {
  const graph = new Graph(ensemble, signatureOf);
  graph.checkWriters();
  graph.checkTypes();
  graph.checkConditions();
  graph.checkCycles();
  return { inputs: graph.inputs(ensemble.inputs), outputs: graph.outputs(ensemble.outputs) };
}
