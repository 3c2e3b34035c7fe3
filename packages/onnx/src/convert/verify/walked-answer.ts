import type { Estimator } from '../sklearn/records.ts';
import type { ReferenceOutput } from './verification.ts';

/** What a walk over the source says about one row. */
export type WalkedAnswer = (
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
  | { readonly kind: 'outlier'; readonly label: number; readonly score: number; readonly gap: number }
  | { readonly kind: 'several'; readonly answers: readonly WalkedAnswer[] }
  | { readonly kind: 'columns'; readonly values: readonly (number | string)[] }
) & {
  /** Whether rounding decides the whole answer of this row: it is on a step of the source, or sums of it cancel. */
  readonly isOpen?: boolean;
};

/** A lead below this is a tie: rounding decides it. */
export const tie = 1e-7;

export type Cell = number | string;
export type Row = readonly Cell[];

/** A class or setting that the walk over the source does not know; the conversion stands, but is not compared. */
export class NotWalkable extends Error {
  override readonly name = 'NotWalkable';
}

/** Predicts one row with a fitted object, prepared once. */
export type Predictor = (row: Row) => WalkedAnswer;

/** How an object that is made of others walks those. */
export interface Walking {
  readonly version: number;
  predictor(estimator: Estimator): Predictor;
}

/** Prepares the walk over one class. @throws NotWalkable */
export type WritePredictor = (estimator: Estimator, walk: Walking) => Predictor;

export type ClassAnswer = Extract<WalkedAnswer, { kind: 'classes' }>;

/** The answer of a member that classifies. */
export function asClasses(answer: WalkedAnswer): ClassAnswer {
  if (answer.kind !== 'classes') throw new NotWalkable('an ensemble of members that do not classify');
  return answer;
}

export function asValues(answer: WalkedAnswer): readonly number[] {
  if (answer.kind !== 'values') throw new NotWalkable('an ensemble of members that predict no numbers');
  return answer.values;
}

/** Answers of all rows as the outputs of the graph. */
export function answersOf(answers: readonly WalkedAnswer[], suffix = ''): readonly ReferenceOutput[] {
  const open = new Set<number>();
  const undecided = new Set<number>();
  answers.forEach((answer, row) => {
    if (answer.isOpen === true) open.add(row);
    if (answer.isOpen === true || ('gap' in answer && answer.gap < tie)) undecided.add(row);
  });
  const [first] = answers;
  if (first === undefined) return [];
  switch (first.kind) {
    case 'values':
      return [
        {
          name: `prediction${suffix}`,
          undecided: open,
          values: answers.flatMap(answer => (answer.kind === 'values' ? answer.values : [])),
        },
      ];
    case 'columns':
      return [
        {
          name: `transformed${suffix}`,
          undecided: open,
          values: answers.flatMap(answer => (answer.kind === 'columns' ? answer.values : [])),
        },
      ];
    case 'cluster':
      return [
        { name: 'label', undecided, values: answers.map(answer => (answer.kind === 'cluster' ? answer.index : -1)) },
        {
          name: 'distances',
          undecided: open,
          values: answers.flatMap(answer => (answer.kind === 'cluster' ? answer.distances : [])),
        },
      ];
    case 'outlier':
      return [
        { name: 'label', undecided, values: answers.map(answer => (answer.kind === 'outlier' ? answer.label : 0)) },
        {
          name: 'score',
          undecided: open,
          values: answers.map(answer => (answer.kind === 'outlier' ? answer.score : Number.NaN)),
        },
      ];
    case 'several':
      return first.answers.flatMap((_, i) =>
        answersOf(
          answers.flatMap(answer => (answer.kind === 'several' ? [answer.answers[i]!] : [])),
          `${suffix}_${i}`,
        ),
      );
    case 'classes': {
      const label = answers.map(answer => {
        const value = answer.kind === 'classes' ? answer.labels[answer.index] : undefined;
        return typeof value === 'boolean' ? Number(value) : (value ?? '');
      });
      const numbers = (key: 'shares' | 'scores'): number[] =>
        answers.flatMap(answer => (answer.kind === 'classes' ? (answer[key] ?? []) : []));
      return [
        { name: `label${suffix}`, values: label, undecided },
        ...(first.shares === undefined
          ? []
          : [{ name: `probabilities${suffix}`, undecided: open, values: numbers('shares') }]),
        ...(first.shares !== undefined || first.scores === undefined
          ? []
          : [{ name: `scores${suffix}`, undecided: open, values: numbers('scores') }]),
      ];
    }
    default:
      throw new TypeError(`unknown answer ${JSON.stringify(first satisfies never)}`);
  }
}
