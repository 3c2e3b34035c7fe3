import { OnnxError } from '../../onnx-error.ts';
import { decodeText } from '../../wire/wire-reader.ts';
import type { SourceFile } from '../convert.ts';
import { readArchitecture } from './architecture.ts';
import { isList, isObject, type Json, type JsonObject, parseJson } from './config.ts';
import type { SavedModel } from './saved-model.ts';
import { halfToNumber, ListedWeights, type Weight, weightOf } from './weights.ts';

/** Reads a TF.js layers model: model.json and the weight files it names, all given by the caller. @throws OnnxError */
export function readTfjsLayers(bytes: Uint8Array, files: readonly SourceFile[]): SavedModel {
  const document = parseJson(decodeText(bytes), 'model.json');
  if (!isObject(document)) throw new OnnxError('source_malformed', 'The model.json is no JSON object.');
  const topology = isObject(document.modelTopology) ? document.modelTopology : document;
  // Models converted from Keras keep their description one level deeper.
  const model = isObject(topology.model_config) ? topology.model_config : topology;
  const manifest = isList(document.weightsManifest) ? document.weightsManifest : [];
  const version = [topology.keras_version, document.generatedBy].find(item => typeof item === 'string');
  return {
    architecture: readArchitecture(model),
    weights: new ListedWeights(
      manifest.flatMap(group => readGroup(group, files)),
      'model',
    ),
    version,
  };
}

function readGroup(group: Json, files: readonly SourceFile[]): Weight[] {
  if (!isObject(group) || !isList(group.paths) || !isList(group.weights))
    throw new OnnxError('source_malformed', 'The weightsManifest of model.json is damaged; save the model again.');
  const content = joined(group.paths.map(path => fileOf(path, files)));
  const specs = group.weights.map(readSpec);
  const wanted = specs.reduce((sum, spec) => sum + spec.bytes, 0);
  if (content.length < wanted)
    throw new OnnxError(
      'truncated',
      `The weight files ${group.paths.join(', ')} hold ${content.length} bytes, short of the ${wanted} that model.json lists; copy them again.`,
    );
  let at = 0;
  return specs.map(spec => {
    const raw = content.subarray(at, at + spec.bytes);
    at += spec.bytes;
    return spec.weight(raw);
  });
}

/** Weight files are taken from what was given, by their name; nothing is fetched and no path is followed. */
function fileOf(path: Json, files: readonly SourceFile[]): Uint8Array {
  const text = typeof path === 'string' ? path : '';
  const isPlain = !/^[a-z][a-z0-9+.-]*:/i.test(text) && !text.startsWith('/') && !text.split(/[/\\]/).includes('..');
  const baseName = text.split('/').at(-1) ?? '';
  const found = isPlain
    ? (files.find(file => file.name === text) ?? files.find(file => file.name.split('/').at(-1) === baseName))
    : undefined;
  if (found !== undefined) return found.bytes;
  throw new OnnxError(
    'missing_file',
    isPlain
      ? `The model.json needs the weight file "${text}"; give it together with model.json.`
      : `The model.json names weights at ${JSON.stringify(text.slice(0, 120))}, which is not a file beside it; nothing is fetched. Put the file beside model.json and name it there.`,
  );
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

interface WeightSpec {
  readonly bytes: number;
  readonly weight: (raw: Uint8Array) => Weight;
}

const elementBytes: Readonly<Record<string, number>> = {
  float32: 4,
  int32: 4,
  bool: 1,
  uint8: 1,
  uint16: 2,
  float16: 2,
};

function readSpec(spec: Json): WeightSpec {
  const damaged = (): never => {
    throw new OnnxError('source_malformed', 'The weightsManifest of model.json lists a damaged weight.');
  };
  if (!isObject(spec) || typeof spec.name !== 'string' || !isList(spec.shape)) return damaged();
  const dims = spec.shape.map(size =>
    typeof size === 'number' && Number.isInteger(size) && size >= 0 ? size : damaged(),
  );
  const count = dims.reduce((product, size) => product * size, 1);
  const { name } = spec;
  const quantization = isObject(spec.quantization) ? spec.quantization : undefined;
  const dtype = String(quantization?.dtype ?? spec.dtype);
  const size = elementBytes[dtype];
  if (size === undefined)
    throw new OnnxError('unsupported_source', `The weight "${name}" has elements of type ${dtype}.`, { node: name });
  if (count * size > 2 ** 31 - 1) throw new OnnxError('too_large', `The weight "${name}" claims ${count} elements.`);
  return {
    bytes: count * size,
    weight: raw =>
      quantization === undefined
        ? weightOf(name, dims, dtype === 'bool' ? 'uint8' : dtype, () => raw)
        : { name, dims, raw: () => dequantized(raw, dtype, quantization, name) },
  };
}

/** Weights stored small: float16, or whole numbers q that stand for q * scale + min. */
function dequantized(raw: Uint8Array, dtype: string, quantization: JsonObject, name: string): Uint8Array {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const size = elementBytes[dtype] ?? 1;
  const count = raw.length / size;
  const { scale, min } = quantization;
  const out = new Float32Array(count);
  if (dtype === 'float16') for (let i = 0; i < count; i++) out[i] = halfToNumber(view.getUint16(i * 2, true));
  else {
    if (typeof scale !== 'number' || typeof min !== 'number' || (dtype !== 'uint8' && dtype !== 'uint16'))
      throw new OnnxError('source_malformed', `The weight "${name}" is quantised in an unknown way.`, { node: name });
    for (let i = 0; i < count; i++) {
      const q = size === 1 ? view.getUint8(i) : view.getUint16(i * 2, true);
      // TF.js computes q * scale + min in float64 and rounds once.
      out[i] = q * scale + min;
    }
  }
  return new Uint8Array(out.buffer);
}
