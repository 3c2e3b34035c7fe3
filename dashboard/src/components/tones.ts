import type { Alert, ModelSummary, Outcome, VersionState } from '@holdfast/api';
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
