import { elementCount, type Signature, type Tensor, type TensorSpec } from '@holdfast/api';
import { badRequest } from '../../refusal.ts';
import type { ServedVersion } from '../../traffic/served-version.ts';

/** As C++ prints a double with `to_string`: six decimals. */
function sixDecimals(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

/** The names of an output's classes: its own, or those of a task whose scores it holds. */
function labelsOf({ task, columns, outputs }: Signature, output: string, classes: number): readonly string[] {
  const given = outputs.find(({ name }) => name === output)?.labels;
  if (given !== undefined) return given;
  if (task.kind !== 'multiclass' || task.classes.length !== classes) return [];
  const own = columns.filter(({ role, tensor }) => role === 'output' && tensor === output).map(({ name }) => name);
  return task.scores.every(score => own.includes(score)) ? task.classes : [];
}

/** @throws Refusal `bad_request` when the elements of this output have no order */
export function checkClassifiable({ name, datatype }: TensorSpec, model: string, count: number): void {
  if (count < 1)
    throw badRequest(`classification of output '${name}' for model '${model}' must ask for 1 class or more`);
  if (datatype === 'BYTES' || datatype === 'BOOL' || datatype === 'FP16') {
    throw badRequest(`output '${name}' for model '${model}' is of type ${datatype} and cannot be classified`);
  }
}

/**
 * The classification extension: the `count` largest elements of each row as text `value:index[:label]`, largest first
 * and equal ones by index.
 */
export function classify({ name, shape, data }: Tensor, count: number, { gate, signature }: ServedVersion): Tensor {
  const hasRows = gate.isBatchable && shape.length > 0;
  const rows = hasRows ? shape[0]! : 1;
  const classes = rows === 0 ? 0 : elementCount(shape) / rows;
  const kept = Math.min(count, classes);
  const labels = labelsOf(signature, name, classes);
  const isWhole = !(data instanceof Float32Array || data instanceof Float64Array);
  const texts: string[] = [];
  for (let row = 0; row < rows; row++) {
    const scored = Array.from({ length: classes }, (_, index) => ({ index, value: data[row * classes + index]! }));
    // NaN is smaller than everything, so that it never hides a class that has a score.
    const key = ({ value }: { readonly value: number | bigint | string }): number => {
      const number = Number(value);
      return Number.isNaN(number) ? Number.NEGATIVE_INFINITY : number;
    };
    scored.sort((a, b) => {
      if (typeof a.value === 'bigint' && typeof b.value === 'bigint')
        return a.value < b.value ? 1 : a.value > b.value ? -1 : 0;
      const [first, second] = [key(a), key(b)];
      return first < second ? 1 : first > second ? -1 : 0;
    });
    for (const { index, value } of scored.slice(0, kept)) {
      const label = labels[index];
      const score = isWhole ? String(value) : sixDecimals(Number(value));
      texts.push(label === undefined ? `${score}:${index}` : `${score}:${index}:${label}`);
    }
  }
  return { name, datatype: 'BYTES', shape: hasRows ? [rows, kept] : [kept], data: texts };
}
