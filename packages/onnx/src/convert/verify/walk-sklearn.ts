import { pipelineSteps, unwrapped } from '../sklearn/compose.ts';
import type { Estimator } from '../sklearn/records.ts';
import { bayesPredictors } from './walk-bayes.ts';
import { clusterPredictors } from './walk-clusters.ts';
import { transformerOf } from './walk-composition.ts';
import { constantPredictors } from './walk-constants.ts';
import { discriminantPredictors } from './walk-discriminants.ts';
import { ensemblePredictors } from './walk-ensembles.ts';
import { forestPredictors } from './walk-forests.ts';
import { gradientBoostingPredictors } from './walk-gradient-boosting.ts';
import { histogramPredictors } from './walk-histogram-boosting.ts';
import { isotonicPredictors } from './walk-isotonic.ts';
import { linearPredictors } from './walk-linear.ts';
import { multiclassPredictors } from './walk-multiclass.ts';
import { neighborPredictors } from './walk-neighbors.ts';
import { networkPredictors } from './walk-networks.ts';
import { vectorPredictors } from './walk-support-vectors.ts';
import { wrappedBoosterPredictors } from './walk-wrapped-boosters.ts';
import { NotWalkable, type Predictor, type WritePredictor } from './walked-answer.ts';

/**
 * A predictor written from scikit-learn's formulas, one row at a time, that shares the reader of the file with the
 * converter but none of its arithmetic.
 * @param version major * 1000 + minor of the scikit-learn that saved the object
 * @throws NotWalkable for a class that is not written here
 */
export function predictorOf(estimator: Estimator, version: number): Predictor {
  const inner = unwrapped(estimator);
  if (inner !== undefined) return predictorOf(inner, version);
  const write = predictors[estimator.className];
  if (write === undefined) throw new NotWalkable(estimator.className);
  return write(estimator, { version, predictor: member => predictorOf(member, version) });
}

const pipeline: WritePredictor = (estimator, walk) => {
  const steps = pipelineSteps(estimator);
  const before = steps.slice(0, -1).map(transformerOf);
  const last = walk.predictor(steps.at(-1)!);
  return row => last(before.reduce((current, step) => step(current), row));
};

const predictors: Readonly<Record<string, WritePredictor>> = {
  Pipeline: pipeline,
  ...linearPredictors,
  ...discriminantPredictors,
  ...bayesPredictors,
  ...networkPredictors,
  ...vectorPredictors,
  ...neighborPredictors,
  ...clusterPredictors,
  ...forestPredictors,
  ...gradientBoostingPredictors,
  ...histogramPredictors,
  ...wrappedBoosterPredictors,
  ...ensemblePredictors,
  ...multiclassPredictors,
  ...isotonicPredictors,
  ...constantPredictors,
};
