import type { StudyDetail, Trial } from '@holdfast/api';
import { format, messages } from '../../app/language.ts';
import type { Objectives, StudyParameter } from '../../charts/study-data.ts';
import type { PointTone } from '../../charts/xy-chart.tsx';

/** What every chart of a study is drawn from. */
export interface StudyContext {
  readonly detail: StudyDetail;
  readonly trials: readonly Trial[];
  readonly parameters: readonly StudyParameter[];
  readonly objectives: Objectives;
  /** Index of the objective that charts of one value show. */
  readonly objective: number;
  /** Numbers of trials that are compared. */
  readonly chosen: ReadonlySet<number>;
  readonly onChoose: (number: number) => void;
}

/** How a trial's point looks among the others. */
export function toneOf(context: StudyContext, trial: Trial): PointTone {
  if (context.detail.best.includes(trial.number)) return 'best';
  if (trial.state === 'failed') return 'bad';
  return trial.state === 'complete' ? 'plain' : 'faint';
}

/** A trial in a line: number, values, parameters. */
export function describeTrial(context: StudyContext, trial: Trial): string {
  const f = format.value;
  const values = context.objectives.map(({ name }, i) => {
    const value = trial.values?.[i];
    return value === undefined ? '' : `${name} ${f.metric(value)}`;
  });
  const params = Object.entries(trial.params).map(([name, value]) => `${name} ${shown(value)}`);
  return [messages.value.study.trial(trial.number), ...values.filter(text => text !== ''), ...params].join(' · ');
}

/** A parameter's value as it is read: numbers with five digits. */
export function shown(value: string | number | boolean | null | undefined): string {
  if (value === undefined) return '–';
  return typeof value === 'number' ? String(Number(value.toPrecision(5))) : String(value);
}
