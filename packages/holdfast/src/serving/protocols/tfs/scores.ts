import type { Signature, Tensor } from '@holdfast/api';
import { badRequest, Refusal } from '../../refusal.ts';

/** One class of a row, and how likely it is. */
export interface ScoredClass {
  readonly label: string;
  readonly score: number;
}

type Element = number | bigint | string;

/** One output column: its value in each row. */
function columnOf(outputs: readonly Tensor[], { columns }: Signature, name: string): readonly Element[] {
  const column = columns.find(one => one.role === 'output' && one.name === name);
  const tensor = outputs.find(output => output.name === column?.tensor);
  if (column === undefined || tensor === undefined) {
    throw new Refusal('inference_failed', `the model gave no output '${name}'`);
  }
  const rows = tensor.shape[0] ?? 1;
  const stride = rows === 0 ? 0 : tensor.data.length / rows;
  return Array.from({ length: rows }, (_, row) => tensor.data[row * stride + column.index]!);
}

/** @throws Refusal `bad_request` when the version is no classifier */
export function checkClassifies({ task }: Signature): void {
  if (task.kind === 'binary' || task.kind === 'multiclass') return;
  throw badRequest(
    'Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/predict',
  );
}

/** The classes of each row with their scores, in the order of the model; a label alone has score 1. */
export function classificationsOf(outputs: readonly Tensor[], signature: Signature): ScoredClass[][] {
  const { task } = signature;
  if (task.kind === 'binary') {
    const positive = task.positiveClass;
    const negative = positive === '1' ? '0' : positive === 'true' ? 'false' : `not ${positive}`;
    return columnOf(outputs, signature, task.score).map(value => [
      { label: negative, score: 1 - Number(value) },
      { label: positive, score: Number(value) },
    ]);
  }
  if (task.kind !== 'multiclass') return [];
  if (task.scores.length === 0) {
    const labels = task.label === undefined ? [] : columnOf(outputs, signature, task.label);
    return labels.map(label => [{ label: String(label), score: 1 }]);
  }
  const scores = task.scores.map(name => columnOf(outputs, signature, name));
  return (scores[0] ?? []).map((_, row) =>
    scores.map((column, index) => ({ label: task.classes[index] ?? String(index), score: Number(column[row]) })),
  );
}

/** The column that a regression answers with: the task's, or the only number there is. */
function regressionColumn({ task, columns, outputs }: Signature): string | undefined {
  if (task.kind === 'regression') return task.value;
  const own = columns.filter(({ role }) => role === 'output');
  const isNumber = outputs.length === 1 && (outputs[0]?.datatype === 'FP32' || outputs[0]?.datatype === 'FP64');
  return task.kind === 'none' && own.length === 1 && isNumber ? own[0]?.name : undefined;
}

/** @throws Refusal `bad_request` when the version does not answer with one number per row */
export function checkRegresses(signature: Signature): void {
  if (regressionColumn(signature) !== undefined) return;
  throw badRequest(
    'Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/predict',
  );
}

export function regressionsOf(outputs: readonly Tensor[], signature: Signature): number[] {
  const column = regressionColumn(signature);
  return column === undefined ? [] : columnOf(outputs, signature, column).map(Number);
}
