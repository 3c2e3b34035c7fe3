import { OnnxError } from '../onnx-error.ts';
import { type FileKind, sniffFile } from '../sniff/sniff-file.ts';
import type { SourceFile } from './convert.ts';
import type { ConverterSettings } from './report.ts';
import type { ConvertedGraph } from './sklearn/convert-sklearn.ts';

/** Turns the bytes of one format into a graph. */
type Converter = (
  bytes: Uint8Array,
  files: readonly SourceFile[],
  settings: ConverterSettings,
) => ConvertedGraph | Promise<ConvertedGraph>;

const convertPickle: Converter = async (bytes, _, settings) => {
  const [{ unpickle }, { PyObject }] = await Promise.all([
    import('./pickle/pickle-machine.ts'),
    import('./pickle/python-values.ts'),
  ]);
  const { value, end } = unpickle(bytes);
  if (end < bytes.length && bytes.subarray(end).some(byte => byte !== 0 && byte !== 10)) {
    throw new OnnxError(
      'source_malformed',
      `The pickle ends at byte ${end} but the file has ${bytes.length}; several objects in one file cannot be converted.`,
    );
  }
  const module = value instanceof PyObject ? (value.type.module.split('.')[0] ?? '') : '';
  if (module === 'xgboost') return (await xgboost()).convertXgboostPickle(value, settings);
  if (module === 'lightgbm') return (await lightgbm()).convertLightgbmPickle(value, settings);
  const { convertSklearn } = await import('./sklearn/convert-sklearn.ts');
  return convertSklearn(value, settings.producerVersion);
};

const convertCompressed: Converter = async (bytes, files, settings) => {
  const { decompress } = await import('./compression/decompress.ts');
  const inner = decompress(bytes);
  const kind = sniffFile(inner);
  const load = kind === 'compressed_pickle' ? undefined : converters.get(kind);
  if (load === undefined)
    throw new OnnxError(
      'unsupported_format',
      'The compressed file holds no model that can be converted; unpack it and look inside.',
    );
  return (await load())(inner, files, settings);
};

/** A JSON document of no known kind gets the sentence of the likeliest one. */
function refuseJson(): never {
  throw new OnnxError(
    'not_a_model',
    'The JSON document has no "learner", so it is not an XGBoost model, and no other model format either.',
  );
}

const xgboost = (): Promise<typeof import('./boosting/convert-xgboost.ts')> => import('./boosting/convert-xgboost.ts');
const lightgbm = (): Promise<typeof import('./boosting/convert-lightgbm.ts')> =>
  import('./boosting/convert-lightgbm.ts');
const catboost = (): Promise<typeof import('./catboost/convert-catboost.ts')> =>
  import('./catboost/convert-catboost.ts');
const keras = (): Promise<typeof import('./keras/convert-keras.ts')> => import('./keras/convert-keras.ts');
const tensorflow = (): Promise<typeof import('./tensorflow/convert-tensorflow.ts')> =>
  import('./tensorflow/convert-tensorflow.ts');

/** A converter that needs no files beside the main one. */
const ofOne =
  (convert: (bytes: Uint8Array, settings: ConverterSettings) => ConvertedGraph): Converter =>
  (bytes, _, settings) =>
    convert(bytes, settings);

/**
 * Every format that converts, by what `sniffFile` names it. Each converter is loaded when it is first needed: all of
 * them together take longer to load than most files take to convert.
 */
export const converters: ReadonlyMap<FileKind, () => Promise<Converter>> = new Map<FileKind, () => Promise<Converter>>([
  ['onnx', async () => (await import('./convert-onnx.ts')).convertOnnx],
  ['sklearn_pickle', async () => convertPickle],
  ['xgboost_pickle', async () => convertPickle],
  ['lightgbm_pickle', async () => convertPickle],
  ['joblib', async () => convertPickle],
  ['pickle', async () => convertPickle],
  ['compressed_pickle', async () => convertCompressed],
  ['xgboost_json', async () => ofOne((await xgboost()).convertXgboostJson)],
  ['xgboost_ubj', async () => ofOne((await xgboost()).convertXgboostUbjson)],
  ['xgboost_binary', async () => ofOne((await xgboost()).convertXgboostBinary)],
  ['lightgbm_text', async () => ofOne((await lightgbm()).convertLightgbmText)],
  ['tfjs_graph', async () => (await tensorflow()).convertTfjsGraph],
  ['savedmodel', async () => (await tensorflow()).convertSavedModel],
  ['graphdef', async () => (await tensorflow()).convertGraphDef],
  ['catboost', async () => ofOne((await catboost()).convertCbm)],
  ['catboost_json', async () => ofOne((await catboost()).convertCatboostJson)],
  ['torch_export', async () => ofOne((await import('./torch/convert-pt2.ts')).convertPt2)],
  ['tflite', async () => ofOne((await import('./tflite/convert-tflite.ts')).convertTflite)],
  ['keras', async () => ofOne((await keras()).convertKerasArchive)],
  ['keras_h5', async () => ofOne((await keras()).convertKerasH5)],
  ['tfjs_layers', async () => (await keras()).convertTfjsLayers],
  ['json', async () => refuseJson],
]);
