import { OnnxError } from '../onnx-error.ts';
import { fileKinds, sniffFile } from './sniff-file.ts';

const convertible = new Set<string>([
  'sklearn_pickle',
  'xgboost_pickle',
  'lightgbm_pickle',
  'pickle',
  'joblib',
  'compressed_pickle',
  'keras',
  'keras_h5',
  'tfjs_layers',
  'tfjs_graph',
  'xgboost_json',
  'xgboost_ubj',
  'xgboost_binary',
  'lightgbm_text',
  'tflite',
  'savedmodel',
  'graphdef',
  'catboost',
  'catboost_json',
  'torch_export',
]);

/** @throws OnnxError `not_onnx` that names the file for what it is, unless it is (at least nearly) ONNX. */
export function refuseOtherKinds(bytes: Uint8Array): void {
  const kind = sniffFile(bytes);
  if (kind === 'onnx') return;
  if (kind === 'unknown') {
    throw new OnnxError(
      'not_onnx',
      'The file is not an ONNX model and no other known format either; check what was saved.',
    );
  }
  const advice = convertible.has(kind)
    ? 'convert it first'
    : kind === 'ort'
      ? 'give the .onnx file it was made from'
      : 'give the .onnx file';
  throw new OnnxError('not_onnx', `The file is not an ONNX model but ${fileKinds[kind]}; ${advice}.`);
}
