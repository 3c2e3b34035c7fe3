import type { ModelSummary } from '@holdfast/api';

/** Two minutes of one pulse per second. */
export const pulsesKept = 120;

/** The last requests-per-second values of each model, oldest first; models that are gone are forgotten. */
export type PulseHistory = ReadonlyMap<string, readonly number[]>;

export function withPulse(history: PulseHistory, models: readonly ModelSummary[]): PulseHistory {
  const next = new Map<string, readonly number[]>();
  for (const model of models) {
    const before = history.get(model.name) ?? [];
    next.set(model.name, [...before.slice(-(pulsesKept - 1)), model.traffic.requestsPerSecond]);
  }
  return next;
}
