import { OnnxError } from '../../onnx-error.ts';
import {
  NumpyArray,
  NumpyScalar,
  NumpyType,
  PyDict,
  type PyGlobal,
  PyList,
  PyObject,
  PyTuple,
  type PyValue,
} from './python-values.ts';

/** Text that Python 2 wrote for bytes comes out as Latin-1 text; this gives the bytes back. */
export function bytesOf(value: PyValue | undefined): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return Uint8Array.from(value, char => char.charCodeAt(0) & 255);
  return undefined;
}

function malformed(what: string): OnnxError {
  return new OnnxError('source_malformed', `The pickle holds a damaged NumPy value: ${what}.`);
}

function shapeOf(value: PyValue | undefined): number[] {
  const items = value instanceof PyTuple || value instanceof PyList ? value.items : [value ?? null];
  return items.map(item => {
    const size = typeof item === 'bigint' ? Number(item) : Number.NaN;
    if (!(size >= 0 && size <= 2 ** 40)) throw malformed('an impossible shape');
    return size;
  });
}

/** `dtype('f8')` and friends; structured types get their fields by BUILD. */
export function numpyType(code: PyValue | undefined): NumpyType {
  if (code instanceof NumpyType) return code;
  const text =
    typeof code === 'string' ? code : code instanceof Uint8Array ? String.fromCharCode(...code.subarray(0, 16)) : '';
  const match = /^([<>|=]?)([a-zA-Z?])(\d*)$/.exec(text);
  if (match === null) throw malformed(`the dtype ${text.slice(0, 20)}`);
  const [, order = '', letter = '', size = ''] = match;
  const short: Readonly<Record<string, readonly [string, number]>> = {
    d: ['f', 8],
    e: ['f', 2],
    l: ['i', 8],
    q: ['i', 8],
    h: ['i', 2],
    L: ['u', 8],
    Q: ['u', 8],
    I: ['u', 4],
    H: ['u', 2],
    B: ['u', 1],
    '?': ['b', 1],
    p: ['i', 8],
  };
  const [kind, bytes] =
    size === '' ? (short[letter] ?? [letter, letter === 'f' || letter === 'i' ? 4 : 0]) : [letter, Number(size)];
  const type = new NumpyType(kind, kind === 'U' ? bytes * 4 : bytes);
  type.isBigEndian = order === '>';
  return type;
}

/** Applies the state tuple of a dtype: (version, order, subdtype, names, fields, itemsize, alignment, ...). */
export function buildNumpyType(type: NumpyType, state: PyValue): void {
  if (!(state instanceof PyTuple)) throw malformed('a dtype state');
  const [, order, , names, fields, itemBytes] = state.items;
  type.isBigEndian = order === '>';
  if (typeof itemBytes === 'bigint' && itemBytes > 0n && itemBytes < 1n << 31n) type.itemBytes = Number(itemBytes);
  if (!(names instanceof PyTuple) || !(fields instanceof PyDict)) return;
  type.fields = names.items.map(name => {
    const field = typeof name === 'string' ? fields.get(name) : undefined;
    if (typeof name !== 'string' || !(field instanceof PyTuple)) throw malformed('a structured dtype');
    const [inner, offset] = field.items;
    if (!(inner instanceof NumpyType) || typeof offset !== 'bigint') throw malformed(`the field ${name}`);
    return { name, type: inner, offset: Number(offset) };
  });
}

/** Applies the state tuple of an array: (version, shape, dtype, is_fortran, bytes or list of objects). */
export function buildNumpyArray(array: NumpyArray, state: PyValue): void {
  if (!(state instanceof PyTuple)) throw malformed('an array state');
  const items = state.items.length === 5 ? state.items.slice(1) : state.items;
  const [shape, type, isFortran, content] = items;
  if (!(type instanceof NumpyType)) throw malformed('an array without dtype');
  fillArray(array, type, shapeOf(shape), isFortran === true || isFortran === 1n, content ?? null);
}

function fillArray(
  array: NumpyArray,
  type: NumpyType,
  shape: readonly number[],
  isFortran: boolean,
  content: PyValue,
): void {
  array.type = type;
  array.shape = shape;
  array.isFortran = isFortran;
  if (content instanceof PyList) array.objects = content.items;
  else {
    const bytes = bytesOf(content);
    if (bytes === undefined || bytes.length < array.length * type.itemBytes)
      throw malformed('an array shorter than its shape');
    array.bytes = bytes;
  }
}

/** The NumPy functions that a pickle calls to make arrays, by their last module part and name. */
export function callNumpy(type: PyGlobal, args: readonly PyValue[]): PyValue | undefined {
  if (type.module !== 'numpy' && !type.module.startsWith('numpy.')) return undefined;
  switch (type.name) {
    case '_reconstruct':
      return new NumpyArray();
    case 'dtype':
      return numpyType(args[0]);
    case 'scalar':
      return scalar(args[0], args[1]);
    case '_frombuffer':
      return fromBuffer(args);
    default:
      return undefined;
  }
}

function scalar(type: PyValue | undefined, content: PyValue | undefined): PyValue {
  if (!(type instanceof NumpyType)) throw malformed('a scalar without dtype');
  const bytes = bytesOf(content);
  if (bytes !== undefined && type.letter !== 'O') return new NumpyScalar(type, bytes);
  return content ?? null;
}

function fromBuffer(args: readonly PyValue[]): NumpyArray {
  const [content, type, shape, order] = args;
  const array = new NumpyArray();
  const inner = content instanceof PyObject ? content.args[0] : content;
  fillArray(array, numpyType(type), shapeOf(shape), order === 'F', inner ?? null);
  return array;
}
