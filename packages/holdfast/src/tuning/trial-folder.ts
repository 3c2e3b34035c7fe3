import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Trial } from '@holdfast/api';

type Repeatable = Pick<Trial, 'number' | 'retryOf'>;

/** The folder of a trial. */
export function trialDirectory(studyDirectory: string, number: number): string {
  return join(studyDirectory, 'trials', String(number));
}

/** The trial under whose number an evaluation began: the first of those that were lost and repeated. */
export function evaluationOf(number: number, trials: readonly Repeatable[]): number {
  const before = trials.find(trial => trial.number === number)?.retryOf;
  return before === undefined ? number : evaluationOf(before, trials);
}

/** A file that a trial left in its folder, or in that of the lost trial whose job it took over; undefined when neither did. */
export function fileOfTrial(
  studyDirectory: string,
  number: number,
  trials: readonly Repeatable[],
  file: string,
): string | undefined {
  return [number, evaluationOf(number, trials)]
    .map(trial => join(trialDirectory(studyDirectory, trial), file))
    .find(path => existsSync(path));
}
