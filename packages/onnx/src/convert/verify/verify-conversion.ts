import { allNodes, inspectModel, type TensorSpec } from '../../inspect-model.ts';
import { readModel } from '../../model/read-model.ts';
import { OnnxError } from '../../onnx-error.ts';
import type { Conversion, SourceFile } from '../convert.ts';
import { drawRows, seededNumbers } from './draw-rows.ts';
import { findReference } from './find-reference.ts';
import { elementsOf, type NamedTensor, plainElements, type RunModel } from './tensor.ts';
import type { Comparable, ReferenceOutput, Verification } from './verification.ts';

export interface VerifyOptions {
  /** Runs ONNX bytes; the caller owns the runtime and its limits. */
  readonly run: RunModel;
  /** Rounds that `convert` was told to use. */
  readonly rounds?: number;
  /** Looks for an engine of the source's framework that is installed with the caller; the library has none itself. */
  readonly engineFor?: (format: string, files: readonly SourceFile[]) => Promise<Comparable | undefined>;
}

/**
 * Checks a conversion against its source on random inputs that cross every split, and the graph against itself: one
 * row, no rows and many rows must agree.
 * @throws OnnxError `conversion_wrong` naming the output, the row and both values, when they are further apart than the
 * bar; the model must not be used then
 */
export async function verifyConversion(
  source: Uint8Array | readonly SourceFile[],
  conversion: Conversion,
  options: VerifyOptions,
): Promise<Verification> {
  const files = source instanceof Uint8Array ? [{ name: 'model', bytes: source }] : source;
  const { model, report } = conversion;
  const { inputs } = inspectModel(model).signature;
  const engine = await options.engineFor?.(report.source.format, files);
  const reference = engine ?? findReference(files, conversion, options.rounds);
  const { rows, tensors } = drawInputs(inputs, reference);
  const answers = await options.run(model, tensors);
  const consistency = await checkConsistency(conversion, tensors, rows, answers, options.run);
  if (reference.kind === 'none')
    return { kind: 'not-compared', how: reference.because, rows, compared: 0, consistency };
  const expected =
    reference.kind === 'rows'
      ? reference.reference.evaluate(rowsOfColumns(tensors))
      : plainOutputs(await reference.engine.evaluate(tensors));
  const { describes, bar } = reference.kind === 'rows' ? reference.reference : reference.engine;
  const found = compareOutputs(answers, expected, { bar, describes });
  const missing = answers.filter(answer => !expected.some(output => output.name === answer.name));
  const how =
    missing.length === 0
      ? `Compared with ${describes}.`
      : `Compared with ${describes}; not compared: ${missing.map(answer => answer.name).join(', ')}.`;
  return {
    kind: missing.length === 0 ? 'agrees' : 'partly',
    how,
    rows,
    compared: found.compared,
    largestDifference: found.largest,
    bar,
    consistency,
  };
}

function drawInputs(
  specs: readonly TensorSpec[],
  reference: Comparable,
): { readonly rows: number; readonly tensors: readonly NamedTensor[] } {
  if (reference.kind !== 'rows') return drawTensors(specs);
  const drawn = drawRows(reference.reference.columns);
  let column = 0;
  const tensors = specs.map(spec => {
    const width = spec.shape?.length === 1 ? 1 : Number(spec.shape?.at(-1) ?? 1);
    const values = drawn.flatMap(row => row.slice(column, column + width));
    column += width;
    const shape = spec.shape?.length === 1 ? [drawn.length] : [drawn.length, width];
    return { name: spec.name, datatype: servable(spec), shape, data: elementsOf(servable(spec), values) };
  });
  return { rows: drawn.length, tensors };
}

function servable(spec: TensorSpec): NamedTensor['datatype'] {
  if (spec.dtype === 'BF16')
    throw new OnnxError(
      'unsupported_dtype',
      `The input "${spec.name}" is bfloat16, which the runtime does not take; cast it to float inside the model.`,
    );
  return spec.dtype;
}

const freeRows = 4;
const maxElements = 1 << 24;

/** Random tensors of a signature: a free first dimension gets a few rows, every other free one a small size. */
export function drawTensors(
  specs: readonly TensorSpec[],
  seed = 1,
): { readonly rows: number; readonly tensors: readonly NamedTensor[] } {
  const random = seededNumbers(seed);
  const isFree = specs.length > 0 && specs.every(spec => typeof spec.shape?.[0] !== 'number');
  const rows = isFree ? freeRows : Number(specs[0]?.shape?.[0] ?? 1);
  const sizes = new Map<string, number>();
  const tensors = specs.map(spec => {
    const shape = (spec.shape ?? [null]).map((size, axis) => {
      if (typeof size === 'number') return size;
      if (axis === 0) return rows;
      const known = typeof size === 'string' ? sizes.get(size) : undefined;
      const chosen = known ?? 8;
      if (typeof size === 'string') sizes.set(size, chosen);
      return chosen;
    });
    const count = shape.reduce((product, size) => product * size, 1);
    if (count > maxElements)
      throw new OnnxError('too_large', `The input "${spec.name}" has ${count} elements, too many to try it out.`);
    const datatype = servable(spec);
    const draw = (): number | string => {
      if (datatype === 'BYTES') return String.fromCharCode(97 + Math.floor(random() * 26));
      if (datatype === 'BOOL') return random() < 0.5 ? 0 : 1;
      if (datatype === 'UINT8') return Math.floor(random() * 256);
      if (datatype === 'INT8') return Math.floor(random() * 256) - 128;
      // Indices of embeddings and tokens have no known range; small ones are valid everywhere.
      if (!datatype.startsWith('FP')) return Math.floor(random() * 2);
      return random();
    };
    return { name: spec.name, datatype, shape, data: elementsOf(datatype, Array.from({ length: count }, draw)) };
  });
  return { rows, tensors };
}

function rowsOfColumns(tensors: readonly NamedTensor[]): (number | string)[][] {
  const rows = tensors[0]?.shape[0] ?? 0;
  const plain = tensors.map(tensor => ({
    width: tensor.shape.length === 1 ? 1 : tensor.shape[1]!,
    values: plainElements(tensor),
  }));
  return Array.from({ length: rows }, (_, row) =>
    plain.flatMap(({ width, values }) => values.slice(row * width, (row + 1) * width)),
  );
}

function plainOutputs(tensors: readonly NamedTensor[]): ReferenceOutput[] {
  return tensors.map(tensor => ({ name: tensor.name, values: plainElements(tensor) }));
}

/** Absolute up to 1 and relative above; equal infinities and two NaN do not differ. */
export function differenceOf(ours: number, theirs: number): number {
  if (Object.is(ours, theirs) || ours === theirs) return 0;
  const difference = Math.abs(ours - theirs) / Math.max(1, Math.abs(theirs));
  return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
}

interface Bar {
  readonly bar: number;
  readonly describes: string;
}

function compareOutputs(
  answers: readonly NamedTensor[],
  expected: readonly ReferenceOutput[],
  { bar, describes }: Bar,
): { readonly compared: number; readonly largest: number } {
  let compared = 0;
  let largest = 0;
  for (const output of expected) {
    const answer = answers.find(candidate => candidate.name === output.name);
    if (answer === undefined) throw wrong(output.name, `${describes} gives it, but the graph does not`);
    const ours = plainElements(answer);
    if (ours.length !== output.values.length)
      throw wrong(output.name, `it has ${ours.length} elements where ${describes} gives ${output.values.length}`);
    const width = Math.max(1, ours.length / (answer.shape[0] || 1));
    output.values.forEach((theirs, i) => {
      const row = Math.floor(i / width);
      if (output.undecided?.has(row)) return;
      compared++;
      const mine = ours[i]!;
      const difference =
        typeof mine === 'number' && typeof theirs === 'number'
          ? differenceOf(mine, theirs)
          : mine === theirs
            ? 0
            : Number.POSITIVE_INFINITY;
      largest = Math.max(largest, difference);
      if (difference > bar)
        throw wrong(output.name, `in row ${row} the graph says ${mine} where ${describes} says ${theirs}`);
    });
  }
  return { compared, largest };
}

function wrong(output: string, what: string): OnnxError {
  return new OnnxError(
    'conversion_wrong',
    `The converted model does not agree with its source in the output "${output}": ${what}. It was not written; please report the model's class.`,
    { node: output },
  );
}

/** Rounding of sums in another order, which runtimes choose by the number of rows. */
const consistencyBar = 1e-4;

/** Operators whose native code divides by an empty dimension and takes the whole process with it. */
const unsafeWhenEmpty = /^(TopK|.*Conv.*|.*Pool|LSTM|GRU|RNN|Resize|.*Normalization|Einsum|STFT|DFT|Loop|Scan)$/;

function crashesOnNoRows(model: Uint8Array): boolean {
  return [...allNodes(readModel(model).graph)].some(node => unsafeWhenEmpty.test(node.opType));
}

async function checkConsistency(
  { model }: Conversion,
  tensors: readonly NamedTensor[],
  rows: number,
  together: readonly NamedTensor[],
  run: RunModel,
): Promise<string> {
  const { inputs } = inspectModel(model).signature;
  const isFree = inputs.length > 0 && inputs.every(spec => typeof spec.shape?.[0] !== 'number');
  if (!isFree) return `The number of rows is fixed at ${rows}.`;
  if (!together.every(output => output.shape[0] === rows))
    return 'An output does not have one row per row of the input.';
  const alone = await run(model, tensors.map(firstRow));
  for (const output of alone) {
    const many = together.find(candidate => candidate.name === output.name);
    const ours = plainElements(output);
    const theirs = many === undefined ? [] : plainElements(firstRow(many));
    const differs = ours.some((value, i) => {
      const other = theirs[i];
      if (typeof value === 'number' && typeof other === 'number') return differenceOf(value, other) > consistencyBar;
      return value !== other;
    });
    if (differs)
      throw wrong(
        output.name,
        `row 0 alone gives ${ours.slice(0, 4).join(', ')} but among ${rows} rows ${theirs.slice(0, 4).join(', ')}`,
      );
  }
  if (crashesOnNoRows(model)) return `1 row and ${rows} rows agree.`;
  try {
    await run(
      model,
      tensors.map(tensor => ({ ...tensor, shape: [0, ...tensor.shape.slice(1)], data: tensor.data.slice(0, 0) })),
    );
    return `1 row, 0 rows and ${rows} rows agree.`;
  } catch {
    return `1 row and ${rows} rows agree; 0 rows are not accepted.`;
  }
}

function firstRow(tensor: NamedTensor): NamedTensor {
  const width = tensor.data.length / (tensor.shape[0] || 1);
  return { ...tensor, shape: [1, ...tensor.shape.slice(1)], data: tensor.data.slice(0, width) };
}
