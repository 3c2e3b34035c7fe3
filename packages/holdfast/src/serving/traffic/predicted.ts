import type { ColumnSpec, Signature, Task, Tensor } from '@holdfast/api';
import { Histogram } from '../../telemetry/index.ts';

/** What the outputs of one version predict, row by row. */
export interface PredictionReader {
  /** The class, or the bin of a number, that row `row` predicts; undefined when it cannot be told. */
  keyOf(outputs: readonly Tensor[], row: number): string | undefined;
  /** Whether rows of two versions say the same. */
  agree(a: readonly Tensor[], b: readonly Tensor[], row: number, tolerance: number): boolean;
  /** Whether row `row` has a NaN or infinite output. */
  isNonFinite(outputs: readonly Tensor[], row: number): boolean;
}

/** Elements of a wide output looked at per row. */
const mostElements = 64;
/** Probabilities fall into so many bins of equal width. */
const probabilityBins = 50;
/** Numbers are told apart down to this unit; above 16 of them bins grow with the number, by 6.25 %. */
const finestNumber = 1 / 1024;

function rowWidth(tensor: Tensor): number {
  const rows = tensor.shape[0] ?? 1;
  return rows > 0 ? tensor.data.length / rows : 0;
}

function named(outputs: readonly Tensor[], name: string): Tensor | undefined {
  for (const output of outputs) if (output.name === name) return output;
  return undefined;
}

function isFloat({ datatype }: Tensor): boolean {
  return datatype === 'FP32' || datatype === 'FP64';
}

type Cell = (outputs: readonly Tensor[], row: number) => string | number | undefined;

/** Reads one output column. FP16 has raw bits and is not read. */
function cellOf(signature: Signature, name: string): Cell {
  const column: ColumnSpec | undefined = signature.columns.find(one => one.role === 'output' && one.name === name);
  if (column === undefined) return () => undefined;
  const { tensor, index } = column;
  return (outputs, row) => {
    const found = named(outputs, tensor);
    if (found === undefined || found.datatype === 'FP16') return undefined;
    const value = found.data[row * rowWidth(found) + index];
    return typeof value === 'bigint' ? Number(value) : value;
  };
}

function numberOf(cell: string | number | undefined): number {
  return cell === undefined || cell === '' ? Number.NaN : Number(cell);
}

/** The number of a bin, in the order of the numbers; NaN has its own. */
export function numberBin(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  const bin = Histogram.bucketOf(Math.min(Math.abs(value), 1e9) / finestNumber) + 1;
  return String(value < 0 ? -bin : bin);
}

function probabilityBin(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  return String(Math.max(0, Math.min(probabilityBins - 1, Math.floor(value * probabilityBins))));
}

function isClose(a: number, b: number, tolerance: number): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  return Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b), Number.MIN_VALUE);
}

function isNonFinite(outputs: readonly Tensor[], row: number): boolean {
  for (const output of outputs) {
    if (!isFloat(output)) continue;
    const width = rowWidth(output);
    const end = Math.min(width, mostElements);
    for (let i = 0; i < end; i++) if (!Number.isFinite(Number(output.data[row * width + i]))) return true;
  }
  return false;
}

/** A class per row: its name, and what it is compared by. */
function classReader(classOf: (outputs: readonly Tensor[], row: number) => string | undefined): PredictionReader {
  return {
    keyOf: classOf,
    agree: (a, b, row) => classOf(a, row) === classOf(b, row),
    isNonFinite,
  };
}

function binaryReader(task: Extract<Task, { kind: 'binary' }>, signature: Signature): PredictionReader {
  const score = cellOf(signature, task.score);
  const isPositive = (outputs: readonly Tensor[], row: number) => numberOf(score(outputs, row)) >= task.threshold;
  return {
    keyOf: (outputs, row) => probabilityBin(numberOf(score(outputs, row))),
    agree: (a, b, row) => isPositive(a, row) === isPositive(b, row),
    isNonFinite,
  };
}

function multiclassReader(task: Extract<Task, { kind: 'multiclass' }>, signature: Signature): PredictionReader {
  const { label, scores, classes } = task;
  if (label !== undefined) {
    const cell = cellOf(signature, label);
    return classReader((outputs, row) => {
      const value = cell(outputs, row);
      return value === undefined ? undefined : String(value);
    });
  }
  const cells = scores.map(name => cellOf(signature, name));
  return classReader((outputs, row) => {
    let best = -1;
    let highest = Number.NEGATIVE_INFINITY;
    for (const [k, cell] of cells.entries()) {
      const value = numberOf(cell(outputs, row));
      if (value > highest) {
        highest = value;
        best = k;
      }
    }
    return best < 0 ? undefined : (classes[best] ?? String(best));
  });
}

/** Every number of every output, when the outputs have no meaning that is known. */
function agreeEverywhere(a: readonly Tensor[], b: readonly Tensor[], row: number, tolerance: number): boolean {
  for (const left of a) {
    const right = named(b, left.name);
    if (right === undefined || right.datatype !== left.datatype) return false;
    const width = rowWidth(left);
    if (rowWidth(right) !== width) return false;
    for (let i = row * width; i < row * width + Math.min(width, mostElements); i++) {
      const [x, y] = [left.data[i], right.data[i]];
      const isAlike = isFloat(left) ? isClose(Number(x), Number(y), tolerance) : x === y;
      if (!isAlike) return false;
    }
  }
  return true;
}

/** How to read what a version predicts, from its task. */
export function predictionReader(signature: Signature): PredictionReader {
  const { task } = signature;
  switch (task.kind) {
    case 'binary':
      return binaryReader(task, signature);
    case 'multiclass':
      return multiclassReader(task, signature);
    case 'regression': {
      const value = cellOf(signature, task.value);
      return {
        keyOf: (outputs, row) => numberBin(numberOf(value(outputs, row))),
        agree: (a, b, row, tolerance) => isClose(numberOf(value(a, row)), numberOf(value(b, row)), tolerance),
        isNonFinite,
      };
    }
    case 'none': {
      const first = signature.columns.find(column => column.role === 'output');
      const cell = first === undefined ? () => undefined : cellOf(signature, first.name);
      return {
        keyOf: (outputs, row) => {
          const value = cell(outputs, row);
          return typeof value === 'number' ? numberBin(value) : value;
        },
        agree: agreeEverywhere,
        isNonFinite,
      };
    }
    default:
      return task satisfies never;
  }
}
