import { OnnxError } from '../onnx-error.ts';
import { type FileKind, sniffFile } from '../sniff/sniff-file.ts';
import { convertLightgbmPickle, convertLightgbmText } from './boosting/convert-lightgbm.ts';
import {
  convertXgboostBinary,
  convertXgboostJson,
  convertXgboostPickle,
  convertXgboostUbjson,
} from './boosting/convert-xgboost.ts';
import { convertCatboostJson, convertCbm } from './catboost/convert-catboost.ts';
import type { SourceFile } from './convert.ts';
import { convertOnnx } from './convert-onnx.ts';
import { convertKerasArchive, convertKerasH5, convertTfjsLayers } from './keras/convert-keras.ts';
import { decompress } from './pickle/decompress.ts';
import { unpickle } from './pickle/pickle-machine.ts';
import { PyObject } from './pickle/python-values.ts';
import type { ConverterSettings } from './report.ts';
import { type ConvertedGraph, convertSklearn } from './sklearn/convert-sklearn.ts';
import { convertGraphDef, convertSavedModel, convertTfjsGraph } from './tensorflow/convert-tensorflow.ts';
import { convertTflite } from './tflite/convert-tflite.ts';
import { convertPt2 } from './torch/convert-pt2.ts';

/** Turns the bytes of one format into a graph. */
type Converter = (bytes: Uint8Array, files: readonly SourceFile[], settings: ConverterSettings) => ConvertedGraph;

function convertPickle(bytes: Uint8Array, _files: readonly SourceFile[], settings: ConverterSettings): ConvertedGraph {
  const { value, end } = unpickle(bytes);
  if (end < bytes.length && bytes.subarray(end).some(byte => byte !== 0 && byte !== 10)) {
    throw new OnnxError(
      'source_malformed',
      `The pickle ends at byte ${end} but the file has ${bytes.length}; several objects in one file cannot be converted.`,
    );
  }
  const module = value instanceof PyObject ? (value.type.module.split('.')[0] ?? '') : '';
  if (module === 'xgboost') return convertXgboostPickle(value, settings);
  if (module === 'lightgbm') return convertLightgbmPickle(value, settings);
  return convertSklearn(value, settings.producerVersion);
}

function convertCompressed(
  bytes: Uint8Array,
  files: readonly SourceFile[],
  settings: ConverterSettings,
): ConvertedGraph {
  const inner = decompress(bytes);
  const kind = sniffFile(inner);
  const converter = kind === 'compressed_pickle' ? undefined : converters.get(kind);
  if (converter === undefined)
    throw new OnnxError(
      'unsupported_format',
      'The compressed file holds no model that can be converted; unpack it and look inside.',
    );
  return converter(inner, files, settings);
}

/** A JSON document of no known kind gets the sentence of the likeliest one. */
function refuseJson(): never {
  throw new OnnxError(
    'not_a_model',
    'The JSON document has no "learner", so it is not an XGBoost model, and no other model format either.',
  );
}

/** Every format that converts, by what `sniffFile` names it. */
export const converters: ReadonlyMap<FileKind, Converter> = new Map<FileKind, Converter>([
  ['onnx', convertOnnx],
  ['sklearn_pickle', convertPickle],
  ['xgboost_pickle', convertPickle],
  ['lightgbm_pickle', convertPickle],
  ['joblib', convertPickle],
  ['pickle', convertPickle],
  ['compressed_pickle', convertCompressed],
  ['xgboost_json', (bytes, _, settings) => convertXgboostJson(bytes, settings)],
  ['xgboost_ubj', (bytes, _, settings) => convertXgboostUbjson(bytes, settings)],
  ['xgboost_binary', (bytes, _, settings) => convertXgboostBinary(bytes, settings)],
  ['lightgbm_text', (bytes, _, settings) => convertLightgbmText(bytes, settings)],
  ['tfjs_graph', convertTfjsGraph],
  ['savedmodel', convertSavedModel],
  ['graphdef', convertGraphDef],
  ['catboost', (bytes, _, settings) => convertCbm(bytes, settings)],
  ['catboost_json', (bytes, _, settings) => convertCatboostJson(bytes, settings)],
  ['torch_export', (bytes, _, settings) => convertPt2(bytes, settings)],
  ['tflite', (bytes, _, settings) => convertTflite(bytes, settings)],
  ['keras', (bytes, _, settings) => convertKerasArchive(bytes, settings)],
  ['keras_h5', (bytes, _, settings) => convertKerasH5(bytes, settings)],
  ['tfjs_layers', (bytes, files, settings) => convertTfjsLayers(bytes, files, settings)],
  ['json', refuseJson],
]);
