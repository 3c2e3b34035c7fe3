import { fitYeoJohnson, standardize, yeoJohnson } from '../../maths/power-transform.ts';
import type { Ladder, Observation } from '../sampler.ts';

/** A trial and its losses at the levels, the last one being that of a full evaluation; undefined where it has not been. */
export interface Member {
  readonly observation: Observation;
  readonly values: readonly (number | undefined)[];
}

export interface Levels {
  /** The step of each level; the last one is that of a full evaluation. */
  readonly steps: readonly number[];
  readonly members: readonly Member[];
}

/** Rungs without those that every training passes between two reports. */
function usedSteps(observations: readonly Observation[], { steps, maxSteps }: Ladder): readonly number[] {
  return steps.filter((step, i) => {
    const next = steps[i + 1] ?? maxSteps;
    const isPassed = observations.some(o => o.last !== undefined && o.last.step >= next);
    return !isPassed || observations.some(o => o.reports.some(r => r.step >= step && r.step < next));
  });
}

/** What the trials have shown so far, level by level, on one scale. */
export function levelsOf(observations: readonly Observation[], ladder: Ladder): Levels {
  const steps = usedSteps(observations, ladder);
  const raw = observations.flatMap((observation): Member[] => {
    const { reports, kind, losses } = observation;
    const values = [
      ...steps.map(s => reports.find(r => r.step >= s)?.losses[0]),
      kind === 'complete' ? losses[0] : undefined,
    ];
    return values.some(v => v !== undefined) || kind === 'failed' ? [{ observation, values }] : [];
  });
  const scale = commonScale(raw.map(m => m.values));
  const members = raw.map(m => ({ ...m, values: m.values.map(v => (v === undefined ? undefined : scale(v))) }));
  return { steps: [...steps, ladder.maxSteps], members };
}

/**
 * One scale for the losses of all levels, with tails pulled in so that lines between levels are nearly straight: a power
 * transform fitted to all of them, with mean 0 and deviation 1 at the first level.
 */
function commonScale(rows: readonly (readonly (number | undefined)[])[]): (v: number) => number {
  const pooled = rows.flatMap(r => r.filter(v => v !== undefined));
  const raw = momentsOf(pooled);
  const lambda = fitYeoJohnson(standardize(pooled));
  const power = (v: number): number => yeoJohnson((v - raw.mean) / raw.deviation, lambda);
  const first = momentsOf(rows.flatMap(r => (r[0] === undefined ? [] : [power(r[0])])));
  return v => (power(v) - first.mean) / first.deviation;
}

function momentsOf(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const n = Math.max(1, values.length);
  const mean = values.reduce((a, b) => a + b, 0) / n;
  return { mean, deviation: Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / n) || 1 };
}
