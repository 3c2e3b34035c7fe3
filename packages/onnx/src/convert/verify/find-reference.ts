import { OnnxError } from '../../onnx-error.ts';
import { parseXgboostJson } from '../boosting/convert-xgboost.ts';
import { readLightgbm } from '../boosting/read-lightgbm.ts';
import { readXgboostBinary } from '../boosting/read-xgboost-binary.ts';
import { readXgboostDocument } from '../boosting/read-xgboost-json.ts';
import { readUbjson } from '../boosting/ubjson.ts';
import { readCatboostJson } from '../catboost/read-catboost-json.ts';
import { readCbm } from '../catboost/read-cbm.ts';
import { type Conversion, mainFile, type SourceFile } from '../convert.ts';
import { decompress } from '../pickle/decompress.ts';
import { unpickle } from '../pickle/pickle-machine.ts';
import { PyObject } from '../pickle/python-values.ts';
import { inputColumns, parts } from '../sklearn/input-columns.ts';
import { asEstimator, Estimator } from '../sklearn/records.ts';
import { samplersOf } from './sample-sklearn.ts';
import { type Comparable, nearly, type SourceReference } from './verification.ts';
import { lightgbmReference, xgboostReference } from './walk-boosters.ts';
import { catboostReference } from './walk-catboost.ts';
import { transformerOf } from './walk-composition.ts';
import { predictorOf } from './walk-sklearn.ts';
import { lightgbmWalk, xgboostWalk } from './walk-wrapped-boosters.ts';
import { answersOf, NotWalkable } from './walked-answer.ts';

/** The independent evaluator of a source, or why there is none. */
export function findReference(
  files: readonly SourceFile[],
  { report }: Conversion,
  rounds: number | undefined,
): Comparable {
  const { bytes } = mainFile(files);
  const { format, framework } = report.source;
  if (format === 'onnx') return { kind: 'none', because: 'The source is ONNX itself; its graph was loaded and run.' };
  try {
    const reference = referenceOf(format, bytes, rounds, report.source.frameworkVersion);
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

function referenceOf(
  format: string,
  bytes: Uint8Array,
  rounds: number | undefined,
  version: string | undefined,
): SourceReference | undefined {
  const plain = { rounds, missing: undefined, classes: undefined };
  switch (format) {
    case 'xgboost_json':
      return xgboostReference({ model: readXgboostDocument(parseXgboostJson(bytes)), ...plain });
    case 'xgboost_ubj':
      return xgboostReference({ model: readXgboostDocument(readUbjson(bytes)), ...plain });
    case 'xgboost_binary':
      return xgboostReference({ model: readXgboostBinary(bytes), ...plain });
    case 'lightgbm_text':
      return lightgbmReference({ model: readLightgbm(new TextDecoder().decode(bytes)), rounds, classes: undefined });
    case 'catboost':
      return catboostReference(readCbm(bytes));
    case 'catboost_json':
      return catboostReference(readCatboostJson(JSON.parse(new TextDecoder().decode(bytes))));
    case 'compressed_pickle':
      return pickleReference(decompress(bytes), rounds, version);
    case 'sklearn_pickle':
    case 'xgboost_pickle':
    case 'lightgbm_pickle':
    case 'joblib':
    case 'pickle':
      return pickleReference(bytes, rounds, version);
    default:
      return undefined;
  }
}

function pickleReference(
  bytes: Uint8Array,
  rounds: number | undefined,
  version: string | undefined,
): SourceReference | undefined {
  const { value } = unpickle(bytes);
  if (!(value instanceof PyObject)) return undefined;
  const [module] = value.type.module.split('.');
  if (module === 'xgboost') return xgboostReference(xgboostWalk(asEstimator(value, value.type.name), rounds));
  if (module === 'lightgbm') return lightgbmReference(lightgbmWalk(asEstimator(value, value.type.name), rounds));
  return sklearnReference(new Estimator(value, value.type.name), version);
}

function sklearnReference(estimator: Estimator, version: string | undefined): SourceReference {
  const columns = inputColumns(estimator);
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  const walk = walkOf(estimator, major * 1000 + minor);
  // XGBoost decides and adds in float32, wherever it is a part.
  const hasXgboost = [...parts(estimator.record, '')].some(part => part.record.type.module.startsWith('xgboost'));
  return {
    describes: "an evaluator of scikit-learn's own formulas in TypeScript that reads the source",
    bar: nearly(hasXgboost ? 1e-6 : 1e-9),
    columns: samplersOf(estimator, columns),
    evaluate: rows => answersOf(rows.map(walk)),
  };
}

type Walk = (row: readonly (number | string)[]) => ReturnType<ReturnType<typeof predictorOf>>;

/** Prediction where the object predicts, else its transformation. */
function walkOf(estimator: Estimator, version: number): Walk {
  try {
    return predictorOf(estimator, version);
  } catch (error) {
    if (!(error instanceof NotWalkable)) throw error;
    try {
      const transform = transformerOf(estimator);
      return row => ({ kind: 'columns', values: transform(row) });
    } catch {
      throw error;
    }
  }
}
