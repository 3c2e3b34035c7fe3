import { OnnxError } from '../../onnx-error.ts';
import { unpickle } from '../pickle/pickle-machine.ts';
import { PyDict, PyGlobal, PyList, PyObject, PyTuple, type PyValue } from '../pickle/python-values.ts';
import { ZipArchive } from '../zip/zip-archive.ts';

/** Largest pickle inside an archive that is looked through, in bytes; real ones are small. */
const maxPickleBytes = 64 << 20;
/** Objects that are visited when a file's tensors are listed. */
const maxVisits = 1_000_000;

/** A tensor as a PyTorch pickle describes it; its elements lie in a storage of the archive. */
export interface TorchTensor {
  readonly name: string;
  /** Name of the storage class without "Storage", such as `Float` or `Long`. */
  readonly element: string;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly storage: string;
}

/** Reads the object of a `torch.save` or TorchScript archive. @throws OnnxError `unsafe_code` and what a zip throws */
export function readTorchArchive(bytes: Uint8Array): {
  readonly value: PyValue;
  readonly archive: ZipArchive;
  readonly root: string;
} {
  const archive = new ZipArchive(bytes);
  const name = archive.names.find(item => item === 'data.pkl' || item.endsWith('/data.pkl'));
  if (name === undefined)
    throw new OnnxError('source_malformed', 'The PyTorch archive has no data.pkl; save it again.');
  const { value } = unpickle(archive.read(name, maxPickleBytes), 0, id => id);
  return { value, archive, root: name.slice(0, -'data.pkl'.length) };
}

/** Reads the object of a PyTorch file from before zip archives: the fourth pickle of the file. */
export function readTorchLegacy(bytes: Uint8Array): PyValue {
  let at = 0;
  for (let i = 0; i < 3; i++) at = unpickle(bytes, at, id => id).end;
  return unpickle(bytes, at, id => id).value;
}

function numbers(value: PyValue | undefined): number[] | undefined {
  if (!(value instanceof PyTuple)) return undefined;
  const found = value.items.map(item =>
    typeof item === 'bigint' || typeof item === 'number' ? Number(item) : Number.NaN,
  );
  return found.every(item => Number.isSafeInteger(item) && item >= 0) ? found : undefined;
}

function asTensor(value: PyValue, name: string): TorchTensor | undefined {
  if (!(value instanceof PyObject)) return undefined;
  const { path } = value.type;
  if (path === 'torch._utils._rebuild_parameter') return asTensor(value.args[0] ?? null, name);
  if (path !== 'torch._utils._rebuild_tensor_v2' && path !== 'torch._utils._rebuild_tensor') return undefined;
  const [storage, offset, size, stride] = value.args;
  const [shape, strides] = [numbers(size), numbers(stride)];
  if (!(storage instanceof PyTuple) || shape === undefined || strides === undefined) return undefined;
  const [, type, key] = storage.items;
  return {
    name,
    element: type instanceof PyGlobal ? type.name.replace(/Storage$/, '') : 'unknown',
    shape,
    strides,
    offset: Number(typeof offset === 'bigint' || typeof offset === 'number' ? offset : 0),
    storage: String(key),
  };
}

/** Every tensor below a value, named by the path of dictionary keys and attributes to it. */
export function torchTensors(root: PyValue): TorchTensor[] {
  const found: TorchTensor[] = [];
  const seen = new Set<PyValue>();
  const stack: (readonly [PyValue, string])[] = [[root, '']];
  for (let item = stack.pop(); item !== undefined && seen.size < maxVisits; item = stack.pop()) {
    const [value, path] = item;
    if (value === null || typeof value !== 'object') continue;
    const tensor = asTensor(value, path);
    if (tensor !== undefined) {
      found.push(tensor);
      continue;
    }
    if (seen.has(value)) continue;
    seen.add(value);
    const below = (key: PyValue): string => {
      const text = typeof key === 'string' || typeof key === 'bigint' ? String(key) : '?';
      // The dictionaries a module keeps its parts in say nothing to a person.
      if (/^_(parameters|buffers|modules)$/.test(text)) return path;
      return path === '' ? text : `${path}.${text}`;
    };
    const push = (entries: readonly (readonly [PyValue, PyValue])[]): void => {
      for (const [key, inner] of entries.toReversed()) stack.push([inner, below(key)]);
    };
    if (value instanceof PyDict) push(value.entries);
    else if (value instanceof PyList || value instanceof PyTuple)
      push(value.items.map((inner, i) => [BigInt(i), inner] as const));
    else if (value instanceof PyObject) {
      push(value.entries.entries);
      if (value.state !== null) stack.push([value.state, path]);
      for (const inner of value.args) stack.push([inner, path]);
    }
  }
  return found;
}
