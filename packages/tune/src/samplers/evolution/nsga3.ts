import { createRng } from '@holdfast/stats';
import { TuneFault } from '../../fault.ts';
import { divisionsFor, referenceDirections } from '../../maths/reference-directions.ts';
import { quasiRandom } from '../quasi-random.ts';
import { drawAccepted, type Observation, type Sampler } from '../sampler.ts';
import { constrainedFronts, frontLosses } from './fronts.ts';
import { Generations } from './generations.ts';
import { fillNiches, nearestDirection, normalizeLosses } from './niching.ts';
import { checkPopulation, type NsgaOptions } from './nsga2.ts';
import { checkVariation, childOf } from './variation.ts';

export interface Nsga3Options extends NsgaOptions {
  /**
   * Divisions of every axis of the simplex that the reference directions fill.
   * @default as many as give no more directions than the population has members
   */
  readonly divisions?: number;
}

/** The best fronts, and of the front that does not fit entirely the members that reference lines still lack. */
export function survivorsByNiche(
  candidates: readonly Observation[],
  count: number,
  divisions: number | undefined,
): readonly Observation[] {
  const kept: Observation[] = [];
  for (const front of constrainedFronts(candidates)) {
    const room = count - kept.length;
    if (front.length <= room) kept.push(...front);
    else {
      kept.push(...partOfFront(kept, front, room, divisions));
      break;
    }
  }
  return kept;
}

function partOfFront(
  kept: readonly Observation[],
  front: readonly Observation[],
  room: number,
  divisions: number | undefined,
): readonly Observation[] {
  const objectives = frontLosses(front[0]!).length;
  const whole = [...kept, ...front];
  if (room <= 0 || objectives === 0 || whole.some(o => frontLosses(o).length !== objectives))
    return front.slice(0, Math.max(0, room));
  const directions = referenceDirections(objectives, divisions ?? divisionsFor(objectives, kept.length + room));
  const places = normalizeLosses(whole.map(frontLosses)).map(row => nearestDirection(row, directions));
  // The draws of a selection depend on its members alone, so that a restored study selects the same ones.
  const rng = createRng(whole.reduce((hash, o) => (hash * 31 + o.number + 1) % 2 ** 48, 17));
  return fillNiches(places.slice(0, kept.length), places.slice(kept.length), room, rng).map(i => front[i]!);
}

/**
 * NSGA-III: as NSGA-II, but the last front is thinned out along evenly spread reference directions instead of by
 * crowding, which keeps a front of three and more objectives evenly covered.
 *
 * Deb & Jain, An evolutionary many-objective optimization algorithm using reference-point-based nondominated sorting
 * approach, IEEE TEC 18 (2014); Jain & Deb, part II (constraints).
 */
export function nsga3(options: Nsga3Options = {}): Sampler {
  const size = checkPopulation(options.populationSize ?? 50);
  checkVariation(options);
  const { divisions } = options;
  if (divisions !== undefined && !(Number.isInteger(divisions) && divisions >= 1))
    throw new TuneFault('bad_option', 'divisions', 'must be a whole number from 1');
  const design = quasiRandom();
  const generations = new Generations(size, (candidates, count) => survivorsByNiche(candidates, count, divisions));
  return {
    name: 'nsga-iii',
    propose(context) {
      const parents = generations.parents(context.observations);
      if (parents === undefined || parents.length === 0) return design.propose(context);
      const { space, rng } = context;
      // Survivors are equals here: only feasibility decides a tournament.
      const parent = (): Observation => {
        const [a, b] = [rng.pick(parents), rng.pick(parents)];
        return b.violation < a.violation ? b : a;
      };
      return drawAccepted(context, () => childOf(space, [parent().point, parent().point], rng, options));
    },
    save: () => [design.save(), generations.save()],
    load(state) {
      if (!Array.isArray(state)) return;
      design.load(state[0] ?? null);
      generations.load(state[1] ?? null);
    },
  };
}
