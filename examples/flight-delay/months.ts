import type { Span } from './flights.ts';

/** One month of the recorded flights, with what is known about it. */
export interface Month extends Span {
  readonly name: string;
  /** Measured with all flights of the month and the model run directly, 4 and 3 decimals. */
  readonly auc: number;
  readonly lateShare: number;
}

const month = (number: number, name: string, auc: number, lateShare: number): Month => ({
  name,
  fromMs: Date.UTC(2001, number - 1),
  untilMs: Date.UTC(2001, number),
  auc,
  lateShare,
});

/** January holds the model's training days (1 to 24) and is the baseline; the others are what came after. */
export const january = month(1, 'January', 0.7685, 0.205);

export const laterMonths: readonly Month[] = [
  month(2, 'February', 0.7656, 0.233),
  month(3, 'March', 0.7473, 0.21),
  month(4, 'April', 0.7456, 0.179),
  month(5, 'May', 0.7304, 0.161),
  month(6, 'June', 0.7432, 0.213),
];
