import { OnnxError } from '../../onnx-error.ts';
import { type Conversion, mainFile, type SourceFile } from '../convert.ts';
import type { Comparable, SourceReference } from './verification.ts';
import { NotWalkable } from './walked-answer.ts';

/** The independent evaluator of a source, or why there is none. */
export async function findReference(
  files: readonly SourceFile[],
  { report }: Conversion,
  rounds: number | undefined,
): Promise<Comparable> {
  const { bytes } = mainFile(files);
  const { format, framework } = report.source;
  if (format === 'onnx') return { kind: 'none', because: 'The source is ONNX itself; its graph was loaded and run.' };
  try {
    const reference = await referenceOf(format, bytes, rounds, report.source.frameworkVersion);
    if (reference !== undefined) return { kind: 'rows', reference };
  } catch (error) {
    // What the converter read and the evaluator cannot is a limit of the evaluator, not a fault of the file.
    if (!(error instanceof NotWalkable || error instanceof OnnxError)) throw error;
    if (error instanceof OnnxError)
      return {
        kind: 'none',
        because: `Not compared with the source, because the independent evaluator cannot read it (${error.message}); the graph was loaded and run.`,
      };
    return {
      kind: 'none',
      because: `Not compared with the source, because there is no independent evaluator of ${error.message}; the graph was loaded and run.`,
    };
  }
  return {
    kind: 'none',
    because: `Not compared with the source, because there is no independent evaluator of ${framework} models; the graph was loaded and run.`,
  };
}

/** Each evaluator is loaded when a file needs it, as the converters are. */
async function referenceOf(
  format: string,
  bytes: Uint8Array,
  rounds: number | undefined,
  version: string | undefined,
): Promise<SourceReference | undefined> {
  switch (format) {
    case 'xgboost_json':
    case 'xgboost_ubj':
    case 'xgboost_binary':
    case 'lightgbm_text':
      return (await import('./refer-to-booster.ts')).boosterReference(format, bytes, rounds);
    case 'catboost':
    case 'catboost_json':
      return (await import('./refer-to-catboost.ts')).catboostFileReference(format, bytes);
    case 'compressed_pickle':
    case 'sklearn_pickle':
    case 'xgboost_pickle':
    case 'lightgbm_pickle':
    case 'joblib':
    case 'pickle':
      return (await import('./refer-to-pickle.ts')).pickleReference(format, bytes, rounds, version);
    default:
      return undefined;
  }
}
