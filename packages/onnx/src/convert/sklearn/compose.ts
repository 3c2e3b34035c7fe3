import { NumpyArray, PyDict, PyList, PyObject, PyTuple, type PyValue } from '../pickle/python-values.ts';
import {
  type Answer,
  type Frame,
  frameWidth,
  joinFrames,
  type Lowering,
  matrix,
  matrixFrame,
  type SklearnClass,
  selectColumns,
} from './lowering.ts';
import { applyFunction, functionName } from './numpy-functions.ts';
import { asEstimator, dense, type Estimator, labels, namedParts } from './records.ts';

const family = 'pipelines and composition';

/** A step that leaves its input alone. */
export function isPassthrough(part: PyValue): boolean {
  return part === null || part === 'passthrough';
}

/** The fitted steps of a pipeline without the ones that do nothing. */
export function pipelineSteps(estimator: Estimator): Estimator[] {
  return namedParts(estimator.raw('steps'), estimator.path)
    .filter(step => !isPassthrough(step.part))
    .map(step => asEstimator(step.part, `${estimator.path}.${step.name}`));
}

function pipelinePredict(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const steps = pipelineSteps(estimator);
  const last = steps.at(-1) ?? estimator.refuse('has no steps');
  return to.predict(
    last,
    steps.slice(0, -1).reduce((frame, step) => to.transform(step, frame), x),
  );
}

function pipelineTransform(estimator: Estimator, x: Frame, to: Lowering): Frame {
  return pipelineSteps(estimator).reduce((frame, step) => to.transform(step, frame), x);
}

function weightsByName(estimator: Estimator): ReadonlyMap<string, number> {
  const raw = estimator.raw('transformer_weights');
  const weights = new Map<string, number>();
  if (raw instanceof PyDict)
    for (const name of raw.names()) weights.set(name, dense(raw.get(name), estimator.path).data[0] ?? 1);
  return weights;
}

function withWeight(frame: Frame, weight: number | undefined, to: Lowering, estimator: Estimator): Frame {
  if (weight === undefined || weight === 1) return frame;
  return matrixFrame(to.graph.op('Mul', [matrix(frame, to, estimator), to.graph.double(weight)]), frameWidth(frame));
}

function featureUnion(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const weights = weightsByName(estimator);
  const frames = namedParts(estimator.raw('transformer_list'), estimator.path).flatMap(({ name, part }): Frame[] => {
    if (part === 'drop' || part === null) return [];
    const frame = part === 'passthrough' ? x : to.transform(asEstimator(part, `${estimator.path}.${name}`), x);
    return [withWeight(frame, weights.get(name), to, estimator)];
  });
  return joinFrames(frames, to);
}

/** One entry of a fitted ColumnTransformer. */
export interface ColumnStep {
  readonly name: string;
  readonly part: PyValue;
  readonly columns: readonly number[];
}

/** The fitted parts of a ColumnTransformer with their columns as positions. */
export function columnSteps(estimator: Estimator, width: number, names: readonly string[] | undefined): ColumnStep[] {
  return estimator.list('transformers_').map(item => {
    const [name, part, columns] = item instanceof PyTuple || item instanceof PyList ? item.items : [];
    if (typeof name !== 'string' || part === undefined || columns === undefined)
      return estimator.refuse('has a part that is not (name, transformer, columns)');
    return { name, part, columns: columnPositions(columns, width, names, estimator) };
  });
}

function columnPositions(
  columns: PyValue,
  width: number,
  names: readonly string[] | undefined,
  estimator: Estimator,
): number[] {
  const position = (name: string): number => {
    const at = names?.indexOf(name) ?? -1;
    return at >= 0 ? at : estimator.refuse(`selects the column "${name}", but the file does not say where it is`);
  };
  const wrap = (at: number): number => (at < 0 ? at + width : at);
  if (typeof columns === 'string') return [position(columns)];
  if (typeof columns === 'bigint') return [wrap(Number(columns))];
  if (columns instanceof PyObject && columns.type.path === 'builtins.slice')
    return slicePositions(columns, width, position);
  if (columns instanceof PyObject)
    return columnPositions(
      columns.attribute('data') ?? estimator.refuse('selects columns by a function that was not fitted'),
      width,
      names,
      estimator,
    );
  const isEmpty = (columns instanceof PyList || columns instanceof PyTuple) && columns.items.length === 0;
  if (isEmpty) return [];
  const list = labels(columns, `${estimator.path}.columns`);
  if (list.type === 'string') return list.values.map(position);
  if (list.type === 'bool') return list.values.flatMap((keep, i) => (keep ? [i] : []));
  return list.values.map(value => wrap(Number(value)));
}

function slicePositions(slice: PyObject, width: number, position: (name: string) => number): number[] {
  const [start, stop, step] = slice.args;
  const by = typeof step === 'bigint' ? Number(step) : 1;
  const at = (value: PyValue | undefined, fallback: number, isEnd: boolean): number => {
    if (typeof value === 'string') return position(value) + (isEnd ? 1 : 0);
    if (typeof value !== 'bigint') return fallback;
    return value < 0n ? width + Number(value) : Math.min(Number(value), width);
  };
  const found: number[] = [];
  if (by > 0) for (let i = at(start, 0, false); i < at(stop, width, true); i += by) found.push(i);
  return found;
}

/** Column names a fitted object was given, when it was given a data frame. */
export function namesOf(estimator: Estimator): readonly string[] | undefined {
  const raw = estimator.raw('feature_names_in_') ?? estimator.raw('_df_columns');
  if (raw === undefined || raw === null) return undefined;
  const list =
    raw instanceof NumpyArray || raw instanceof PyList ? labels(raw, `${estimator.path}.feature_names_in_`) : undefined;
  return list?.type === 'string' ? list.values : undefined;
}

function columnTransformer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const width = frameWidth(x);
  const weights = weightsByName(estimator);
  const frames = columnSteps(estimator, width, namesOf(estimator) ?? x.names).flatMap(
    ({ name, part, columns }): Frame[] => {
      if (part === 'drop' || part === null || columns.length === 0) return [];
      const chosen = selectColumns(x, columns, to);
      const frame =
        part === 'passthrough' ? chosen : to.transform(asEstimator(part, `${estimator.path}.${name}`), chosen);
      return [withWeight(frame, weights.get(name), to, estimator)];
    },
  );
  return joinFrames(frames, to);
}

function functionTransformer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const func = estimator.raw('func') ?? null;
  if (func === null) return x;
  refuseArguments(estimator, 'kw_args');
  const value = applyFunction(functionName(func, estimator), matrix(x, to, estimator), estimator, to);
  return matrixFrame(value, frameWidth(x));
}

function refuseArguments(estimator: Estimator, name: string): void {
  const raw = estimator.raw(name);
  if (raw instanceof PyDict && raw.entries.length > 0) estimator.refuse(`calls its function with ${name}`);
}

/** The target as its regressor learned it, taken back to the original scale. */
function transformedTarget(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const answer = to.predict(estimator.child('regressor_'), x);
  if (answer.kind !== 'values') return estimator.refuse('wraps something that predicts no numbers');
  return { ...answer, value: inverse(estimator.child('transformer_'), answer.value, answer.columns, to) };
}

function inverse(transformer: Estimator, value: string, columns: number, to: Lowering): string {
  const { graph } = to;
  switch (transformer.className) {
    case 'FunctionTransformer': {
      const func = transformer.raw('inverse_func') ?? null;
      refuseArguments(transformer, 'inv_kw_args');
      return func === null ? value : applyFunction(functionName(func, transformer), value, transformer, to);
    }
    case 'StandardScaler': {
      const scaled = transformer.has('scale_')
        ? graph.op('Mul', [value, graph.double(transformer.dense('scale_').data)])
        : value;
      return transformer.has('mean_') && transformer.flag('with_mean', true)
        ? graph.op('Add', [scaled, graph.double(transformer.dense('mean_').data)])
        : scaled;
    }
    case 'MinMaxScaler':
      return graph.op('Div', [
        graph.op('Sub', [value, graph.double(transformer.dense('min_').data)]),
        graph.double(transformer.dense('scale_').data),
      ]);
    case 'MaxAbsScaler':
      return graph.op('Mul', [value, graph.double(transformer.dense('scale_').data)]);
    case 'RobustScaler': {
      const scaled = transformer.has('scale_')
        ? graph.op('Mul', [value, graph.double(transformer.dense('scale_').data)])
        : value;
      return transformer.has('center_')
        ? graph.op('Add', [scaled, graph.double(transformer.dense('center_').data)])
        : scaled;
    }
    case 'Pipeline':
      return pipelineSteps(transformer).reduceRight((inner, step) => inverse(step, inner, columns, to), value);
    default:
      return transformer.refuse('is used backwards on the target, which is not supported');
  }
}

function searched(estimator: Estimator): Estimator {
  if (!estimator.has('best_estimator_')) estimator.refuse('was searched with refit=False and holds no fitted model');
  return estimator.child('best_estimator_');
}

const search: SklearnClass = {
  family,
  predict: (estimator, x, to) => to.predict(searched(estimator), x),
  transform: (estimator, x, to) => to.transform(searched(estimator), x),
};

/** The fitted object inside a wrapper that adds nothing to its predictions. */
export function unwrapped(estimator: Estimator): Estimator | undefined {
  if (searchClasses.has(estimator.className)) return searched(estimator);
  if (estimator.className === 'FrozenEstimator') return estimator.child('estimator');
  return undefined;
}

const searchClasses = new Set([
  'GridSearchCV',
  'RandomizedSearchCV',
  'HalvingGridSearchCV',
  'HalvingRandomSearchCV',
  'BayesSearchCV',
]);

const frozen: SklearnClass = {
  family,
  predict: (estimator, x, to) => to.predict(estimator.child('estimator'), x),
  transform: (estimator, x, to) => to.transform(estimator.child('estimator'), x),
};

export const composeClasses: Readonly<Record<string, SklearnClass>> = {
  Pipeline: { family, predict: pipelinePredict, transform: pipelineTransform },
  FeatureUnion: { family, transform: featureUnion },
  ColumnTransformer: { family, transform: columnTransformer },
  FunctionTransformer: { family, transform: functionTransformer },
  TransformedTargetRegressor: { family, predict: transformedTarget },
  GridSearchCV: search,
  RandomizedSearchCV: search,
  HalvingGridSearchCV: search,
  HalvingRandomSearchCV: search,
  BayesSearchCV: search,
  FrozenEstimator: frozen,
};
