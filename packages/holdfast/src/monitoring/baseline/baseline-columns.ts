import { type ColumnSpec, type Datatype, fault, type Signature } from '@holdfast/api';
import { type BaselineTable, type FileColumn, identifier } from './baseline-table.ts';

/** A watched column and the SQL that gives its values in the log's form: numbers, or texts. */
export interface SourceColumn {
  readonly spec: ColumnSpec;
  readonly sql: string;
  /** Values of a numeric column that are no number. */
  readonly invalid: number;
}

/** What of the file stands for what of the model. */
export interface BaselineColumns {
  readonly inputs: readonly SourceColumn[];
  /** Empty when the file lacks any of the model's outputs. */
  readonly outputs: readonly SourceColumn[];
  /** SQL for ground truth as text. */
  readonly truth: string | undefined;
  /** SQL for the event time in ms since epoch. */
  readonly timeMs: string | undefined;
}

export interface ColumnNames {
  readonly truthColumn: string | undefined;
  readonly timeColumn: string | undefined;
}

/** Names that ground truth goes by when nobody says which column it is. */
const usualTruthNames = ['label', 'target', 'truth', 'y'];

const floatTypes = /^(FLOAT|DOUBLE|DECIMAL)/;
const numberTypes =
  /^(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|UTINYINT|USMALLINT|UINTEGER|UBIGINT|FLOAT|DOUBLE|DECIMAL)/;
/** Below this share of readable numbers a text column is not a numeric one with a few mistakes. */
const readableShare = 0.5;

/** Classes as the log writes them: whole numbers without a fraction, truth values as `true` and `false`. */
function textSql({ name, type }: FileColumn): string {
  const column = identifier(name);
  if (!floatTypes.test(type)) return `cast(${column} as varchar)`;
  const whole = `${column} = floor(${column}) and abs(${column}) < 9e15`;
  return `case when ${whole} then cast(cast(${column} as bigint) as varchar) else cast(cast(${column} as double) as varchar) end`;
}

/** A class in the words of the tensor that will carry it: a truth value where the file has 0 and 1, and the reverse. */
function classSql(column: FileColumn, datatype: Datatype | undefined): string {
  const text = textSql(column);
  if (datatype === 'BOOL') {
    return `case lower(${text}) when '1' then 'true' when '0' then 'false' else lower(${text}) end`;
  }
  if (datatype === 'BYTES' || datatype === undefined) return text;
  return `case lower(${text}) when 'true' then '1' when 'false' then '0' else ${text} end`;
}

/** A number; text is read where it can be. */
function numberSql({ name, type }: FileColumn): string {
  const column = identifier(name);
  if (type !== 'VARCHAR') return `cast(${column} as double)`;
  return `coalesce(try_cast(${column} as double), case lower(${column}) when 'true' then 1.0 when 'false' then 0.0 end)`;
}

function timeSql({ name, type }: FileColumn): string {
  const column = identifier(name);
  if (numberTypes.test(type)) return `cast(${column} as double)`;
  if (type !== 'VARCHAR') return `cast(epoch_ms(try_cast(${column} as timestamp)) as double)`;
  const parsed = `epoch_ms(try_cast(${column} as timestamp)), epoch_ms(try_cast(${column} as timestamptz))`;
  return `coalesce(try_cast(${column} as double), cast(coalesce(${parsed}) as double))`;
}

function isFit(spec: ColumnSpec, column: FileColumn): boolean {
  return spec.kind !== 'numeric' || numberTypes.test(column.type) || ['BOOLEAN', 'VARCHAR'].includes(column.type);
}

/**
 * Columns of an unnamed matrix (`X[0]` ... `X[k-1]`) are matched by their order, when the file has exactly that many
 * columns beside truth, time and outputs and none of them is named like an input.
 */
function byOrder(
  table: BaselineTable,
  inputs: readonly ColumnSpec[],
  taken: ReadonlySet<string>,
): ReadonlyMap<string, FileColumn> | undefined {
  const free = table.columns.filter(column => !taken.has(column.name));
  const isUnnamed = inputs.every(spec => spec.name === `${spec.tensor}[${spec.index}]`);
  if (!isUnnamed || free.length !== inputs.length) return undefined;
  return new Map(inputs.map((spec, i) => [spec.name, free[i]!]));
}

function required(table: BaselineTable, name: string | undefined, what: string): FileColumn | undefined {
  if (name === undefined) return undefined;
  const column = table.find(name);
  if (column === undefined)
    throw fault('baseline_rejected', `it has no ${what} column "${name}"; its columns are ${namesOf(table)}.`);
  return column;
}

function namesOf(table: BaselineTable): string {
  const names = table.columns.map(column => column.name);
  return names.length > 40 ? `${names.slice(0, 40).join(', ')} and ${names.length - 40} more` : names.join(', ');
}

function usualTruth(table: BaselineTable, signature: Signature): FileColumn | undefined {
  const columnNames = new Set(signature.columns.map(column => column.name.toLowerCase()));
  const name = usualTruthNames.find(usual => !columnNames.has(usual) && table.find(usual) !== undefined);
  return name === undefined ? undefined : table.find(name);
}

/** How many values of text columns that should be numbers are none. */
async function countInvalid(
  table: BaselineTable,
  columns: readonly FileColumn[],
): Promise<ReadonlyMap<string, { readonly given: number; readonly invalid: number }>> {
  const asText = columns.filter(column => column.type === 'VARCHAR');
  if (asText.length === 0) return new Map();
  const counts = asText.map((column, i) => {
    const given = `${identifier(column.name)} is not null and trim(${identifier(column.name)}) not in ('', 'nan', 'NaN')`;
    return `count(*) filter (${given}) as given${i}, count(*) filter (${given} and ${numberSql(column)} is null) as invalid${i}`;
  });
  const answer = await table.query(`select ${counts.join(', ')} from baseline`);
  const numberOf = (name: string): number => Number(answer.get(name)?.[0] ?? 0);
  return new Map(
    asText.map((column, i) => [column.name, { given: numberOf(`given${i}`), invalid: numberOf(`invalid${i}`) }]),
  );
}

/** @throws Fault `baseline_rejected` naming every input column that is missing or of the wrong kind */
export async function matchColumns(
  table: BaselineTable,
  signature: Signature,
  names: ColumnNames,
): Promise<BaselineColumns> {
  const truth = required(table, names.truthColumn, 'ground truth') ?? usualTruth(table, signature);
  const time = required(table, names.timeColumn, 'time');
  const outputs = signature.columns.filter(column => column.role === 'output');
  const inputs = signature.columns.filter(column => column.role === 'input');
  const taken = new Set([
    truth?.name ?? '',
    time?.name ?? '',
    ...outputs.map(spec => table.find(spec.name)?.name ?? ''),
  ]);
  const ordered = inputs.some(spec => table.find(spec.name) !== undefined) ? undefined : byOrder(table, inputs, taken);
  const columnOf = (spec: ColumnSpec): FileColumn | undefined => ordered?.get(spec.name) ?? table.find(spec.name);
  const numeric = signature.columns.filter(spec => spec.kind === 'numeric').flatMap(spec => columnOf(spec) ?? []);
  const invalid = await countInvalid(table, numeric);
  const problems = inputs.flatMap(spec => {
    const column = columnOf(spec);
    if (column === undefined) return [`"${spec.name}" is missing`];
    const read = spec.kind === 'numeric' ? invalid.get(column.name) : undefined;
    const isReadable = read === undefined || read.given - read.invalid >= readableShare * read.given;
    if (isFit(spec, column) && isReadable) return [];
    const found = column.type === 'VARCHAR' ? 'text' : column.type.toLowerCase();
    return [`"${spec.name}" should be numbers but is ${found}`];
  });
  if (problems.length > 0) {
    throw fault(
      'baseline_rejected',
      `input columns do not match the model: ${problems.join('; ')}. Its columns are ${namesOf(table)}.`,
    );
  }
  const datatypes = new Map([...signature.inputs, ...signature.outputs].map(tensor => [tensor.name, tensor.datatype]));
  const source = (spec: ColumnSpec): SourceColumn => {
    const column = columnOf(spec)!;
    if (spec.kind !== 'numeric') return { spec, sql: classSql(column, datatypes.get(spec.tensor)), invalid: 0 };
    return { spec, sql: numberSql(column), invalid: invalid.get(column.name)?.invalid ?? 0 };
  };
  const hasOutputs = outputs.length > 0 && outputs.every(spec => table.find(spec.name) !== undefined);
  return {
    inputs: inputs.map(source),
    outputs: hasOutputs ? outputs.map(source) : [],
    truth: truth && textSql(truth),
    timeMs: time && timeSql(time),
  };
}
