import { TuneFault } from '../../fault.ts';
import { crowdingDistances } from '../../maths/domination.ts';
import type { Rng } from '../../rng.ts';
import { quasiRandom } from '../quasi-random.ts';
import { drawAccepted, type Observation, type Sampler } from '../sampler.ts';
import { constrainedFronts, frontLosses } from './fronts.ts';
import { Generations } from './generations.ts';
import { checkVariation, childOf, type VariationOptions } from './variation.ts';

export interface NsgaOptions extends VariationOptions {
  /** Trials a generation. @default 50 */
  readonly populationSize?: number;
}

export function checkPopulation(populationSize: number): number {
  if (!Number.isInteger(populationSize) || populationSize < 2)
    throw new TuneFault('bad_option', 'populationSize', 'must be a whole number from 2');
  return populationSize;
}

/** Standing of a trial within its population: the front first, then how much room it has there. */
interface Standing {
  readonly trial: Observation;
  readonly front: number;
  readonly crowding: number;
}

/** Every trial with its standing, best first. */
export function byCrowding(candidates: readonly Observation[]): readonly Standing[] {
  return constrainedFronts(candidates).flatMap((members, front) => {
    const distances = crowdingDistances(members.map(frontLosses));
    return members
      .map((trial, i): Standing => ({ trial, front, crowding: distances[i] ?? 0 }))
      .sort((a, b) => (a.crowding === b.crowding ? a.trial.number - b.trial.number : b.crowding - a.crowding));
  });
}

/** The better of two at random: the lower front, then the less crowded. The list is in that order already. */
function tournament(standings: readonly Standing[], rng: Rng): Observation {
  const n = standings.length;
  return standings[Math.min(rng.int(n), rng.int(n))]!.trial;
}

/**
 * NSGA-II: a population whose best fronts survive, the least crowded places first; children of tournament winners.
 * Robust for several objectives with any kind of parameter, cheap at any length of history. Constraints by constrained
 * domination; pruned trials take part with their last report. One objective works too.
 *
 * Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE TEC 6 (2002).
 */
export function nsga2(options: NsgaOptions = {}): Sampler {
  const size = checkPopulation(options.populationSize ?? 50);
  checkVariation(options);
  const design = quasiRandom();
  const generations = new Generations(size, (candidates, count) =>
    byCrowding(candidates)
      .slice(0, count)
      .map(s => s.trial),
  );
  return {
    name: 'nsga-ii',
    propose(context) {
      const parents = generations.parents(context.observations);
      if (parents === undefined || parents.length === 0) return design.propose(context);
      const standings = byCrowding(parents);
      const { space, rng } = context;
      return drawAccepted(context, () => {
        const first = tournament(standings, rng).point;
        return childOf(space, [first, tournament(standings, rng).point], rng, options);
      });
    },
    save: () => [design.save(), generations.save()],
    load(state) {
      if (!Array.isArray(state)) return;
      design.load(state[0] ?? null);
      generations.load(state[1] ?? null);
    },
  };
}
