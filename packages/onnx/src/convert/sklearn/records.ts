import { OnnxError } from '../../onnx-error.ts';
import {
  NumpyArray,
  NumpyScalar,
  type NumpyType,
  PyDict,
  PyGlobal,
  PyList,
  PyObject,
  PyTuple,
  type PyValue,
} from '../pickle/python-values.ts';

/** A dense array in C order. */
export interface Dense {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

const maxDenseElements = 2 ** 28;

function wrong(what: string, problem: string): OnnxError {
  return new OnnxError('source_malformed', `The attribute ${what} ${problem}; save the model again.`, { node: what });
}

/** Reads one element of a NumPy buffer as a number. */
function elementReader(type: NumpyType, bytes: Uint8Array): (at: number) => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = !type.isBigEndian;
  const key = `${type.letter}${type.itemBytes}`;
  switch (key) {
    case 'f8':
      return at => view.getFloat64(at, little);
    case 'f4':
      return at => view.getFloat32(at, little);
    case 'f2':
      return at => halfFloat(view.getUint16(at, little));
    case 'i8':
      // Two halves round as the whole would, without an object per element.
      return at =>
        view.getInt32(at + (little ? 4 : 0), little) * 2 ** 32 + view.getUint32(at + (little ? 0 : 4), little);
    case 'i4':
      return at => view.getInt32(at, little);
    case 'i2':
      return at => view.getInt16(at, little);
    case 'i1':
      return at => view.getInt8(at);
    case 'u8':
      return at =>
        view.getUint32(at + (little ? 4 : 0), little) * 2 ** 32 + view.getUint32(at + (little ? 0 : 4), little);
    case 'u4':
      return at => view.getUint32(at, little);
    case 'u2':
      return at => view.getUint16(at, little);
    case 'u1':
    case 'b1':
      return at => view.getUint8(at);
    default:
      throw new OnnxError('source_malformed', `A NumPy array has the element type ${key}, which is not a number.`);
  }
}

/** The value of an IEEE 754 binary16 bit pattern. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Position in a Fortran-ordered buffer of each element in C order. */
function fortranPositions(shape: readonly number[]): Int32Array {
  const total = shape.reduce((product, size) => product * size, 1);
  const positions = new Int32Array(total);
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, size) => product * size, 1));
  const index = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < total; i++) {
    positions[i] = index.reduce((sum, at, axis) => sum + at * strides[axis]!, 0);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = index[axis]! + 1;
      if (index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
  return positions;
}

/** Numbers of an array, list, scalar, or sparse matrix (made dense). */
export function dense(value: PyValue | undefined, what: string, depth = 0): Dense {
  if (depth > 8) throw wrong(what, 'nests too deeply');
  if (value instanceof NumpyArray) return denseArray(value, what, depth);
  if (value instanceof NumpyScalar)
    return { dims: [], data: Float64Array.of(elementReader(value.type, value.bytes)(0)) };
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return { dims: [], data: Float64Array.of(Number(value)) };
  if (value instanceof PyList || value instanceof PyTuple) {
    const rows = value.items.map(item => dense(item, what, depth + 1));
    const inner = rows[0]?.dims ?? [];
    const data = new Float64Array(rows.reduce((sum, row) => sum + row.data.length, 0));
    let at = 0;
    for (const row of rows) {
      data.set(row.data, at);
      at += row.data.length;
    }
    return { dims: [rows.length, ...inner], data };
  }
  if (value instanceof PyObject && /^scipy\.sparse/.test(value.type.module)) return denseSparse(value, what);
  throw wrong(
    what,
    value === undefined
      ? 'is missing, so the model is not fitted or of an unknown version'
      : 'is not an array of numbers',
  );
}

function denseArray(array: NumpyArray, what: string, depth = 0): Dense {
  const { length, type, bytes, shape } = array;
  if (type.letter === 'O') {
    return {
      dims: shape,
      data: Float64Array.from(array.objects, item => dense(item, what, depth + 1).data[0] ?? Number.NaN),
    };
  }
  const read = elementReader(type, bytes);
  const data = new Float64Array(length);
  if (array.isFortran && shape.length > 1) {
    const positions = fortranPositions(shape);
    for (let i = 0; i < length; i++) data[i] = read(positions[i]! * type.itemBytes);
  } else for (let i = 0; i < length; i++) data[i] = read(i * type.itemBytes);
  return { dims: shape, data };
}

function denseSparse(matrix: PyObject, what: string): Dense {
  const shape = matrix.attribute('_shape') ?? matrix.attribute('shape');
  const [rows = 0, columns = 0] = dense(shape, what).data;
  if (rows * columns > maxDenseElements)
    throw new OnnxError('too_large', `The sparse matrix ${what} is too large to store densely.`, { node: what });
  const values = dense(matrix.attribute('data'), what).data;
  const indices = dense(matrix.attribute('indices'), what).data;
  const pointers = dense(matrix.attribute('indptr'), what).data;
  const byColumn = matrix.type.name.startsWith('csc');
  const data = new Float64Array(rows * columns);
  for (let major = 0; major + 1 < pointers.length; major++) {
    for (let i = pointers[major]!; i < pointers[major + 1]!; i++) {
      const at = byColumn ? indices[i]! * columns + major : major * columns + indices[i]!;
      data[at] = data[at]! + values[i]!;
    }
  }
  return { dims: [rows, columns], data };
}

/** A labelled list: class labels, category values. */
export type Labels =
  | { readonly type: 'string'; readonly values: readonly string[] }
  | { readonly type: 'int64'; readonly values: readonly bigint[] }
  | { readonly type: 'double'; readonly values: readonly number[] }
  | { readonly type: 'bool'; readonly values: readonly boolean[] };

/**
 * Labels of any dtype, in their own type. A list of mixed types is refused.
 * @throws OnnxError `unsupported_source`
 */
export function labels(value: PyValue | undefined, what: string): Labels {
  if (value instanceof NumpyArray && value.type.letter !== 'O') return typedLabels(value, what);
  const items =
    value instanceof NumpyArray
      ? value.objects
      : value instanceof PyList || value instanceof PyTuple
        ? value.items
        : undefined;
  if (items === undefined) throw wrong(what, 'is not a list of labels');
  return objectLabels(items.map(plainScalar), what);
}

function objectLabels(items: readonly PyValue[], what: string): Labels {
  if (items.every(item => typeof item === 'string')) return { type: 'string', values: items };
  if (items.every(item => typeof item === 'bigint')) return { type: 'int64', values: items };
  if (items.every(item => typeof item === 'boolean')) return { type: 'bool', values: items };
  if (items.every(item => typeof item === 'number' || typeof item === 'bigint'))
    return { type: 'double', values: items.map(Number) };
  throw new OnnxError(
    'unsupported_source',
    `The labels of ${what} mix several types (${[...new Set(items.map(item => (item === null ? 'None' : typeof item)))].join(', ')}), which a tensor cannot hold; make them one type before fitting.`,
    { node: what },
  );
}

/** A NumPy scalar as the Python value it stands for. */
export function plainScalar(value: PyValue): PyValue {
  if (!(value instanceof NumpyScalar)) return value;
  if (value.type.letter === 'U') return unicodeItem(value.bytes, value.type.isBigEndian);
  const number = elementReader(value.type, value.bytes)(0);
  if (value.type.letter === 'b') return number !== 0;
  return value.type.letter === 'i' || value.type.letter === 'u' ? BigInt(number) : number;
}

function typedLabels(array: NumpyArray, what: string): Labels {
  const { type, bytes, length } = array;
  if (type.letter === 'U' || type.letter === 'S') {
    const values = Array.from({ length }, (_, i) => {
      const item = bytes.subarray(i * type.itemBytes, (i + 1) * type.itemBytes);
      return type.letter === 'U'
        ? unicodeItem(item, type.isBigEndian)
        : String.fromCharCode(...item).replace(/\0+$/, '');
    });
    return { type: 'string', values };
  }
  const numbers = denseArray(array, what).data;
  if (type.letter === 'b') return { type: 'bool', values: Array.from(numbers, item => item !== 0) };
  if (type.letter === 'f') return { type: 'double', values: [...numbers] };
  return { type: 'int64', values: Array.from(numbers, BigInt) };
}

function unicodeItem(bytes: Uint8Array, isBigEndian: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = '';
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const code = view.getUint32(at, !isBigEndian);
    if (code === 0) break;
    text += code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
  }
  return text;
}

/** One column of a structured array, such as the nodes of a tree. */
export function fieldColumn(array: NumpyArray, name: string): Float64Array | undefined {
  const field = array.type.fields.find(item => item.name === name);
  if (field === undefined) return undefined;
  const read = elementReader(field.type, array.bytes);
  const column = new Float64Array(array.length);
  const { itemBytes } = array.type;
  for (let i = 0, at = field.offset; i < column.length; i++, at += itemBytes) column[i] = read(at);
  return column;
}

/** Reads the attributes of one fitted object, with errors that name class and attribute. */
export class Estimator {
  readonly record: PyObject;
  /** Where the object sits in the whole model, such as `pipeline.scaler`. */
  readonly path: string;

  constructor(record: PyObject, path: string) {
    this.record = record;
    this.path = path;
  }

  get className(): string {
    return this.record.type.name;
  }

  has(name: string): boolean {
    const value = this.record.attribute(name);
    return value !== undefined && value !== null;
  }

  raw(name: string): PyValue | undefined {
    return this.record.attribute(name);
  }

  dense(name: string): Dense {
    return dense(this.record.attribute(name), `${this.path}.${name}`);
  }

  /** A number, or undefined when the attribute is absent or None. */
  number(name: string): number | undefined {
    const value = this.record.attribute(name);
    if (value === undefined || value === null || typeof value === 'string') return undefined;
    if (value instanceof PyObject || value instanceof PyGlobal || value instanceof PyDict) return undefined;
    return dense(value, `${this.path}.${name}`).data[0];
  }

  text(name: string): string | undefined {
    const value = this.record.attribute(name);
    return typeof value === 'string' ? value : undefined;
  }

  flag(name: string, fallback: boolean): boolean {
    const value = plainScalar(this.record.attribute(name) ?? null);
    if (value === null) return fallback;
    return typeof value === 'bigint' ? value !== 0n : value === true;
  }

  labels(name: string): Labels {
    return labels(this.record.attribute(name), `${this.path}.${name}`);
  }

  /** Items of a list, tuple or object array. */
  list(name: string): readonly PyValue[] {
    const value = this.record.attribute(name);
    if (value instanceof PyList || value instanceof PyTuple) return value.items;
    if (value instanceof NumpyArray && value.type.letter === 'O') return value.objects;
    throw wrong(`${this.path}.${name}`, 'is not a list');
  }

  /** A fitted object held in an attribute. */
  child(name: string): Estimator {
    return asEstimator(this.record.attribute(name), `${this.path}.${name}`);
  }

  children(name: string): Estimator[] {
    return this.list(name).map((item, i) => asEstimator(item, `${this.path}.${name}[${i}]`));
  }

  /** Refuses a parameter value that is not handled. @throws OnnxError `unsupported_source` */
  refuse(why: string): never {
    throw new OnnxError('unsupported_source', `${this.className} at ${this.path} ${why}.`, {
      node: this.path,
      op: this.className,
      unsupported: [`${this.className} at ${this.path}: ${why}`],
    });
  }
}

export function asEstimator(value: PyValue | undefined, path: string): Estimator {
  if (value instanceof PyObject) return new Estimator(value, path);
  throw wrong(path, 'is not a fitted object');
}

/** Pairs (name, object) as Pipeline, FeatureUnion and VotingClassifier keep them. */
export function namedParts(value: PyValue | undefined, path: string): { name: string; part: PyValue }[] {
  const items = value instanceof PyList || value instanceof PyTuple ? value.items : undefined;
  if (items === undefined) throw wrong(path, 'is not a list of steps');
  return items.map(item => {
    const [name, part] = item instanceof PyTuple || item instanceof PyList ? item.items : [];
    if (typeof name !== 'string' || part === undefined) throw wrong(path, 'has a step without name');
    return { name, part };
  });
}

/** Labels as plain JavaScript values, for reports and metadata. */
export function plainLabels(classes: Labels): (string | number | boolean)[] {
  return classes.type === 'int64' ? classes.values.map(Number) : [...classes.values];
}
