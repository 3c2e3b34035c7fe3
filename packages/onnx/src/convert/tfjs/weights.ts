import { OnnxError } from '../../onnx-error.ts';
import { listField, numberField, optionalField, textField } from '../boosting/json-fields.ts';
import type { SourceFile } from '../convert.ts';

/** One weight of a TensorFlow.js model, its quantisation undone. */
export interface TfjsWeight {
  readonly dtype: 'bool' | 'complex64' | 'float32' | 'int32' | 'string';
  readonly shape: readonly number[];
  /** Little-endian elements; for `string` each text behind its length as uint32. */
  readonly bytes: Uint8Array;
}

const storedBytes: ReadonlyMap<string, number> = new Map([
  ['float32', 4],
  ['int32', 4],
  ['bool', 1],
  ['complex64', 8],
  ['uint8', 1],
  ['uint16', 2],
  ['float16', 2],
]);

/**
 * The weights that `weightsManifest` of a model.json describes, by name. Only files that were given are read; a path
 * is matched by its name and never followed or fetched.
 * @throws OnnxError `missing_file`, `truncated`, `source_malformed`, `unsupported_dtype`
 */
export function readTfjsWeights(model: unknown, files: readonly SourceFile[]): Map<string, TfjsWeight> {
  const weights = new Map<string, TfjsWeight>();
  if (optionalField(model, 'weightsManifest') === undefined) return weights;
  for (const group of listField(model, 'weightsManifest')) {
    const bytes = tfjsShards(listField(group, 'paths'), files);
    let at = 0;
    for (const spec of listField(group, 'weights')) {
      const name = textField(spec, 'name');
      const { weight, end } = readWeight(spec, name, bytes, at);
      weights.set(name, weight);
      at = end;
    }
  }
  return weights;
}

/** The bytes of a group of weights, joined. @throws OnnxError `missing_file` */
export function tfjsShards(paths: readonly unknown[], files: readonly SourceFile[]): Uint8Array {
  const shards = paths.map(path => {
    const name = typeof path === 'string' ? path : '';
    const base = name.slice(name.lastIndexOf('/') + 1);
    const isRemote = /^[a-z][a-z0-9+.-]*:/i.test(name);
    const found = isRemote
      ? undefined
      : files.find(file => file.name === name || file.name.slice(file.name.lastIndexOf('/') + 1) === base);
    if (found === undefined)
      throw new OnnxError(
        'missing_file',
        `The weights file "${name}" that the model.json names was not given; give it beside the model.json (nothing is downloaded).`,
      );
    return found.bytes;
  });
  const [first] = shards;
  if (shards.length === 1 && first !== undefined) return first;
  const all = new Uint8Array(shards.reduce((sum, shard) => sum + shard.length, 0));
  let at = 0;
  for (const shard of shards) {
    all.set(shard, at);
    at += shard.length;
  }
  return all;
}

function readWeight(
  spec: unknown,
  name: string,
  bytes: Uint8Array,
  start: number,
): { readonly weight: TfjsWeight; readonly end: number } {
  const shape = listField(spec, 'shape').map(Number);
  const total = shape.reduce((product, dim) => product * dim, 1);
  if (shape.some(dim => !Number.isSafeInteger(dim) || dim < 0) || !Number.isSafeInteger(total))
    throw new OnnxError('source_malformed', `The weight "${name}" has the impossible shape [${shape.join(', ')}].`, {
      node: name,
    });
  const dtype = textField(spec, 'dtype');
  if (dtype === 'string') return readTexts(name, shape, total, bytes, start);
  const stored = optionalField(spec, 'quantization', 'dtype') ?? dtype;
  const size = typeof stored === 'string' ? storedBytes.get(stored) : undefined;
  if (size === undefined || (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool' && dtype !== 'complex64'))
    throw new OnnxError('unsupported_dtype', `The weight "${name}" has the unknown type ${dtype} (${stored}).`, {
      node: name,
    });
  const end = start + total * size;
  if (end > bytes.length)
    throw new OnnxError(
      'truncated',
      `The weights file is too short: the weight "${name}" needs bytes ${start} to ${end} of ${bytes.length}; copy it again.`,
      { node: name },
    );
  const raw = bytes.subarray(start, end);
  const isQuantized = optionalField(spec, 'quantization') !== undefined;
  return { weight: { dtype, shape, bytes: isQuantized ? dequantize(spec, name, dtype, raw) : raw }, end };
}

/** Undoes weight quantisation: value = stored * scale + min, or a half-precision number. */
function dequantize(spec: unknown, name: string, dtype: string, raw: Uint8Array): Uint8Array {
  const kind = optionalField(spec, 'quantization', 'dtype');
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  if (kind === 'float16') {
    const out = new Float32Array(raw.length / 2);
    for (let i = 0; i < out.length; i++) out[i] = halfToFloat(view.getUint16(i * 2, true));
    return new Uint8Array(out.buffer);
  }
  if (kind !== 'uint8' && kind !== 'uint16')
    throw new OnnxError(
      'unsupported_dtype',
      `The weight "${name}" is quantised as ${String(kind)}, which is unknown.`,
      {
        node: name,
      },
    );
  const scale = numberField(spec, 'quantization', 'scale');
  const min = numberField(spec, 'quantization', 'min');
  const count = kind === 'uint8' ? raw.length : raw.length / 2;
  const out = dtype === 'int32' ? new Int32Array(count) : new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const value = (kind === 'uint8' ? view.getUint8(i) : view.getUint16(i * 2, true)) * scale + min;
    out[i] = dtype === 'int32' ? Math.round(value) : value;
  }
  return new Uint8Array(out.buffer);
}

/** IEEE 754 binary16 as a number. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function readTexts(
  name: string,
  shape: readonly number[],
  total: number,
  bytes: Uint8Array,
  start: number,
): { readonly weight: TfjsWeight; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = start;
  for (let i = 0; i < total; i++) {
    const length = end + 4 <= bytes.length ? view.getUint32(end, true) : Number.POSITIVE_INFINITY;
    end += 4 + length;
    if (end > bytes.length)
      throw new OnnxError('truncated', `The weights file is too short for the texts of "${name}"; copy it again.`, {
        node: name,
      });
  }
  return { weight: { dtype: 'string', shape, bytes: bytes.subarray(start, end) }, end };
}
