import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { type AttributeValue, buildModel, buildNode, buildTensor, buildValueInfo } from '../../model/build.ts';
import type { ModelProto, NodeProto, TensorProto } from '../../model/proto.ts';
import { writeModel } from '../../model/write-model.ts';
import { simplifyModel } from './simplify-graph.ts';

interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Builds a graph whose operators are drawn from `choices`; every value has four or fewer small axes. */
class RandomGraph {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly values: Value[] = [{ name: 'x', shape: [2, 4, 5, 3] }];
  readonly #choices: readonly number[];
  #at = 0;
  #seed = 1;

  constructor(choices: readonly number[]) {
    this.#choices = choices;
    while (this.#at < choices.length && this.nodes.length < 40) this.#grow();
  }

  model(): ModelProto {
    const outputs = [this.values.at(-1), this.values.at(-2), this.values[Math.floor(this.values.length / 2)]]
      .filter(value => value !== undefined && value.name !== 'x')
      .filter((value, i, all) => all.indexOf(value) === i)
      .map(value => buildValueInfo(value?.name ?? '', 'float', value?.shape ?? []));
    return buildModel({
      nodes: this.nodes,
      initializers: this.initializers,
      inputs: [buildValueInfo('x', 'float', ['n', 4, 5, 3])],
      outputs,
    });
  }

  #pick(below: number): number {
    const choice = this.#choices[this.#at++ % this.#choices.length] ?? 0;
    return choice % below;
  }

  #constant(shape: readonly number[], positive = false): string {
    const name = `c${this.initializers.length}`;
    const count = shape.reduce((product, dim) => product * dim, 1);
    const values = Float32Array.from({ length: count }, () => {
      this.#seed = (this.#seed * 48271) % 2147483647;
      const value = (this.#seed % 1000) / 500 - 1;
      return positive ? Math.abs(value) + 0.5 : value;
    });
    this.initializers.push(buildTensor(name, 'float', shape, values));
    return name;
  }

  #ints(values: readonly number[]): string {
    const name = `c${this.initializers.length}`;
    this.initializers.push(buildTensor(name, 'int64', [values.length], values));
    return name;
  }

  #add(
    op: string,
    inputs: readonly string[],
    shape: readonly number[],
    attributes: Record<string, AttributeValue> = {},
  ): Value {
    const value = { name: `v${this.nodes.length}`, shape };
    this.nodes.push(buildNode(op, inputs, [value.name], { attributes, name: `n${this.nodes.length}` }));
    this.values.push(value);
    return value;
  }

  #transpose(x: Value, perm: readonly number[]): Value {
    return this.#add(
      'Transpose',
      [x.name],
      perm.map(axis => x.shape[axis]!),
      { perm: perm.map(BigInt) },
    );
  }

  #grow(): void {
    const x = this.values[Math.max(0, this.values.length - 1 - this.#pick(3))]!;
    const { shape } = x;
    const rank = shape.length;
    const axis = rank === 0 ? 0 : this.#pick(rank);
    const without = shape.filter((_, i) => i !== axis);
    switch (this.#pick(16)) {
      case 0:
      case 1:
        this.#transpose(
          x,
          rank === 4
            ? [
                [0, 3, 1, 2],
                [0, 2, 3, 1],
                [3, 1, 0, 2],
              ][this.#pick(3)]!
            : shape.map((_, i) => rank - 1 - i),
        );
        return;
      case 2:
        this.#add(['Relu', 'Sigmoid', 'Neg', 'Tanh', 'Identity'][this.#pick(5)]!, [x.name], shape);
        return;
      case 3: {
        const other =
          this.#pick(2) === 0
            ? shape
            : shape.map((dim, i) => (i === axis ? dim : 1)).slice(this.#pick(2) === 0 ? 0 : axis);
        const inputs = [x.name, this.#constant(other)];
        this.#add(['Add', 'Mul', 'Sub', 'Max'][this.#pick(4)]!, this.#pick(2) === 0 ? inputs : inputs.reverse(), shape);
        return;
      }
      case 4: {
        const same = this.values.filter(value => value.shape.join() === shape.join());
        this.#add('Add', [x.name, same[this.#pick(same.length)]!.name], shape);
        return;
      }
      case 5: {
        if (rank === 0) return;
        const wide = shape.map((dim, i) => (i === axis ? dim + 2 : dim));
        const second = this.#constant(shape.map((dim, i) => (i === axis ? 2 : dim)));
        if (wide.reduce((p, d) => p * d, 1) < 4000)
          this.#add('Concat', [x.name, second], wide, { axis: BigInt(axis - (this.#pick(2) === 0 ? 0 : rank)) });
        return;
      }
      case 6: {
        if (rank === 0) return;
        const pads = [...shape, ...shape].map((_, i) => (i === axis || i === axis + rank ? this.#pick(2) : 0));
        const wide = shape.map((dim, i) => dim + pads[i]! + pads[i + rank]!);
        if (wide.reduce((p, d) => p * d, 1) < 4000) this.#add('Pad', [x.name, this.#ints(pads)], wide);
        return;
      }
      case 7: {
        if (rank === 0) return;
        const keeps = this.#pick(2);
        this.#add(
          ['ReduceMean', 'ReduceMax'][this.#pick(2)]!,
          [x.name, this.#ints([axis])],
          keeps === 1 ? shape.map((dim, i) => (i === axis ? 1 : dim)) : without,
          { keepdims: BigInt(keeps) },
        );
        return;
      }
      case 8: {
        if (rank === 0 || shape[axis]! < 2) return;
        const sizes = [1, shape[axis]! - 1];
        const names = [`v${this.nodes.length}`, `v${this.nodes.length}b`];
        this.nodes.push(buildNode('Split', [x.name, this.#ints(sizes)], names, { attributes: { axis: BigInt(axis) } }));
        names.forEach((name, k) => {
          this.values.push({ name, shape: shape.map((dim, i) => (i === axis ? sizes[k]! : dim)) });
        });
        return;
      }
      case 9:
        if (rank < 4)
          this.#add('Unsqueeze', [x.name, this.#ints([axis])], [...shape.slice(0, axis), 1, ...shape.slice(axis)]);
        return;
      case 10:
        if (shape[axis] === 1) this.#add('Squeeze', [x.name, this.#ints([axis])], without);
        return;
      case 11: {
        if (rank === 0 || shape[axis]! < 3) return;
        const inputs = [x.name, ...[[1], [-1], [axis]].map(values => this.#ints(values))];
        this.#add(
          'Slice',
          inputs,
          shape.map((dim, i) => (i === axis ? dim - 2 : dim)),
        );
        return;
      }
      case 12: {
        if (rank === 0 || shape[axis] === 0) return;
        const name = `c${this.initializers.length}`;
        this.initializers.push(buildTensor(name, 'int64', [], [0]));
        this.#add('Gather', [x.name, name], without, { axis: BigInt(axis) });
        return;
      }
      case 13: {
        if (rank === 0) return;
        this.#add('Softmax', [x.name], shape, { axis: BigInt(axis) });
        return;
      }
      case 14: {
        const flat = this.#add('Shape', [x.name], [rank]);
        this.values.pop();
        this.#add('Expand', [this.#constant([]), flat.name], shape);
        return;
      }
      default:
        if (rank === 4) this.#convolution(x);
    }
  }

  /** Channels-last convolution the naive way, sometimes with bias and normalisation behind it. */
  #convolution(x: Value): void {
    const [n = 1, h = 1, w = 1, c = 1] = x.shape;
    const nchw = this.#transpose(x, [0, 3, 1, 2]);
    const out = 1 + this.#pick(4);
    const kernel = this.#constant([1, 1, c, out]);
    const weight = this.#add('Transpose', [kernel], [out, c, 1, 1], { perm: [3n, 2n, 0n, 1n] });
    const y = this.#add('Conv', [nchw.name, weight.name], [n, out, h, w]);
    if (this.#pick(2) === 0) {
      const parts = [true, false, false, true].map(positive => this.#constant([out], positive));
      const normal = this.#add('BatchNormalization', [y.name, ...parts], y.shape);
      this.#transpose(normal, [0, 2, 3, 1]);
    } else {
      const nhwc = this.#transpose(y, [0, 2, 3, 1]);
      this.#add('Add', [nhwc.name, this.#constant([out])], nhwc.shape);
    }
    const last = this.values.at(-1)!;
    this.values.splice(this.values.indexOf(nchw), 3);
    if (!this.values.includes(last)) this.values.push(last);
  }
}

async function run(model: ModelProto): Promise<Record<string, number[]>> {
  const session = await InferenceSession.create(writeModel(model), { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const x = Float32Array.from({ length: 120 }, (_, i) => Math.sin(i * 1.7) * 2);
  const results = await session.run({ x: new Tensor('float32', x, [2, 4, 5, 3]) });
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, value]) => [name, [...value.dims, ...Array.from(value.data, Number)]]),
  );
}

test('a simplified graph computes what it computed before', async () => {
  let removed = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(1000), { minLength: 40, maxLength: 140 }), async choices => {
      const graph = new RandomGraph(choices);
      if (graph.nodes.length === 0) return;
      const model = graph.model();
      const simple = simplifyModel(model);
      removed += model.graph.nodes.length - simple.graph.nodes.length;
      expect(writeModel(simplifyModel(model))).toEqual(writeModel(simple));
      const [before, after] = [await run(model), await run(simple)];
      expect(Object.keys(after)).toEqual(Object.keys(before));
      for (const [name, expected] of Object.entries(before))
        after[name]?.forEach((value, i) => {
          expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(expected[i]!)));
        });
    }),
    { seed: 41, numRuns: 100 },
  );
  expect(removed).toBeGreaterThan(400);
});

const nhwc = [0n, 2n, 3n, 1n];
const nchw = [0n, 3n, 1n, 2n];

test('a channels-last chain keeps one transpose in front and one behind', () => {
  const nodes: NodeProto[] = [];
  const initializers: TensorProto[] = [];
  const layer = (input: string, i: number): string => {
    initializers.push(buildTensor(`w${i}`, 'float', [3, 3, 1, 1], new Float32Array(9).fill(0.5)));
    initializers.push(buildTensor(`b${i}`, 'float', [3], new Float32Array(3).fill(0.25)));
    nodes.push(buildNode('Transpose', [input], [`t${i}`], { attributes: { perm: nchw } }));
    nodes.push(buildNode('Conv', [`t${i}`, `w${i}`], [`y${i}`]));
    nodes.push(buildNode('Transpose', [`y${i}`], [`u${i}`], { attributes: { perm: nhwc } }));
    nodes.push(buildNode('Add', [`u${i}`, `b${i}`], [`a${i}`]));
    nodes.push(buildNode('Relu', [`a${i}`], [`r${i}`]));
    return `r${i}`;
  };
  const first = layer('x', 0);
  const second = layer(first, 1);
  nodes.push(buildNode('Add', [first, second], ['sum']));
  nodes.push(buildNode('Identity', [layer('sum', 2)], ['y']));
  const model = buildModel({
    nodes,
    initializers,
    inputs: [buildValueInfo('x', 'float', ['n', 4, 4, 3])],
    outputs: [buildValueInfo('y', 'float', ['n', 4, 4, 3])],
  });
  expect(simplifyModel(model).graph.nodes.map(node => node.opType)).toEqual([
    'Transpose',
    'Conv',
    'Relu',
    'Conv',
    'Relu',
    'Add',
    'Conv',
    'Relu',
    'Transpose',
  ]);
});

test('what a nested graph reads from outside keeps its name', async () => {
  const branch = (op: string): ModelProto['graph'] =>
    buildModel({
      nodes: [buildNode(op, ['same'], [`${op}_out`])],
      inputs: [],
      outputs: [buildValueInfo(`${op}_out`, 'float', [null, null, null, null])],
    }).graph;
  const model = buildModel({
    nodes: [
      buildNode('Identity', ['x'], ['same']),
      buildNode('If', ['condition'], ['y'], {
        attributes: { then_branch: branch('Relu'), else_branch: branch('Neg') },
      }),
    ],
    initializers: [buildTensor('condition', 'bool', [], [true])],
    inputs: [buildValueInfo('x', 'float', ['n', 4, 5, 3])],
    outputs: [buildValueInfo('y', 'float', ['n', 4, 5, 3])],
  });
  expect(await run(simplifyModel(model))).toEqual(await run(model));
});

test('ten thousand layers are simplified without deep recursion', () => {
  const nodes = Array.from({ length: 10_000 }, (_, i) =>
    buildNode(i % 2 === 0 ? 'Transpose' : 'Relu', [i === 0 ? 'x' : `v${i - 1}`], [`v${i}`], {
      attributes: i % 2 === 0 ? { perm: i % 4 === 0 ? nchw : nhwc } : {},
    }),
  );
  const model = buildModel({
    nodes,
    inputs: [buildValueInfo('x', 'float', ['n', 4, 5, 3])],
    outputs: [buildValueInfo('v9999', 'float', ['n', 4, 5, 3])],
  });
  const types = simplifyModel(model).graph.nodes.map(node => node.opType);
  expect(types.length).toBe(5000);
  expect(new Set(types)).toEqual(new Set(['Relu']));
});
