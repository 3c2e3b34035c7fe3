import type { Verdict } from '@holdfast/api';

/** What a monitor found about one subject of a window, before it is given its place and number. */
export type Finding = Pick<
  Verdict,
  | 'monitor'
  | 'subject'
  | 'outcome'
  | 'because'
  | 'test'
  | 'statistic'
  | 'pValue'
  | 'effectName'
  | 'effect'
  | 'threshold'
  | 'baselineRows'
  | 'windowRows'
  | 'falseAlarmRate'
  | 'sentence'
> & {
  /** Whether the subject is an input or an output column; null when it is no column. */
  readonly role: 'input' | 'output' | null;
};

/** The parts of a finding that say nothing when a monitor could not tell. */
export const undecidedParts = {
  outcome: 'undecided',
  statistic: null,
  pValue: null,
  effect: null,
  threshold: null,
  falseAlarmRate: null,
} as const;
