import { TuneFault } from '../fault.ts';
import type { Rng } from '../rng.ts';
import type { Point, Space } from '../space/space.ts';
import { byCrowding } from './evolution/nsga2.ts';
import { drawAccepted, type Observation, type ProposalContext, type Sampler } from './sampler.ts';

export interface AgingOptions {
  /** The newest so many finished trials are the population; as many random ones start it. @default 10 */
  readonly populationSize?: number;
  /** Members drawn for each tournament, whose best becomes the parent. @default 3 */
  readonly sampleSize?: number;
}

/** Parents tried before a child that was seen already is replaced by a random configuration. */
const attempts = 20;

/**
 * Aging (regularised) evolution: a tournament among the newest trials, whose winner is changed in one parameter. The
 * oldest leave whatever their value, so a lucky evaluation cannot rule for ever. Made for architectures and other large
 * discrete spaces. With several objectives the winner is of the first front, and there the least crowded.
 *
 * Real et al., Regularized evolution for image classifier architecture search, AAAI 2019; population and tournament as in
 * NATS-Bench.
 */
export function agingEvolution(options: AgingOptions = {}): Sampler {
  const { populationSize = 10, sampleSize = 3 } = options;
  if (!Number.isInteger(populationSize) || populationSize < 2)
    throw new TuneFault('bad_option', 'populationSize', 'must be a whole number from 2');
  if (!Number.isInteger(sampleSize) || sampleSize < 1 || sampleSize > populationSize)
    throw new TuneFault('bad_option', 'sampleSize', 'must be a whole number from 1 to populationSize');
  return {
    name: 'aging',
    propose(context) {
      const population = context.observations.filter(o => o.kind === 'complete').slice(-populationSize);
      if (population.length < populationSize) return drawAccepted(context, () => context.space.random(context.rng));
      for (let i = 0; i < attempts; i++) {
        const child = mutated(context.space, tournament(population, sampleSize, context).point, context.rng);
        if (context.accepts(child)) return child;
      }
      return drawAccepted(context, () => context.space.random(context.rng));
    },
    save: () => null,
    load: () => {},
  };
}

function tournament(population: readonly Observation[], size: number, { rng }: ProposalContext): Observation {
  const drawn = Array.from(rng.sample(population.length, size), i => population[i]!);
  return byCrowding(drawn)[0]!.trial;
}

/** Another value of one parameter: any other category, a neighbour on a grid, a normal step on a range. */
export function mutated(space: Space, point: Point, rng: Rng): Point {
  const active = [...point.keys()].filter(d => !Number.isNaN(point[d]!) && space.dimensions[d]!.domain.count > 1);
  if (active.length === 0) return point;
  const d = rng.pick(active);
  const { domain } = space.dimensions[d]!;
  const x = point[d]!;
  const changed = point.slice();
  if (domain.kind === 'category') changed[d] = (x + 1 + rng.int(domain.count - 1)) % domain.count;
  else if (Number.isFinite(domain.count)) {
    const here = domain.indexOf(x);
    const goesUp = here === 0 || (here < domain.count - 1 && rng.bernoulli(0.5));
    // One place mostly; a fifth of a long grid at most, so that wide ranges are crossed in a few generations.
    const reach = 1 + rng.int(Math.max(1, Math.round(domain.count / 5)));
    changed[d] = domain.unitAt(Math.min(domain.count - 1, Math.max(0, here + (goesUp ? reach : -reach))));
  } else changed[d] = domain.snap(Math.min(1, Math.max(0, x + 0.15 * rng.normal())));
  return space.settle(changed, rng);
}
