import { OnnxError } from '../onnx-error.ts';
import type { FileKind } from '../sniff/sniff-file.ts';
import { sniffFile } from '../sniff/sniff-file.ts';
import type { SourceFile } from './convert.ts';
import { decompress } from './pickle/decompress.ts';
import { unpickle } from './pickle/pickle-machine.ts';
import { type ConvertedGraph, convertSklearn } from './sklearn/convert-sklearn.ts';

/** Turns the bytes of one format into a graph. */
type Converter = (bytes: Uint8Array, files: readonly SourceFile[], producerVersion: string) => ConvertedGraph;

function convertPickle(bytes: Uint8Array, _files: readonly SourceFile[], producerVersion: string): ConvertedGraph {
  const { value, end } = unpickle(bytes);
  if (end < bytes.length && bytes.subarray(end).some(byte => byte !== 0 && byte !== 10)) {
    throw new OnnxError(
      'source_malformed',
      `The pickle ends at byte ${end} but the file has ${bytes.length}; several objects in one file cannot be converted.`,
    );
  }
  return convertSklearn(value, producerVersion);
}

function convertCompressed(bytes: Uint8Array, files: readonly SourceFile[], producerVersion: string): ConvertedGraph {
  const inner = decompress(bytes);
  const kind = sniffFile(inner);
  const converter = kind === 'compressed_pickle' ? undefined : converters.get(kind);
  if (converter === undefined)
    throw new OnnxError(
      'unsupported_format',
      'The compressed file holds no model that can be converted; unpack it and look inside.',
    );
  return converter(inner, files, producerVersion);
}

/** Every format that converts, by what `sniffFile` names it. */
export const converters: ReadonlyMap<FileKind, Converter> = new Map<FileKind, Converter>([
  ['sklearn_pickle', convertPickle],
  ['joblib', convertPickle],
  ['pickle', convertPickle],
  ['compressed_pickle', convertCompressed],
]);
