import type { Observation } from '../samplers/sampler.ts';
import type { Space } from '../space/space.ts';
import type { Objective, TrialRecord } from './trial.ts';

/** Values turned so that less is better. */
export function toLosses(values: readonly number[], objectives: readonly Objective[]): readonly number[] {
  return values.map((v, i) => (objectives[i]!.direction === 'maximize' ? -v : v));
}

/** Sum of what exceeds 0; 0 when every constraint is met. */
export function violationOf(constraints: readonly number[] | undefined): number {
  let sum = 0;
  for (const c of constraints ?? []) if (c > 0) sum += c;
  return sum;
}

function kindOf(trial: TrialRecord): Observation['kind'] | undefined {
  switch (trial.state) {
    case 'complete':
    case 'pruned':
    case 'failed':
      return trial.state;
    case 'waiting':
    case 'running':
    case 'paused':
      return 'pending';
    case 'lost':
      return undefined;
    default:
      return trial.state satisfies never;
  }
}

/** The sampler's view of the trials, rebuilt only where a trial has changed. */
export class ObservationCache {
  #space: Space;
  #objectives: readonly Objective[];
  #known = new Map<number, { readonly revision: number; readonly observation: Observation | undefined }>();

  constructor(space: Space, objectives: readonly Objective[]) {
    this.#space = space;
    this.#objectives = objectives;
  }

  /** Forgets everything: the space has changed. */
  reset(space: Space): void {
    this.#space = space;
    this.#known.clear();
  }

  view(trials: readonly TrialRecord[]): readonly Observation[] {
    const out: Observation[] = [];
    for (const trial of trials) {
      let entry = this.#known.get(trial.number);
      if (entry?.revision !== trial.revision) {
        entry = { revision: trial.revision, observation: this.#observe(trial) };
        this.#known.set(trial.number, entry);
      }
      if (entry.observation) out.push(entry.observation);
    }
    return out;
  }

  #observe(trial: TrialRecord): Observation | undefined {
    const kind = kindOf(trial);
    const point = kind === undefined ? undefined : this.#space.toPoint(trial.params);
    if (kind === undefined || point === undefined) return undefined;
    const reports = trial.reports.map(r => ({ step: r.step, losses: toLosses(r.values, this.#objectives) }));
    return {
      number: trial.number,
      kind,
      point,
      losses: kind === 'complete' ? toLosses(trial.values ?? [], this.#objectives) : [],
      violation: violationOf(trial.constraints),
      constraints: trial.constraints ?? [],
      last: reports.at(-1),
      reports,
    };
  }
}
