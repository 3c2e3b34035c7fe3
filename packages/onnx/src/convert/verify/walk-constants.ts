import { NumpyArray, PyList, PyTuple } from '../pickle/python-values.ts';
import { dense, type Estimator, plainLabels, plainScalar } from '../sklearn/records.ts';
import { largest } from './shares.ts';
import { NotWalkable, type WritePredictor } from './walked-answer.ts';

/** The constant a dummy was told to predict, which may sit in a list of one. */
function constantOf(estimator: Estimator): string | number | boolean {
  const raw = estimator.raw('constant') ?? null;
  if (raw instanceof NumpyArray && raw.type.letter !== 'O') return plainLabels(estimator.labels('constant'))[0] ?? '';
  const item = raw instanceof PyList || raw instanceof PyTuple ? raw.items[0] : raw;
  const found = plainScalar((item instanceof NumpyArray ? item.objects[0] : item) ?? null);
  if (typeof found === 'string' || typeof found === 'boolean') return found;
  return dense(found, 'constant').data[0] ?? Number.NaN;
}

const dummyClassifier: WritePredictor = estimator => {
  const classes = plainLabels(estimator.labels('classes_'));
  const prior = [...estimator.dense('class_prior_').data];
  const strategy = estimator.text('_strategy') ?? estimator.text('strategy') ?? '';
  const onlyAt = (at: number): number[] => classes.map((_, c) => Number(c === at));
  switch (strategy) {
    case 'prior':
      return always(classes, prior, prior);
    case 'most_frequent':
      return always(classes, onlyAt(prior.indexOf(Math.max(...prior))), prior);
    case 'constant': {
      const shares = onlyAt(classes.indexOf(constantOf(estimator)));
      return always(classes, shares, shares);
    }
    default:
      throw new NotWalkable(`a dummy classifier that is ${strategy}`);
  }
};

/** The first of equal classes is the answer, exactly as written. */
function always(
  classes: readonly (string | number | boolean)[],
  shares: readonly number[],
  decided: readonly number[],
): ReturnType<WritePredictor> {
  const { index } = largest(classes, decided);
  return () => ({ kind: 'classes', labels: classes, shares, index, gap: 1 });
}

const dummyRegressor: WritePredictor = estimator => {
  const values = [...estimator.dense('constant_').data];
  return () => ({ kind: 'values', values });
};

/** Predictors that do not look at their input. */
export const constantPredictors: Readonly<Record<string, WritePredictor>> = {
  DummyClassifier: dummyClassifier,
  DummyRegressor: dummyRegressor,
};
