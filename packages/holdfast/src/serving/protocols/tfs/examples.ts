import { type Datatype, elementCount, type Signature, type Tensor, type TensorSpec, typedArrayOf } from '@holdfast/api';
import { textFault } from '../../json/tensor-elements.ts';
import { badRequest } from '../../refusal.ts';
import { typeNames } from '../tfs-rest/json-values.ts';

/** The values of one feature of an example: numbers, or text. */
export type FeatureValues = readonly (number | bigint | string)[];

/** Named features of one row. */
export type Example = ReadonlyMap<string, FeatureValues>;

function required(name: string, datatype: Datatype): Error {
  return badRequest(`Feature: ${name} (data type: ${typeNames[datatype]}) is required but could not be found.`);
}

/** The values of one input in one row: a feature of its name, or one feature for each of its columns. */
function valuesOf(example: Example, spec: TensorSpec, columns: readonly string[]): FeatureValues {
  const own = example.get(spec.name);
  if (own !== undefined) return own;
  const missing = columns.find(column => !example.has(column));
  if (columns.length === 0 || missing !== undefined) throw required(missing ?? spec.name, spec.datatype);
  return columns.flatMap(column => example.get(column) ?? []);
}

function tensorOf(examples: readonly Example[], spec: TensorSpec, columns: readonly string[]): Tensor {
  const { name, datatype } = spec;
  const rows = examples.map(example => valuesOf(example, spec, columns));
  const rest = spec.shape.slice(1);
  const variable = rest.filter(dim => dim === -1).length;
  if (variable > 1) throw badRequest(`Input ${name} has more than one variable dimension, which no example can give.`);
  const width = rows[0]?.length ?? 0;
  const known = elementCount(rest.filter(dim => dim !== -1));
  const shape = [rows.length, ...rest.map(dim => (dim === -1 ? Math.floor(width / known) : dim))];
  const perRow = elementCount(shape.slice(1));
  for (const [index, row] of rows.entries()) {
    if (row.length === perRow) continue;
    throw badRequest(
      `Key: ${name}, Index: ${index}. Number of ${typeNames[datatype]} values != expected. Values size: ${row.length} but output shape: [${shape.slice(1).join(',')}]`,
    );
  }
  const all = rows.flat();
  if (datatype === 'BYTES') {
    const texts = all.map(value => {
      if (typeof value !== 'string') throw wrongKind(name, datatype);
      const why = textFault(value);
      if (why !== undefined) throw badRequest(`Feature ${name} ${why}`);
      return value;
    });
    return { name, datatype, shape, data: texts };
  }
  if (datatype === 'FP16') throw badRequest(`Input ${name} is of type half, which no example can give.`);
  if (all.some(value => typeof value === 'string')) throw wrongKind(name, datatype);
  const isFloat = datatype === 'FP32' || datatype === 'FP64';
  if (!isFloat && all.some(value => typeof value === 'number' && !Number.isSafeInteger(value))) {
    throw wrongKind(name, datatype);
  }
  if (datatype === 'INT64') return { name, datatype, shape, data: BigInt64Array.from(all, BigInt) };
  if (datatype === 'UINT64') return { name, datatype, shape, data: BigUint64Array.from(all, BigInt) };
  const data = new typedArrayOf[datatype](all.length);
  for (const [i, value] of all.entries()) {
    data[i] = Number(value);
    if (!isFloat && Number(data[i]) !== Number(value)) throw wrongKind(name, datatype);
  }
  return { name, datatype, shape, data };
}

function wrongKind(name: string, datatype: Datatype): Error {
  return badRequest(`Key: ${name}. Data types don't match. Expected type: ${typeNames[datatype]}`);
}

/**
 * The inputs of a model from rows of named features; `context` holds for rows that do not say otherwise.
 * @throws Refusal `bad_request` naming the feature
 */
export function tensorsOfExamples(
  examples: readonly Example[],
  context: Example | undefined,
  { inputs, columns }: Pick<Signature, 'inputs' | 'columns'>,
): Tensor[] {
  if (examples.length === 0) throw badRequest('Input is empty.');
  const rows = context === undefined ? examples : examples.map(example => new Map([...context, ...example]));
  return inputs.flatMap(spec => {
    const own = columns.filter(({ role, tensor }) => role === 'input' && tensor === spec.name);
    const names = own.toSorted((a, b) => a.index - b.index).map(({ name }) => name);
    const isGiven = rows.some(row => row.has(spec.name) || (names.length > 0 && names.every(name => row.has(name))));
    return spec.optional && !isGiven ? [] : [tensorOf(rows, spec, names)];
  });
}
