import { NumpyArray, NumpyScalar, type PyValue } from '../pickle/python-values.ts';
import { dense, type Estimator, labels, plainLabels, plainScalar } from '../sklearn/records.ts';
import { type Cell, NotWalkable, type Row } from './walked-answer.ts';

type Transform = (row: Row) => Row;

/** How a missing value looks in a column of text. */
const missingText = '';

const isMissing = (x: Cell | undefined): boolean => x === missingText || (typeof x === 'number' && Number.isNaN(x));
const isSame = (x: Cell | undefined, category: Cell): boolean =>
  x === category || (isMissing(x) && isMissing(category) && typeof x === typeof category);

/** Categories per column as the cells of a row that belong to them. */
export function categoriesOf(estimator: Estimator): Cell[][] {
  return estimator.list('categories_').map((item, i) => cellsOf(item, `categories_[${i}]`));
}

function cellsOf(value: PyValue, what: string): Cell[] {
  const plain = (cell: string | number | boolean): Cell => (typeof cell === 'boolean' ? Number(cell) : cell);
  if (!(value instanceof NumpyArray && value.type.letter === 'O')) return plainLabels(labels(value, what)).map(plain);
  const items = value.objects.map(plainScalar);
  const isText = items.every(item => typeof item === 'string' || item === null || Number.isNaN(item));
  return items.map(item => {
    if (item === null || (typeof item === 'number' && Number.isNaN(item))) return isText ? missingText : Number.NaN;
    if (typeof item === 'string') return item;
    return Number(dense(item, what).data[0]);
  });
}

/** Per column, the group of each category: its own, or the last one that all rare ones share. */
function groupsOf(estimator: Estimator, categories: readonly Cell[][]): (readonly number[] | undefined)[] {
  if (!estimator.flag('_infrequent_enabled', false)) return categories.map(() => undefined);
  return estimator.list('_default_to_infrequent_mappings').map((item, column) => {
    if (item === null) return undefined;
    return [...dense(item, '_default_to_infrequent_mappings').data].slice(0, categories[column]!.length);
  });
}

/** The group that is dropped of each column; what counts is the position after rare categories were put together. */
function droppedOf(estimator: Estimator): readonly (number | undefined)[] {
  const name = estimator.has('_drop_idx_after_grouping') ? '_drop_idx_after_grouping' : 'drop_idx_';
  const raw = estimator.raw(name) ?? null;
  if (raw === null) return [];
  const items = raw instanceof NumpyArray && raw.type.letter === 'O' ? raw.objects : [...dense(raw, name).data];
  return items.map(item => (item === null ? undefined : Number(dense(item, name).data[0])));
}

const oneHotEncoder = (estimator: Estimator): Transform => {
  const categories = categoriesOf(estimator);
  const groups = groupsOf(estimator, categories);
  const dropped = droppedOf(estimator);
  const joinsUnknown = /^(infrequent_if_exist|warn)$/.test(estimator.text('handle_unknown') ?? '');
  return row =>
    row.flatMap((x, column) => {
      const known = categories[column]!;
      const group = groups[column];
      const width = group === undefined ? known.length : Math.max(...group) + 1;
      const at = known.findIndex(category => isSame(x, category));
      const unknown = group !== undefined && joinsUnknown ? width - 1 : -1;
      const hot = at < 0 ? unknown : (group?.[at] ?? at);
      return Array.from({ length: width }, (_, g) => g)
        .filter(g => g !== dropped[column])
        .map(g => Number(g === hot));
    });
};

const ordinalEncoder = (estimator: Estimator): Transform => {
  const categories = categoriesOf(estimator);
  const groups = groupsOf(estimator, categories);
  const ofMissing = estimator.number('encoded_missing_value') ?? Number.NaN;
  const unknown =
    estimator.text('handle_unknown') === 'use_encoded_value' ? (estimator.number('unknown_value') ?? Number.NaN) : -1;
  return row =>
    row.map((x, column) => {
      const at = categories[column]!.findIndex(category => isSame(x, category));
      if (at < 0) return unknown;
      return isMissing(x) ? ofMissing : (groups[column]?.[at] ?? at);
    });
};

/** The fitted mean of the target where a category was seen, the mean of all rows elsewhere. */
const targetEncoder = (estimator: Estimator): Transform => {
  const categories = categoriesOf(estimator);
  const targets = estimator.text('target_type_') === 'multiclass' ? estimator.labels('classes_').values.length : 1;
  const overall = estimator.dense('target_mean_').data;
  const tables = estimator.list('encodings_').map(item => dense(item, 'encodings_').data);
  return row =>
    row.flatMap((x, column) => {
      const at = categories[column]!.findIndex(category => isSame(x, category));
      return Array.from({ length: targets }, (_, target) =>
        at < 0 ? overall[target]! : tables[column * targets + target]![at]!,
      );
    });
};

/** What counts as missing for an imputer, by its `missing_values`. */
function missingTest(estimator: Estimator): (x: Cell | undefined) => boolean {
  const raw = estimator.raw('missing_values') ?? null;
  const marker = raw instanceof NumpyScalar ? plainScalar(raw) : raw;
  if (typeof marker === 'string' && marker !== 'NaN') return x => x === marker;
  const number = estimator.number('missing_values') ?? Number.NaN;
  return x => (typeof x === 'string' || Number.isNaN(number) ? isMissing(x) : x === number);
}

const simpleImputer = (estimator: Estimator): Transform => {
  const raw = estimator.raw('statistics_');
  const isText = raw instanceof NumpyArray && raw.type.letter === 'O';
  const fill = isText ? cellsOf(raw, 'statistics_') : [...estimator.dense('statistics_').data];
  const test = missingTest(estimator);
  if (fill.some(isMissing) && estimator.text('strategy') === 'constant')
    throw new NotWalkable('SimpleImputer that fills with nothing');
  const mark =
    estimator.flag('add_indicator', false) && estimator.has('indicator_')
      ? missingIndicator(estimator.child('indicator_'))
      : (): Row => [];
  // A column that had no value in training is left out.
  return row => [...row.map((x, i) => (test(x) ? fill[i]! : x)).filter((_, i) => !isMissing(fill[i])), ...mark(row)];
};

const missingIndicator = (estimator: Estimator): Transform => {
  const test = missingTest(estimator);
  const features = [...estimator.dense('features_').data];
  return row => features.map(feature => Number(test(row[feature])));
};

export const encoderTransforms: Readonly<Record<string, (estimator: Estimator) => Transform>> = {
  OneHotEncoder: oneHotEncoder,
  OrdinalEncoder: ordinalEncoder,
  TargetEncoder: targetEncoder,
  SimpleImputer: simpleImputer,
  MissingIndicator: missingIndicator,
};
