import { NumpyArray, type PyValue } from '../pickle/python-values.ts';
import {
  type Block,
  eachColumn,
  type Frame,
  frameWidth,
  joinFrames,
  type Lowering,
  matrixFrame,
  requireWidth,
  type SklearnClass,
} from './lowering.ts';
import { dense, type Estimator, labels, plainScalar } from './records.ts';

const family = 'encoders and imputers';

/** The categories of one column; a trailing NaN or None stands for "missing". */
interface Categories {
  readonly type: 'string' | 'double';
  readonly texts: readonly string[];
  readonly numbers: readonly number[];
  readonly hasMissing: boolean;
  readonly count: number;
}

/** Text columns spell a missing value as the empty string, because a text tensor has no other way. */
const missingText = '';

function categoriesOf(value: PyValue, what: string): Categories {
  if (value instanceof NumpyArray && value.type.letter === 'O') {
    const items = value.objects.map(plainScalar);
    const isMissing = (item: PyValue): boolean => item === null || (typeof item === 'number' && Number.isNaN(item));
    const present = items.filter(item => !isMissing(item));
    const hasMissing = present.length < items.length;
    const kept = labels(listLike(present), what);
    if (kept.type === 'string' || present.length === 0)
      return {
        type: 'string',
        texts: kept.type === 'string' ? kept.values : [],
        numbers: [],
        hasMissing,
        count: items.length,
      };
    return { type: 'double', texts: [], numbers: kept.values.map(Number), hasMissing, count: items.length };
  }
  const found = labels(value, what);
  if (found.type === 'string')
    return { type: 'string', texts: found.values, numbers: [], hasMissing: false, count: found.values.length };
  const numbers = found.values.map(Number);
  const hasMissing = numbers.some(Number.isNaN);
  return {
    type: 'double',
    texts: [],
    numbers: numbers.filter(value => !Number.isNaN(value)),
    hasMissing,
    count: numbers.length,
  };
}

function listLike(items: readonly PyValue[]): NumpyArray {
  const array = new NumpyArray();
  array.objects = items;
  array.shape = [items.length];
  return array;
}

/** Whether the categories of a column are text, which decides the type of the model's input. */
export function categoriesAreText(value: PyValue): boolean {
  return categoriesOf(value, 'categories_').type === 'string';
}

/** One boolean column per category (missing last), for a column of the matching type. */
function matches(column: Block, categories: Categories, estimator: Estimator, to: Lowering): string {
  const { graph } = to;
  if (column.type !== categories.type)
    estimator.refuse(
      `was fitted on ${categories.type === 'string' ? 'text' : 'numbers'} but gets ${column.type === 'string' ? 'text' : 'numbers'}`,
    );
  const parts: string[] = [];
  const present = categories.type === 'string' ? categories.texts.length : categories.numbers.length;
  if (present > 0) {
    const table =
      categories.type === 'string'
        ? graph.constant('string', [1, present], categories.texts)
        : graph.double(categories.numbers, [1, present]);
    parts.push(graph.op('Equal', [column.value, table]));
  }
  if (categories.hasMissing) {
    parts.push(
      column.type === 'string'
        ? graph.op('Equal', [column.value, graph.constant('string', [1, 1], [missingText])])
        : graph.op('IsNaN', [column.value]),
    );
  }
  return parts.length === 1 ? parts[0]! : graph.op('Concat', parts, { axis: 1n });
}

function categoryList(estimator: Estimator, x: Frame): Categories[] {
  if (!estimator.has('categories_'))
    estimator.refuse('was fitted before version 0.20, whose encoders are not supported');
  const list = estimator
    .list('categories_')
    .map((item, i) => categoriesOf(item, `${estimator.path}.categories_[${i}]`));
  requireWidth(x, list.length, estimator);
  return list;
}

/** Categories that were merged into "infrequent", per column: old positions to new ones. */
function infrequentMapping(estimator: Estimator, column: number, count: number): number[] | undefined {
  if (!estimator.flag('_infrequent_enabled', false)) return undefined;
  const mapping = estimator.list('_default_to_infrequent_mappings')[column] ?? null;
  return mapping === null ? undefined : [...dense(mapping, estimator.path).data].slice(0, count);
}

function oneHotEncoder(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const lists = categoryList(estimator, x);
  const columns = eachColumn(x, to);
  const drops = dropPositions(estimator, lists.length);
  const unknown = estimator.text('handle_unknown') ?? 'error';
  const frames = lists.map((categories, i): Frame => {
    const mapping = infrequentMapping(estimator, i, categories.count);
    const raw = graph.cast(matches(columns[i]!, categories, estimator, to), 'double');
    let value = raw;
    let count = categories.count;
    if (mapping !== undefined) {
      count = Math.max(...mapping) + 1;
      const merge = new Float64Array(categories.count * count);
      mapping.forEach((target, from) => {
        merge[from * count + target] = 1;
      });
      value = graph.op('Gemm', [raw, graph.double(merge, [categories.count, count])]);
      if (unknown === 'infrequent_if_exist' || unknown === 'warn')
        value = withUnknownAsInfrequent(raw, value, count, to);
    }
    const drop = drops[i];
    if (drop === undefined) return matrixFrame(value, count);
    const kept = Array.from({ length: count }, (_, c) => c).filter(c => c !== drop);
    return kept.length === 0
      ? { blocks: [] }
      : matrixFrame(graph.op('Gather', [value, graph.ints(...kept)], { axis: 1n }), kept.length);
  });
  if (unknown === 'error')
    to.notes.push(
      `${estimator.path}: an unknown category gives zeros instead of an error, which a graph cannot raise.`,
    );
  return joinFrames(frames, to);
}

function withUnknownAsInfrequent(raw: string, merged: string, count: number, to: Lowering): string {
  const { graph } = to;
  const known = graph.op('ReduceSum', [raw, graph.ints(1)], { keepdims: 1n });
  const last = new Float64Array(count);
  last[count - 1] = 1;
  return graph.op('Add', [
    merged,
    graph.op('Mul', [graph.op('Sub', [graph.double(1), known]), graph.double(last, [1, count])]),
  ]);
}

/** The dropped position per column, undefined where nothing is dropped. */
function dropPositions(estimator: Estimator, columns: number): (number | undefined)[] {
  // Since 1.3 the public attribute counts before rare categories are put together, and this one after it.
  const raw = estimator.raw('_drop_idx_after_grouping') ?? estimator.raw('drop_idx_');
  if (raw === undefined || raw === null) return new Array<undefined>(columns).fill(undefined);
  const items =
    raw instanceof NumpyArray && raw.type.letter === 'O'
      ? raw.objects
      : [...dense(raw, estimator.path).data].map(BigInt);
  return items.map(item => (item === null ? undefined : Number(dense(item, estimator.path).data[0])));
}

function ordinalEncoder(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const lists = categoryList(estimator, x);
  const columns = eachColumn(x, to);
  const isUnknownEncoded = estimator.text('handle_unknown') === 'use_encoded_value';
  const unknownValue = isUnknownEncoded ? (estimator.number('unknown_value') ?? Number.NaN) : -1;
  const missingValue = estimator.number('encoded_missing_value') ?? Number.NaN;
  const frames = lists.map((categories, i): Frame => {
    const mapping = infrequentMapping(estimator, i, categories.count);
    const found = graph.cast(matches(columns[i]!, categories, estimator, to), 'double');
    const codes = Float64Array.from({ length: categories.count }, (_, c) => mapping?.[c] ?? c);
    const code = graph.op(
      'ReduceSum',
      [graph.op('Mul', [found, graph.double(codes, [1, codes.length])]), graph.ints(1)],
      { keepdims: 1n },
    );
    const isKnown = graph.op('Greater', [
      graph.op('ReduceSum', [found, graph.ints(1)], { keepdims: 1n }),
      graph.double(0),
    ]);
    let value = graph.op('Where', [isKnown, code, graph.double(unknownValue)]);
    if (categories.hasMissing) {
      const last = graph.op('Gather', [found, graph.ints(categories.count - 1)], { axis: 1n });
      value = graph.op('Where', [graph.op('Greater', [last, graph.double(0)]), graph.double(missingValue), value]);
    }
    return matrixFrame(value, 1);
  });
  if (!isUnknownEncoded)
    to.notes.push(`${estimator.path}: an unknown category gives -1 instead of an error, which a graph cannot raise.`);
  return joinFrames(frames, to);
}

/** Mean target per category, as fitted for new data. */
function targetEncoder(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const lists = categoryList(estimator, x);
  const columns = eachColumn(x, to);
  const classes = estimator.text('target_type_') === 'multiclass' ? estimator.labels('classes_').values.length : 1;
  const means = estimator.dense('target_mean_').data;
  const encodings = estimator.list('encodings_').map(item => dense(item, estimator.path).data);
  const frames = lists.flatMap((categories, i) => {
    const found = graph.cast(matches(columns[i]!, categories, estimator, to), 'double');
    const known = graph.op('ReduceSum', [found, graph.ints(1)], { keepdims: 1n });
    const isKnown = graph.op('Greater', [known, graph.double(0)]);
    return Array.from({ length: classes }, (_, c): Frame => {
      const table = encodings[i * classes + c] ?? estimator.refuse('has fewer encodings than columns');
      const value = graph.op('Gemm', [found, graph.double(table, [table.length, 1])]);
      return matrixFrame(graph.op('Where', [isKnown, value, graph.double(means[classes === 1 ? 0 : c]!)]), 1);
    });
  });
  return joinFrames(frames, to);
}

/** Positions where a value counts as missing, boolean of the block's shape. */
function missingMask(block: Block, estimator: Estimator, to: Lowering): string {
  const { graph } = to;
  const raw = plainScalar(estimator.raw('missing_values') ?? Number.NaN);
  if (block.type === 'string') {
    const marker = typeof raw === 'string' && raw !== 'NaN' ? raw : missingText;
    return graph.op('Equal', [block.value, graph.constant('string', [], [marker])]);
  }
  const value = typeof raw === 'number' || typeof raw === 'bigint' ? Number(raw) : Number.NaN;
  return Number.isNaN(value) ? graph.op('IsNaN', [block.value]) : graph.op('Equal', [block.value, graph.double(value)]);
}

/** Whether an imputer was fitted on text columns. */
export function imputesText(estimator: Estimator): boolean {
  const statistics = estimator.raw('statistics_');
  return (
    statistics instanceof NumpyArray &&
    statistics.type.letter === 'O' &&
    statistics.objects.some(item => typeof item === 'string')
  );
}

function simpleImputer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const width = frameWidth(x);
  const frames: Frame[] = [];
  if (imputesText(estimator)) {
    const values = estimator.list('statistics_').map(plainScalar);
    if (!values.every(value => typeof value === 'string'))
      estimator.refuse('fills some columns with text and others with numbers');
    requireWidth(x, values.length, estimator);
    const { graph } = to;
    const columns = eachColumn(x, to).map((block, i): Block => {
      if (block.type !== 'string') estimator.refuse('fills a numeric column with text');
      return {
        ...block,
        value: graph.op('Where', [
          missingMask(block, estimator, to),
          graph.constant('string', [1, 1], [String(values[i])]),
          block.value,
        ]),
      };
    });
    to.notes.push(`${estimator.path}: an empty text counts as missing.`);
    const value =
      columns.length === 1
        ? columns[0]!.value
        : graph.op(
            'Concat',
            columns.map(block => block.value),
            { axis: 1n },
          );
    frames.push({ blocks: [{ type: 'string', value, columns: width }] });
  } else frames.push(numericImputer(estimator, x, to));
  if (estimator.flag('add_indicator', false) && estimator.has('indicator_'))
    frames.push(missingIndicator(estimator.child('indicator_'), x, to));
  return joinFrames(frames, to);
}

function numericImputer(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const statistics = estimator.dense('statistics_').data;
  requireWidth(x, statistics.length, estimator);
  const [block] = joinFrames([x], to).blocks;
  if (block === undefined || block.type === 'string' || block.columns !== statistics.length)
    return estimator.refuse('fills text columns with numbers');
  const filled = graph.op('Where', [
    missingMask(block, estimator, to),
    graph.double(statistics, [1, statistics.length]),
    block.value,
  ]);
  // Columns without any value at fit time are dropped, unless empty features are kept.
  const kept = Array.from(statistics.keys()).filter(i => !Number.isNaN(statistics[i]!));
  if (kept.length === statistics.length || estimator.text('strategy') === 'constant')
    return matrixFrame(filled, statistics.length);
  return matrixFrame(graph.op('Gather', [filled, graph.ints(...kept)], { axis: 1n }), kept.length);
}

function missingIndicator(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const { graph } = to;
  const features = [...estimator.dense('features_').data];
  const columns = eachColumn(x, to);
  if (features.length === 0) return { blocks: [] };
  const masks = features.map(feature => {
    const block = columns[feature] ?? estimator.refuse(`marks column ${feature}, which the input does not have`);
    return graph.cast(missingMask(block, estimator, to), 'double');
  });
  return matrixFrame(masks.length === 1 ? masks[0]! : graph.op('Concat', masks, { axis: 1n }), masks.length);
}

export const encoderClasses: Readonly<Record<string, SklearnClass>> = {
  OneHotEncoder: { family, transform: oneHotEncoder },
  OrdinalEncoder: { family, transform: ordinalEncoder },
  TargetEncoder: { family, transform: targetEncoder },
  SimpleImputer: { family, transform: simpleImputer },
  MissingIndicator: { family, transform: missingIndicator },
};
