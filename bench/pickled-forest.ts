/** A NumPy array as a pickle has it: dtype code or fields of a structured dtype, shape, and the elements' bytes. */
interface PickledArray {
  readonly type: string | readonly (readonly [name: string, code: string, offset: number])[];
  readonly itemBytes: number;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Writes the opcodes of pickle protocol 4 that a fitted scikit-learn model needs. */
class PickleWriter {
  readonly #parts: Uint8Array[] = [Uint8Array.of(0x80, 4)];

  op(...bytes: readonly number[]): this {
    this.#parts.push(Uint8Array.from(bytes));
    return this;
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    this.op(0x8c, bytes.length);
    this.#parts.push(bytes);
    return this;
  }

  int(value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, value, true);
    return this.op(0x4a, ...bytes);
  }

  bytes(value: Uint8Array): this {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, value.length, true);
    this.op(0x42, ...length);
    this.#parts.push(value);
    return this;
  }

  global(module: string, name: string): this {
    return this.text(module).text(name).op(0x93);
  }

  ints(values: readonly number[]): this {
    this.op(0x28);
    for (const value of values) this.int(value);
    return this.op(0x74);
  }

  dtype(code: string, order: string): this {
    this.global('numpy', 'dtype').text(code).op(0x89, 0x88, 0x87, 0x52);
    return this.op(0x28).int(3).text(order).op(0x4e, 0x4e, 0x4e).int(-1).int(-1).int(0).op(0x74, 0x62);
  }

  array({ type, itemBytes, shape, bytes }: PickledArray): this {
    this.global('numpy.core.multiarray', '_reconstruct').global('numpy', 'ndarray').ints([0]).bytes(Uint8Array.of(98));
    this.op(0x87, 0x52, 0x28).int(1).ints(shape);
    if (typeof type === 'string') this.dtype(type, '<');
    else {
      this.global('numpy', 'dtype').text(`V${itemBytes}`).op(0x89, 0x88, 0x87, 0x52);
      this.op(0x28).int(3).text('|').op(0x4e, 0x28);
      for (const [name] of type) this.text(name);
      this.op(0x74, 0x7d, 0x28);
      for (const [name, code, offset] of type) this.text(name).dtype(code, '<').int(offset).op(0x86);
      this.op(0x75).int(itemBytes).int(1).int(16).op(0x74, 0x62);
    }
    return this.op(0x89).bytes(bytes).op(0x74, 0x62);
  }

  /** An instance whose state is a dict that `write` fills. */
  instance(module: string, name: string, write: () => void): this {
    this.global(module, name).op(0x29, 0x81, 0x7d, 0x28);
    write();
    return this.op(0x75, 0x62);
  }

  finish(): Uint8Array {
    return new Uint8Array(Buffer.concat([...this.#parts, Uint8Array.of(0x2e)]));
  }
}

const nodeFields = [
  ['left_child', 'i8', 0],
  ['right_child', 'i8', 8],
  ['feature', 'i8', 16],
  ['threshold', 'f8', 24],
  ['impurity', 'f8', 32],
  ['n_node_samples', 'i8', 40],
  ['weighted_n_node_samples', 'f8', 48],
  ['missing_go_to_left', 'u1', 56],
] as const;

const features = 20;
const classes = 3;

/** A complete tree in depth-first order, as scikit-learn numbers its nodes. */
function treeNodes(depth: number, seed: number): { readonly nodes: Uint8Array; readonly values: Float64Array } {
  const count = 2 ** (depth + 1) - 1;
  const nodes = new Uint8Array(count * 64);
  const view = new DataView(nodes.buffer);
  const values = new Float64Array(count * classes);
  let next = 0;
  const grow = (left: number): number => {
    const at = next++;
    const isLeaf = left === 0;
    values.set([Math.abs(Math.sin(at + seed)), Math.abs(Math.cos(at)), 0.5], at * classes);
    view.setBigInt64(at * 64 + 16, BigInt(isLeaf ? -2 : (at * 7 + seed) % features), true);
    view.setFloat64(at * 64 + 24, isLeaf ? -2 : Math.sin(at * 3 + seed), true);
    view.setBigInt64(at * 64 + 40, BigInt(2 ** left), true);
    view.setBigInt64(at * 64, isLeaf ? -1n : BigInt(grow(left - 1)), true);
    view.setBigInt64(at * 64 + 8, isLeaf ? -1n : BigInt(grow(left - 1)), true);
    return at;
  };
  grow(depth);
  return { nodes, values };
}

/** A RandomForestClassifier of scikit-learn 1.4 with complete trees, three classes and twenty features, as a pickle. */
export function pickledForest(trees: number, depth: number): Uint8Array {
  const out = new PickleWriter();
  const whole = (...values: readonly number[]): PickledArray => ({
    type: 'i8',
    itemBytes: 8,
    shape: [values.length],
    bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
  });
  const shared = (): void => {
    out.text('n_features_in_').int(features).text('n_outputs_').int(1).text('n_classes_').int(classes);
    out
      .text('classes_')
      .array(whole(0, 1, 2))
      .text('_sklearn_version')
      .text('1.4.2');
  };
  out.instance('sklearn.ensemble._forest', 'RandomForestClassifier', () => {
    shared();
    out.text('estimators_').op(0x5d, 0x28);
    for (let tree = 0; tree < trees; tree++) {
      const { nodes, values } = treeNodes(depth, tree);
      const count = nodes.length / 64;
      out.instance('sklearn.tree._classes', 'DecisionTreeClassifier', () => {
        shared();
        out.text('tree_').global('sklearn.tree._tree', 'Tree').int(features).array(whole(classes)).int(1);
        out.op(0x87, 0x52, 0x7d, 0x28).text('max_depth').int(depth).text('node_count').int(count);
        out.text('nodes').array({ type: nodeFields, itemBytes: 64, shape: [count], bytes: nodes });
        const bytes = new Uint8Array(values.buffer);
        out
          .text('values')
          .array({ type: 'f8', itemBytes: 8, shape: [count, 1, classes], bytes })
          .op(0x75, 0x62);
      });
    }
    out.op(0x65);
  });
  return out.finish();
}
