import type { Json } from '../../study/trial.ts';
import type { Observation } from '../sampler.ts';

/** Picks the survivors among parents and their finished children. */
export type Selection = (candidates: readonly Observation[], count: number) => readonly Observation[];

interface State {
  readonly parents: readonly number[];
  /** Trials from this number on are children that no selection has seen. */
  readonly upTo: number;
  /** Earlier trials that were still under way at the last selection. */
  readonly late: readonly number[];
}

function isState(saved: unknown): saved is State {
  return typeof saved === 'object' && saved !== null && 'parents' in saved && 'upTo' in saved && 'late' in saved;
}

/**
 * The generations of an evolutionary sampler. Whoever proposed a trial, it takes part: the first generation is the first
 * `size` finished trials; each later one is selected from the parents and `size` more. Trials that finish late join the
 * generation that is open then, so nobody waits for a slow worker.
 */
export class Generations {
  readonly size: number;
  readonly #select: Selection;
  #state: State | undefined;

  constructor(size: number, select: Selection) {
    this.size = size;
    this.#select = select;
  }

  /** The present parents; `undefined` while the first generation is being filled. */
  parents(observations: readonly Observation[]): readonly Observation[] | undefined {
    const state = this.#state;
    const late = new Set(state?.late);
    const isOpen = (o: Observation): boolean => state === undefined || o.number >= state.upTo || late.has(o.number);
    const children = observations.filter(o => o.kind !== 'pending' && isOpen(o));
    const members = new Set(state?.parents);
    const parents = observations.filter(o => members.has(o.number));
    if (children.length < this.size) return state === undefined ? undefined : parents;
    const survivors = this.#select([...parents, ...children], this.size);
    this.#state = {
      parents: survivors.map(o => o.number),
      upTo: observations.reduce((most, o) => Math.max(most, o.number + 1), 0),
      late: observations.filter(o => o.kind === 'pending').map(o => o.number),
    };
    return survivors;
  }

  save(): Json {
    return this.#state ? { ...this.#state } : null;
  }

  load(saved: Json): void {
    this.#state = isState(saved) ? saved : undefined;
  }
}
