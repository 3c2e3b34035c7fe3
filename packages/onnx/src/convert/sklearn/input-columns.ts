import { readXgboostWrapper } from '../boosting/convert-xgboost.ts';
import { PyList, PyObject, PyTuple, type PyValue } from '../pickle/python-values.ts';
import { columnSteps, isPassthrough, namesOf, pipelineSteps, unwrapped } from './compose.ts';
import { categoriesAreText, imputesText } from './encoders.ts';
import { asEstimator, type Estimator, namedParts } from './records.ts';

type ColumnKind = 'double' | 'string';

/** The columns a model takes: how many, of which kind, with which names. */
export interface InputColumns {
  readonly kinds: readonly ColumnKind[];
  readonly names: readonly string[] | undefined;
}

const textVectorizers = new Set(['CountVectorizer', 'TfidfVectorizer', 'HashingVectorizer']);
/** Attributes whose last dimension is the number of input columns, most telling first. */
const widthAttributes = [
  'coef_',
  'scale_',
  'mean_',
  'center_',
  'components_',
  'cluster_centers_',
  'theta_',
  'feature_log_prob_',
  'statistics_',
  '_fit_X',
  'X_fit_',
  'centroids_',
  'support_vectors_',
  'lambdas_',
  'quantiles_',
];

/** What a fitted object needs as its input. @throws OnnxError when the file does not say how many columns */
export function inputColumns(estimator: Estimator): InputColumns {
  const names = namesOf(firstWithNames(estimator));
  return { kinds: kindsOf(estimator, undefined), names };
}

/** The outermost object that remembers column names, looking through wrappers and first steps. */
function firstWithNames(estimator: Estimator): Estimator {
  if (namesOf(estimator) !== undefined) return estimator;
  const inner = head(estimator);
  return inner === undefined ? estimator : firstWithNames(inner);
}

/** The part that sees the input first, for objects that pass their input on. */
function head(estimator: Estimator): Estimator | undefined {
  const inner = unwrapped(estimator);
  if (inner !== undefined) return inner;
  if (estimator.className === 'Pipeline') return pipelineSteps(estimator)[0];
  if (estimator.className === 'TransformedTargetRegressor') return estimator.child('regressor_');
  if (estimator.className === 'FeatureUnion') {
    const part = namedParts(estimator.raw('transformer_list'), estimator.path).find(
      item => !isPassthrough(item.part) && item.part !== 'drop',
    );
    return part === undefined ? undefined : asEstimator(part.part, `${estimator.path}.${part.name}`);
  }
  if (estimator.className === 'CalibratedClassifierCV') {
    const [member] = estimator.children('calibrated_classifiers_');
    return member?.child(member.has('estimator') ? 'estimator' : 'base_estimator');
  }
  if (/^(Voting|Stacking|OneVs|MultiOutput|Bagging|AdaBoost|RegressorChain)/.test(estimator.className))
    return estimator.children('estimators_')[0];
  if (estimator.className === 'RANSACRegressor') return estimator.child('estimator_');
  return undefined;
}

/** Kinds of the columns; `given` is their number when an outer object knows it. */
function kindsOf(estimator: Estimator, given: number | undefined, depth = 0): ColumnKind[] {
  if (depth > 24) estimator.refuse('is nested too deeply');
  const width = given ?? estimator.number('n_features_in_');
  if (textVectorizers.has(estimator.className)) return ['string'];
  if (estimator.className === 'ColumnTransformer') return columnTransformerKinds(estimator, width, depth);
  if (estimator.has('_preprocessor')) return kindsOf(estimator.child('_preprocessor'), width, depth + 1);
  if (estimator.has('categories_'))
    return estimator.list('categories_').map(item => (categoriesAreText(item) ? 'string' : 'double'));
  if (estimator.className === 'SimpleImputer' && imputesText(estimator))
    return estimator.list('statistics_').map(() => 'string');
  const inner = head(estimator);
  if (inner !== undefined) return kindsOf(inner, width, depth + 1);
  return new Array<ColumnKind>(width ?? fittedWidth(estimator)).fill('double');
}

function fittedWidth(estimator: Estimator): number {
  for (const name of ['n_features_', 'n_features', '_n_features']) {
    const count = estimator.number(name);
    if (count !== undefined && count > 0) return count;
  }
  if (/^XGB/.test(estimator.className)) return readXgboostWrapper(estimator).model.features;
  if (estimator.has('tree_')) return Number(estimator.child('tree_').record.args[0] ?? 0);
  if (estimator.has('coefs_')) return firstDimension(estimator.list('coefs_')[0]);
  for (const name of widthAttributes) {
    if (estimator.has(name)) return estimator.dense(name).dims.at(-1) ?? 1;
  }
  if (estimator.has('estimators_'))
    return fittedWidth(estimator.children('estimators_')[0] ?? estimator.refuse('has no members'));
  if (estimator.className === 'IsotonicRegression') return 1;
  for (const name of ['estimator_', 'estimator'])
    if (estimator.has(name)) return kindsOf(estimator.child(name), undefined).length;
  return estimator.refuse('does not say how many columns it takes');
}

function firstDimension(value: PyValue | undefined): number {
  if (value !== undefined && value !== null && typeof value === 'object' && 'shape' in value)
    return value.shape[0] ?? 0;
  return 0;
}

function columnTransformerKinds(estimator: Estimator, given: number | undefined, depth: number): ColumnKind[] {
  const names = namesOf(estimator);
  const width =
    given ??
    names?.length ??
    estimator.number('_n_features') ??
    estimator.refuse('does not say how many columns it takes');
  const kinds = new Array<ColumnKind | undefined>(width).fill(undefined);
  for (const { name, part, columns } of columnSteps(estimator, width, names)) {
    if (isPassthrough(part) || part === 'drop' || columns.length === 0) continue;
    const needed = kindsOf(asEstimator(part, `${estimator.path}.${name}`), columns.length, depth + 1);
    columns.forEach((column, i) => {
      const kind = needed[needed.length === 1 ? 0 : i] ?? 'double';
      if (kinds[column] !== undefined && kinds[column] !== kind)
        estimator.refuse(`uses column ${names?.[column] ?? column} both as text and as number`);
      kinds[column] = kind;
    });
  }
  return kinds.map(kind => kind ?? 'double');
}

/** Whether an object can predict; a pipeline can when its last step can. */
export function lastStep(estimator: Estimator): Estimator {
  const inner = unwrapped(estimator);
  if (inner !== undefined) return lastStep(inner);
  if (estimator.className !== 'Pipeline') return estimator;
  const last = pipelineSteps(estimator).at(-1);
  return last === undefined ? estimator : lastStep(last);
}

/** Every fitted object below one that has steps or members, itself included, for listing what is unsupported. */
export function* parts(value: PyValue | undefined, path: string, depth = 0): Generator<Estimator> {
  if (depth > 24 || value === null || value === undefined || typeof value !== 'object') return;
  if (value instanceof PyList || value instanceof PyTuple) {
    for (const item of value.items) yield* parts(item, path, depth + 1);
    return;
  }
  if (!(value instanceof PyObject)) return;
  const estimator = asEstimator(value, path);
  yield estimator;
  for (const name of [
    'steps',
    'transformers_',
    'transformer_list',
    'estimators_',
    'best_estimator_',
    'final_estimator_',
    'regressor_',
    'transformer_',
    'estimator_',
    'calibrated_classifiers_',
    '_preprocessor',
  ]) {
    const inner = estimator.raw(name);
    yield* parts(inner, `${path}.${name.replace(/_$/, '')}`, depth + 1);
  }
}
