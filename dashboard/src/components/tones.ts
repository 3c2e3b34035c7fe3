import type { Alert, ModelSummary, Outcome, StudyState, TrialPhase, VersionState } from '@holdfast/api';
import type { Tone } from './badge.tsx';

export const watchTone: Readonly<Record<ModelSummary['drift'], Tone>> = {
  stable: 'good',
  breached: 'bad',
  undecided: 'quiet',
  unwatched: 'quiet',
};

export const stateTone: Readonly<Record<VersionState, Tone>> = {
  ready: 'good',
  loading: 'quiet',
  unloaded: 'quiet',
  quarantined: 'bad',
  failed: 'bad',
};

export const outcomeTone: Readonly<Record<Outcome, Tone>> = { stable: 'good', breached: 'bad', undecided: 'quiet' };

export function alertTone(alert: Alert): Tone {
  if (alert.state === 'resolved') return 'good';
  if (alert.state === 'pending') return 'warn';
  return 'bad';
}

export const studyTone: Readonly<Record<StudyState, Tone>> = {
  waiting: 'quiet',
  running: 'good',
  stopped: 'warn',
  finished: 'good',
};

export const trialTone: Readonly<Record<TrialPhase, Tone>> = {
  waiting: 'quiet',
  running: 'warn',
  paused: 'quiet',
  complete: 'good',
  pruned: 'quiet',
  failed: 'bad',
  lost: 'bad',
};
