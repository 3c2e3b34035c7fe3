import { PyDict } from '../pickle/python-values.ts';
import { columnSteps, isPassthrough, namesOf, pipelineSteps, unwrapped } from '../sklearn/compose.ts';
import { asEstimator, dense, type Estimator, namedParts } from '../sklearn/records.ts';
import { clusterTransforms } from './walk-clusters.ts';
import { columnTransforms } from './walk-columns.ts';
import { discriminantTransforms } from './walk-discriminants.ts';
import { encoderTransforms } from './walk-encoders.ts';
import { selectionTransforms } from './walk-selection.ts';
import { textTransforms } from './walk-text.ts';
import { scalingTransforms } from './walk-transforms.ts';
import { NotWalkable, type Row } from './walked-answer.ts';

const transforms: Readonly<Record<string, (estimator: Estimator) => (row: Row) => Row>> = {
  ...scalingTransforms,
  ...encoderTransforms,
  ...columnTransforms,
  ...selectionTransforms,
  ...textTransforms,
  ...clusterTransforms,
  ...discriminantTransforms,
};

/** What one row becomes in a fitted transformer. @throws NotWalkable for a class that is not written here */
export function transformerOf(estimator: Estimator): (row: Row) => Row {
  const inner = unwrapped(estimator);
  if (inner !== undefined) return transformerOf(inner);
  if (estimator.className === 'Pipeline') {
    const steps = pipelineSteps(estimator).map(transformerOf);
    return row => steps.reduce((current, step) => step(current), row);
  }
  if (estimator.className === 'ColumnTransformer') return columnTransformer(estimator);
  if (estimator.className === 'FeatureUnion') {
    const weights = weightsOf(estimator);
    const parts = namedParts(estimator.raw('transformer_list'), estimator.path)
      .filter(item => item.part !== 'drop')
      .map(item => {
        const step = isPassthrough(item.part)
          ? (row: Row): Row => row
          : transformerOf(asEstimator(item.part, `${estimator.path}.${item.name}`));
        return weighing(step, weights.get(item.name));
      });
    return row => parts.flatMap(part => part(row));
  }
  const write = transforms[estimator.className];
  if (write === undefined) throw new NotWalkable(estimator.className);
  return write(estimator);
}

function weightsOf(estimator: Estimator): ReadonlyMap<string, number> {
  const raw = estimator.raw('transformer_weights');
  if (!(raw instanceof PyDict)) return new Map();
  return new Map(raw.names().map(name => [name, dense(raw.get(name), 'transformer_weights').data[0] ?? 1]));
}

function weighing(step: (row: Row) => Row, weight: number | undefined): (row: Row) => Row {
  return weight === undefined ? step : row => step(row).map(value => Number(value) * weight);
}

function columnTransformer(estimator: Estimator): (row: Row) => Row {
  const weights = weightsOf(estimator);
  const width = estimator.number('n_features_in_') ?? estimator.number('_n_features') ?? Number.NaN;
  if (Number.isNaN(width)) throw new NotWalkable('ColumnTransformer of an old version');
  const parts = columnSteps(estimator, width, namesOf(estimator)).flatMap(({ name, part, columns }) => {
    if (part === 'drop' || part === null || columns.length === 0) return [];
    const step =
      part === 'passthrough' ? (row: Row): Row => row : transformerOf(asEstimator(part, `${estimator.path}.${name}`));
    return [weighing((row: Row): Row => step(columns.map(column => row[column]!)), weights.get(name))];
  });
  return row => parts.flatMap(part => part(row));
}
