import type { Task } from '@holdfast/api';
import type { ScoredRows } from './scored-rows.ts';
import { classReader, isSameClass } from './truth.ts';

/** Loss of single predictions against their ground truth. */
export interface RowLosses {
  /** `error`: 1 for a wrong class, else 0; `absolute`: absolute error. */
  readonly loss: 'error' | 'absolute';
  /** NaN where it cannot be told. */
  readonly values: Float64Array;
}

function numberAt(rows: ScoredRows, name: string): (row: number) => number {
  const column = rows.columnOf(name);
  if (column === undefined) return () => Number.NaN;
  if (column.kind === 'numeric') return row => column.values[row]!;
  return row => Number(column.dictionary[column.codes[row]!] ?? Number.NaN);
}

function textAt(rows: ScoredRows, name: string): (row: number) => string {
  const column = rows.columnOf(name);
  if (column === undefined) return () => '';
  if (column.kind === 'numeric') return row => String(column.values[row]!);
  return row => column.dictionary[column.codes[row]!] ?? '';
}

/** The loss of every row; undefined for a task that has none. */
export function rowLosses(task: Task, rows: ScoredRows): RowLosses | undefined {
  const values = new Float64Array(rows.rows);
  switch (task.kind) {
    case 'binary': {
      const score = numberAt(rows, task.score);
      const isPositive = classReader([task.positiveClass]);
      for (let row = 0; row < rows.rows; row++) {
        const isWrong = score(row) >= task.threshold !== (isPositive(rows.truth[row]!) === 0);
        values[row] = Number.isNaN(score(row)) ? Number.NaN : Number(isWrong);
      }
      return { loss: 'error', values };
    }
    case 'multiclass': {
      const { label } = task;
      const scores = task.scores.map(name => numberAt(rows, name));
      const predicted =
        label === undefined
          ? (row: number): string => {
              let best = 0;
              for (let k = 1; k < scores.length; k++) if (scores[k]!(row) > scores[best]!(row)) best = k;
              return task.classes[best] ?? '';
            }
          : textAt(rows, label);
      for (let row = 0; row < rows.rows; row++) values[row] = isSameClass(predicted(row), rows.truth[row]!) ? 0 : 1;
      return { loss: 'error', values };
    }
    case 'regression': {
      const predicted = numberAt(rows, task.value);
      for (let row = 0; row < rows.rows; row++) {
        const text = rows.truth[row]!.trim();
        values[row] = Math.abs(predicted(row) - (text === '' ? Number.NaN : Number(text)));
      }
      return { loss: 'absolute', values };
    }
    case 'none':
      return undefined;
    default:
      return task satisfies never;
  }
}
