import type { ColumnSpec, Datatype, FeatureKind, Signature, Task, TaskHint, TensorSpec } from '@holdfast/api';

/** A row wider than this is an embedding or an image: recorded, but not watched column by column. */
const maximumColumnsPerTensor = 1024;

const integers: ReadonlySet<Datatype> = new Set<Datatype>([
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
]);
const floats: ReadonlySet<Datatype> = new Set<Datatype>(['FP16', 'FP32', 'FP64']);

function isClassLabel(tensor: TensorSpec): boolean {
  const isDiscrete = tensor.datatype === 'BYTES' || tensor.datatype === 'BOOL' || integers.has(tensor.datatype);
  return isDiscrete && widthOf(tensor) === 1;
}

/** Elements in one row, or undefined when they are not a fixed, modest number in a tensor of rank 1 or 2. */
function widthOf(tensor: TensorSpec): number | undefined {
  if (tensor.shape.length === 1) return 1;
  if (tensor.shape.length !== 2) return undefined;
  const width = tensor.shape[1]!;
  return width >= 1 && width <= maximumColumnsPerTensor ? width : undefined;
}

function kindOf(tensor: TensorSpec, role: ColumnSpec['role']): FeatureKind {
  if (tensor.datatype === 'BYTES' || tensor.datatype === 'BOOL') return 'categorical';
  if (role === 'output' && isClassLabel(tensor)) return 'categorical';
  return 'numeric';
}

function columnsOf(tensor: TensorSpec, role: ColumnSpec['role'], featureNames: readonly string[]): ColumnSpec[] {
  const width = widthOf(tensor);
  if (width === undefined) return [];
  const kind = kindOf(tensor, role);
  return Array.from({ length: width }, (_, index) => {
    const named = featureNames.length === width ? featureNames[index]! : undefined;
    return {
      name: named ?? (width === 1 ? tensor.name : `${tensor.name}[${index}]`),
      role,
      tensor: tensor.name,
      index,
      kind,
      pii: false,
    };
  });
}

/** The same name twice (an input and an output, say) is told apart by a suffix. */
function withUniqueNames(columns: readonly ColumnSpec[]): ColumnSpec[] {
  const seen = new Set<string>();
  return columns.map(column => {
    let name = column.name;
    for (let i = 2; seen.has(name); i++) name = `${column.name}_${i}`;
    seen.add(name);
    return { ...column, name };
  });
}

function binary(
  scores: readonly ColumnSpec[],
  label: ColumnSpec | undefined,
  hint: TaskHint | undefined,
  classes: readonly string[] | undefined,
): Task {
  return {
    kind: 'binary',
    score: scores.at(-1)!.name,
    ...(label && { label: label.name }),
    positiveClass: hint?.positiveClass ?? classes?.at(-1) ?? '1',
    threshold: hint?.threshold ?? 0.5,
  };
}

function inferTask(outputs: readonly TensorSpec[], columns: readonly ColumnSpec[], hint: TaskHint | undefined): Task {
  if (hint?.kind === 'none') return { kind: 'none' };
  const labelTensor = outputs.find(isClassLabel);
  const label = columns.find(column => column.role === 'output' && column.tensor === labelTensor?.name);
  const scoreTensor = outputs.find(tensor => floats.has(tensor.datatype) && widthOf(tensor) !== undefined);
  const scores = columns.filter(column => column.role === 'output' && column.tensor === scoreTensor?.name);
  const classes = scoreTensor?.labels?.length === scores.length ? scoreTensor.labels : undefined;
  const guessed =
    classes !== undefined && scores.length > 2
      ? 'multiclass'
      : guessKind(scores.length, label !== undefined, scoreTensor?.name ?? '');
  const kind = hint?.kind ?? guessed;
  if (kind === 'binary' && scores.length > 0 && scores.length <= 2) return binary(scores, label, hint, classes);
  if (kind === 'multiclass' && (scores.length > 1 || label !== undefined)) {
    return {
      kind: 'multiclass',
      ...(label && { label: label.name }),
      scores: scores.map(column => column.name),
      classes: scores.map((_, index) => classes?.[index] ?? String(index)),
    };
  }
  if (kind === 'regression' && scores.length > 0) return { kind: 'regression', value: scores[0]!.name };
  return { kind: 'none' };
}

function guessKind(scores: number, hasLabel: boolean, name: string): Task['kind'] {
  if (scores === 2) return 'binary';
  if (scores > 2) return hasLabel || /prob|softmax|score|logit|class/i.test(name) ? 'multiclass' : 'none';
  if (scores === 1) return hasLabel ? 'binary' : 'regression';
  return hasLabel ? 'multiclass' : 'none';
}

/**
 * Adds the meaning that monitoring needs to the tensors of a graph: the watched columns, and what the outputs say.
 *
 * @param featureNames names of the columns of the only wide input, where the file carries them
 * @param task what the user said about the task; the outputs decide the rest
 * @param labels names of the classes that an output scores, by output
 */
export function withMeaning(
  graph: { readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[] },
  options: {
    readonly featureNames?: readonly string[];
    readonly task?: TaskHint | undefined;
    readonly labels?: Readonly<Record<string, string[]>> | undefined;
  } = {},
): Signature {
  const outputs = graph.outputs.map(output => {
    const labels = options.labels?.[output.name];
    return labels === undefined ? output : { ...output, labels };
  });
  const columns = withUniqueNames([
    ...graph.inputs.flatMap(tensor => columnsOf(tensor, 'input', options.featureNames ?? [])),
    ...outputs.flatMap(tensor => columnsOf(tensor, 'output', [])),
  ]);
  return {
    inputs: [...graph.inputs],
    outputs,
    columns,
    task: inferTask(outputs, columns, options.task),
  };
}
