import { classLabels, type Decided } from '../boosting/boosted-model.ts';
import { decideLightgbm, readLightgbmWrapper } from '../boosting/convert-lightgbm.ts';
import { decideXgboost, readXgboostWrapper } from '../boosting/convert-xgboost.ts';
import { type Answer, type Frame, type Lowering, matrix, requireWidth, type SklearnClass } from './lowering.ts';
import type { Estimator, Labels } from './records.ts';

const family = 'XGBoost and LightGBM as steps';

function answerOf(decided: Decided, classes: Labels | undefined, to: Lowering): Answer {
  const { graph } = to;
  if (decided.kind === 'values') return { ...decided, value: graph.cast(decided.value, 'double') };
  const known = classLabels(classes, decided.count);
  if (decided.probabilities === undefined) return { kind: 'classes', classes: known, index: decided.index };
  return {
    kind: 'classes',
    classes: known,
    index: decided.index,
    probabilities: graph.cast(decided.probabilities, 'double'),
  };
}

function xgboost(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { model, wrapper } = readXgboostWrapper(estimator);
  requireWidth(x, model.features, estimator);
  const input = to.graph.cast(matrix(x, to, estimator), 'float');
  return answerOf(decideXgboost(to.graph, input, model, wrapper, undefined, to.notes), wrapper.classes, to);
}

function lightgbm(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { model, classes, bestIteration } = readLightgbmWrapper(estimator);
  requireWidth(x, model.features, estimator);
  return answerOf(
    decideLightgbm(to.graph, matrix(x, to, estimator), model, bestIteration, undefined, to.notes),
    classes,
    to,
  );
}

/** Boosters of other packages inside pipelines, searches and ensembles. */
export const wrappedBoosterClasses: Readonly<Record<string, SklearnClass>> = {
  XGBClassifier: { family, predict: xgboost },
  XGBRegressor: { family, predict: xgboost },
  XGBRFClassifier: { family, predict: xgboost },
  XGBRFRegressor: { family, predict: xgboost },
  LGBMClassifier: { family, predict: lightgbm },
  LGBMRegressor: { family, predict: lightgbm },
};
