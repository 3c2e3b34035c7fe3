import { decompress } from '../compression/decompress.ts';
import { unpickle } from '../pickle/pickle-machine.ts';
import { PyObject } from '../pickle/python-values.ts';
import { inputColumns, parts } from '../sklearn/input-columns.ts';
import { asEstimator, Estimator } from '../sklearn/records.ts';
import { samplersOf } from './sample-sklearn.ts';
import { nearly, type SourceReference } from './verification.ts';
import { lightgbmReference, xgboostReference } from './walk-boosters.ts';
import { transformerOf } from './walk-composition.ts';
import { predictorOf } from './walk-sklearn.ts';
import { lightgbmWalk, xgboostWalk } from './walk-wrapped-boosters.ts';
import { answersOf, NotWalkable } from './walked-answer.ts';

/** The walk over the object in a pickle. @throws NotWalkable for what has none */
export function pickleReference(
  format: string,
  bytes: Uint8Array,
  rounds: number | undefined,
  version: string | undefined,
): SourceReference | undefined {
  const { value } = unpickle(format === 'compressed_pickle' ? decompress(bytes) : bytes);
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
