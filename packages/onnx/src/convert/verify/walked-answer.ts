import type { ReferenceOutput } from './verification.ts';

/** What a walk over the source says about one row. */
export type WalkedAnswer =
  | {
      readonly kind: 'classes';
      readonly labels: readonly (string | number | boolean)[];
      readonly index: number;
      /** Probabilities per class, where the source has them. */
      readonly shares?: readonly number[];
      /** Scores of the decision, where they take the place of probabilities. */
      readonly scores?: readonly number[];
      /** Lead of the decided class; a tie within rounding may go either way. */
      readonly gap: number;
    }
  | { readonly kind: 'values'; readonly values: readonly number[] }
  | { readonly kind: 'cluster'; readonly index: number; readonly distances: readonly number[]; readonly gap: number }
  | { readonly kind: 'columns'; readonly values: readonly (number | string)[] };

/** A lead below this is a tie: rounding decides it. */
export const tie = 1e-7;

/** Answers of all rows as the outputs of the graph. */
export function answersOf(answers: readonly WalkedAnswer[]): readonly ReferenceOutput[] {
  const undecided = new Set<number>();
  answers.forEach((answer, row) => {
    if ((answer.kind === 'classes' || answer.kind === 'cluster') && answer.gap < tie) undecided.add(row);
  });
  const [first] = answers;
  if (first === undefined) return [];
  switch (first.kind) {
    case 'values':
      return [
        { name: 'prediction', values: answers.flatMap(answer => (answer.kind === 'values' ? answer.values : [])) },
      ];
    case 'columns':
      return [
        { name: 'transformed', values: answers.flatMap(answer => (answer.kind === 'columns' ? answer.values : [])) },
      ];
    case 'cluster':
      return [
        { name: 'label', undecided, values: answers.map(answer => (answer.kind === 'cluster' ? answer.index : -1)) },
        { name: 'distances', values: answers.flatMap(answer => (answer.kind === 'cluster' ? answer.distances : [])) },
      ];
    case 'classes': {
      const label = answers.map(answer => {
        const value = answer.kind === 'classes' ? answer.labels[answer.index] : undefined;
        return typeof value === 'boolean' ? Number(value) : (value ?? '');
      });
      const numbers = (key: 'shares' | 'scores'): number[] =>
        answers.flatMap(answer => (answer.kind === 'classes' ? (answer[key] ?? []) : []));
      return [
        { name: 'label', values: label, undecided },
        ...(first.shares === undefined ? [] : [{ name: 'probabilities', values: numbers('shares') }]),
        ...(first.shares !== undefined || first.scores === undefined
          ? []
          : [{ name: 'scores', values: numbers('scores') }]),
      ];
    }
    default:
      throw new TypeError(`unknown answer ${JSON.stringify(first satisfies never)}`);
  }
}
