import type { Task } from '@holdfast/api';
import type { JoinedWindow } from '../ground-truth.ts';
import type { ColumnReader, ColumnValues } from '../profiles/column-values.ts';

/** Predictions of one version whose ground truth is known. */
export interface ScoredRows {
  /** Rows with ground truth. */
  readonly rows: number;
  /** Output columns of these rows. */
  readonly columnOf: ColumnReader;
  /** What really happened, one text per row. */
  readonly truth: readonly string[];
}

/** The output columns that the metrics of a task need. */
export function taskColumns(task: Task): readonly string[] {
  switch (task.kind) {
    case 'binary':
      return task.label === undefined ? [task.score] : [task.score, task.label];
    case 'multiclass':
      return task.label === undefined ? task.scores : [...task.scores, task.label];
    case 'regression':
      return [task.value];
    case 'none':
      return [];
    default:
      return task satisfies never;
  }
}

export function scoredRows(joined: JoinedWindow): ScoredRows {
  const columns = new Map<string, ColumnValues>();
  for (const [name, values] of joined.columns) {
    columns.set(name, values instanceof Float64Array ? { kind: 'numeric', values } : codedValues(values));
  }
  return { rows: joined.truth.length, columnOf: name => columns.get(name), truth: joined.truth };
}

/** Texts as codes into the distinct ones; the empty text is missing. */
export function codedValues(texts: readonly string[]): ColumnValues {
  const codeOf = new Map<string, number>();
  const dictionary: string[] = [];
  const codes = new Int32Array(texts.length);
  for (const [row, text] of texts.entries()) {
    let code = text === '' ? -1 : codeOf.get(text);
    if (code === undefined) {
      code = dictionary.push(text) - 1;
      codeOf.set(text, code);
    }
    codes[row] = code;
  }
  return { kind: 'categorical', dictionary, codes };
}
