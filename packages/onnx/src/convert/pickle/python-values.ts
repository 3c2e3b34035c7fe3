/**
 * What a pickle turns into: plain values and inert records. No class is looked up and no function is called;
 * an object is the name of its class, the arguments it was to be built with, and its state.
 */
export type PyValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | PyList
  | PyTuple
  | PyDict
  | PySet
  | PyGlobal
  | PyObject
  | NumpyArray
  | NumpyType
  | NumpyScalar;

export class PyList {
  readonly kind = 'list';
  readonly items: PyValue[] = [];
}

export class PyTuple {
  readonly kind = 'tuple';
  readonly items: readonly PyValue[];
  constructor(items: readonly PyValue[]) {
    this.items = items;
  }
}

export class PySet {
  readonly kind = 'set';
  readonly items: PyValue[] = [];
}

/** A dict in insertion order; text keys are also found by name. */
export class PyDict {
  readonly kind = 'dict';
  readonly entries: (readonly [PyValue, PyValue])[] = [];
  readonly #byName = new Map<string, PyValue>();

  set(key: PyValue, value: PyValue): void {
    this.entries.push([key, value]);
    if (typeof key === 'string') this.#byName.set(key, value);
  }

  get(name: string): PyValue | undefined {
    return this.#byName.get(name);
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }
}

/** The name of a class or function that the pickle mentions. */
export class PyGlobal {
  readonly kind = 'global';
  readonly module: string;
  readonly name: string;
  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
  get path(): string {
    return `${this.module}.${this.name}`;
  }
}

/** An instance that was never made: class, arguments, state and appended items as the pickle gives them. */
export class PyObject {
  readonly kind = 'object';
  readonly type: PyGlobal;
  readonly args: readonly PyValue[];
  state: PyValue = null;
  readonly items: PyValue[] = [];
  readonly entries = new PyDict();

  constructor(type: PyGlobal, args: readonly PyValue[]) {
    this.type = type;
    this.args = args;
  }

  /** An attribute from the state, which is a dict or the pair (dict, slots). */
  attribute(name: string): PyValue | undefined {
    if (this.state instanceof PyDict) return this.state.get(name);
    if (this.state instanceof PyTuple) {
      for (const part of this.state.items) if (part instanceof PyDict && part.has(name)) return part.get(name);
    }
    return undefined;
  }

  attributeNames(): string[] {
    if (this.state instanceof PyDict) return this.state.names();
    if (this.state instanceof PyTuple)
      return this.state.items.flatMap(part => (part instanceof PyDict ? part.names() : []));
    return [];
  }
}

/** A field of a structured NumPy dtype. */
export interface NumpyField {
  readonly name: string;
  readonly type: NumpyType;
  readonly offset: number;
}

/** A NumPy dtype: kind letter (`f`, `i`, `u`, `b`, `U`, `S`, `O`, `V`), item size in bytes, byte order. */
export class NumpyType {
  readonly kind = 'dtype';
  readonly letter: string;
  itemBytes: number;
  isBigEndian = false;
  fields: NumpyField[] = [];
  constructor(letter: string, itemBytes: number) {
    this.letter = letter;
    this.itemBytes = itemBytes;
  }
}

/** An array: raw bytes in C or Fortran order, or Python objects. */
export class NumpyArray {
  readonly kind = 'ndarray';
  shape: readonly number[] = [];
  type: NumpyType = new NumpyType('O', 8);
  isFortran = false;
  bytes: Uint8Array = new Uint8Array();
  objects: readonly PyValue[] = [];

  get length(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }
}

/** A NumPy scalar with its exact element bytes. */
export class NumpyScalar {
  readonly kind = 'scalar';
  readonly type: NumpyType;
  readonly bytes: Uint8Array;
  constructor(type: NumpyType, bytes: Uint8Array) {
    this.type = type;
    this.bytes = bytes;
  }
}
