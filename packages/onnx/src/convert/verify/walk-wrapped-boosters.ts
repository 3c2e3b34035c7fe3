import { readLightgbmWrapper } from '../boosting/convert-lightgbm.ts';
import { readXgboostWrapper } from '../boosting/convert-xgboost.ts';
import type { Estimator } from '../sklearn/records.ts';
import { type LightgbmWalk, lightgbmAnswer, type XgboostWalk, xgboostAnswer } from './walk-boosters.ts';
import type { WritePredictor } from './walked-answer.ts';

export function xgboostWalk(estimator: Estimator, rounds?: number): XgboostWalk {
  const { model, wrapper } = readXgboostWrapper(estimator);
  const best = wrapper.bestIteration === undefined ? undefined : wrapper.bestIteration + 1;
  return { model, rounds: rounds ?? best, missing: wrapper.missing, classes: wrapper.classes };
}

export function lightgbmWalk(estimator: Estimator, rounds?: number): LightgbmWalk {
  const { model, classes, bestIteration } = readLightgbmWrapper(estimator);
  return { model, rounds: rounds ?? bestIteration, classes };
}

const xgboost: WritePredictor = estimator => {
  const walk = xgboostWalk(estimator);
  return row => xgboostAnswer(walk, row.map(Number));
};

const lightgbm: WritePredictor = estimator => {
  const walk = lightgbmWalk(estimator);
  return row => lightgbmAnswer(walk, row.map(Number));
};

/** Boosters of other packages as steps and members. */
export const wrappedBoosterPredictors: Readonly<Record<string, WritePredictor>> = {
  XGBClassifier: xgboost,
  XGBRegressor: xgboost,
  XGBRFClassifier: xgboost,
  XGBRFRegressor: xgboost,
  LGBMClassifier: lightgbm,
  LGBMRegressor: lightgbm,
};
