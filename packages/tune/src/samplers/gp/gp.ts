import { TuneFault } from '../../fault.ts';
import { least } from '../../maths/extremes.ts';
import type { Point } from '../../space/space.ts';
import type { Json } from '../../study/trial.ts';
import { coordinateStart, fewestForAxes } from '../coordinate-start.ts';
import { learnable } from '../estimate-final.ts';
import { byCrowding } from '../evolution/nsga2.ts';
import { incumbentOf, movableDimensions } from '../local-finish.ts';
import { quasiRandom } from '../quasi-random.ts';
import type { Observation, ProposalContext, Sampler } from '../sampler.ts';
import { expectedImprovement } from './expected-improvement.ts';
import { withFeasibility } from './feasibility.ts';
import { hypervolumeImprovement } from './hypervolume-improvement.ts';
import { lowerBound } from './lower-bound.ts';
import type { GaussianProcess } from './model.ts';
import { type Acquisition, maximizeAcquisition, toInput } from './search.ts';
import { constraintValues, modelValues, Surrogates, selectForModel } from './surrogates.ts';
import { type Region, trustRegion } from './trust-region.ts';

export interface GpOptions {
  /**
   * Quasi-random trials before the model takes over. @default dimensions + 1, from 5 to 8; with six numbers or more and
   * one objective, one trial along the axis of each instead
   */
  readonly startupTrials?: number;
  /** Trials the model is conditioned on: the best, the newest and a spread of the others. @default 200 */
  readonly maxPoints?: number;
  /** Points scored before the local searches. @default 400 */
  readonly candidates?: number;
  /** Local searches of the acquisition function. @default 4 */
  readonly starts?: number;
  /**
   * Look for the next trial only within a region around the best one that grows and shrinks with success (TuRBO). Keeps
   * a search of dozens of parameters out of the corners, at the price of global exploration. One objective. @default false
   */
  readonly trustRegion?: boolean;
}

/** Share of every range, around the best trial, that is searched when the budget is too short for the whole of it. */
const shortSearchSide = 0.35;

/**
 * Gaussian-process optimisation: ARD Matern-5/2 with an additive part and a quadratic trend, values normalised by a power
 * transform, hyper-parameters by maximum a posteriori, and log expected improvement maximised by quasi-Newton and
 * coordinate searches. Conditional parameters take part: absent ones sit at a neutral place, so branches share what
 * they have in common. Trials under way count with their predicted value; where pruners leave few complete trials, the
 * model first learns from the deepest step that enough trials have reached. With several objectives each has a model, and
 * the expected gain in hypervolume is maximised; every told constraint has a model, too, and the probability that all
 * are met is added. Six numbers or more are first tried one after the other; and when the budget is known to be at most ten
 * trials a number, the search stays near the best trial, in its second half by the lower confidence bound.
 *
 * Ament et al., NeurIPS 2023 (log-EI); Hvarfner et al., ICML 2024 (prior); Cowen-Rivers et al., HEBO, JAIR 2022 (warping).
 */
export function gp(options: GpOptions = {}): Sampler {
  const { maxPoints = 200, candidates = 400, starts = 4, trustRegion: trustsRegion = false } = options;
  if (!(maxPoints >= 10)) throw new TuneFault('bad_option', 'maxPoints', 'must be at least 10');
  const design = quasiRandom();
  const surrogates = new Surrogates();
  const regionOf = (
    context: ProposalContext,
    finished: readonly Observation[],
    startup: number,
  ): Region | undefined => {
    if (context.objectives > 1) return undefined;
    if (trustsRegion) return trustRegion(finished, startup, context.space.size);
    const centre = isShortSearch(context) ? incumbentOf(finished)?.point : undefined;
    return centre && { centre, side: shortSearchSide };
  };
  return {
    name: 'gp',
    propose(context) {
      const along =
        options.startupTrials === undefined && context.objectives === 1 ? coordinateStart(context) : undefined;
      if (along) return along;
      const startup = options.startupTrials ?? Math.min(8, Math.max(5, context.space.size + 1));
      const known = learnable(context.observations, startup);
      const finished = known.filter(o => o.kind === 'complete');
      if (finished.length < Math.max(2, startup))
        return (context.observations.length === 0 ? centreOf(context) : undefined) ?? design.propose(context);
      const acquisition = acquisitionOf(context, known, surrogates, maxPoints);
      const region = regionOf(context, finished, startup);
      return maximizeAcquisition(acquisition, context, { candidates, starts, around: bestPoints(finished, 5), region });
    },
    save: (): Json => [design.save(), surrogates.save()],
    load(state) {
      const [inner = null, saved = null] = state as readonly Json[];
      design.load(inner);
      surrogates.load(saved);
    },
  };
}

/** Points to search around: the best ones, or the least crowded of the front. */
function bestPoints(finished: readonly Observation[], count: number): Point[] {
  return byCrowding(finished)
    .slice(0, count)
    .map(s => s.trial.point);
}

/**
 * The middle of every range: people choose ranges around what they expect. Categories are drawn. `undefined` when a
 * known constraint forbids it.
 */
function centreOf({ space, rng, accepts }: ProposalContext): Point | undefined {
  const point = Float64Array.from(space.dimensions, ({ domain }) =>
    domain.kind === 'category' ? rng.int(domain.count) : 0.5,
  );
  const settled = space.settle(point, rng);
  return accepts(settled) ? settled : undefined;
}

/** What is maximised: improvement (of the value or the hypervolume) times the probability that the constraints hold. */
function acquisitionOf(
  context: ProposalContext,
  known: readonly Observation[],
  surrogates: Surrogates,
  maxPoints: number,
): Acquisition {
  const chosen = selectForModel(known, maxPoints, context);
  const inputs = chosen.map(o => toInput(context.space, o.point));
  const models = Array.from({ length: context.objectives }, (_, k) =>
    surrogates.condition(k, { inputs, values: modelValues(chosen, k), known: known.length }, context),
  );
  const limits = constraintModels(context, chosen, surrogates);
  if (limits.length === 0)
    return isShortSearch(context) && isLate(context) ? lowerBound(models[0]!) : improvement(models, chosen);
  const anyFeasible = chosen.some(o => o.kind === 'complete' && o.violation === 0);
  return withFeasibility(limits, anyFeasible ? improvement(models, chosen) : undefined);
}

/** Whether a known budget is too short to learn about all of many dimensions. */
function isShortSearch({ space, observations, objectives, plannedTrials }: ProposalContext): boolean {
  const incumbent = incumbentOf(observations);
  if (objectives > 1 || plannedTrials === undefined || !incumbent) return false;
  const numbers = movableDimensions(space, incumbent.point).length;
  return numbers >= fewestForAxes && plannedTrials <= 10 * numbers;
}

function isLate({ number, plannedTrials = Number.POSITIVE_INFINITY }: ProposalContext): boolean {
  return number > plannedTrials / 2;
}

/** Improvement over the feasible trials; trials under way count as feasible. */
function improvement(models: readonly GaussianProcess[], chosen: readonly Observation[]): Acquisition {
  const means = models.map(m => m.fittedMeans());
  const counts = [...means[0]!.keys()].filter(i => {
    const o = chosen[i];
    return o === undefined || (o.kind === 'complete' && o.violation === 0);
  });
  if (models.length === 1) return expectedImprovement(models[0]!, least(counts.map(i => means[0]![i]!)));
  return hypervolumeImprovement(
    models,
    counts.map(i => means.map(m => m[i]!)),
  );
}

/** One model a constraint, from the trials that told as many constraints as the newest that told any. */
function constraintModels(
  context: ProposalContext,
  chosen: readonly Observation[],
  surrogates: Surrogates,
): readonly GaussianProcess[] {
  const count = chosen.findLast(o => o.constraints.length > 0)?.constraints.length ?? 0;
  const told = chosen.filter(o => o.constraints.length === count);
  const inputs = told.map(o => toInput(context.space, o.point));
  return Array.from({ length: count }, (_, c) =>
    surrogates.condition(
      context.objectives + c,
      { inputs, values: constraintValues(told.map(o => o.constraints[c]!)), known: told.length },
      context,
    ),
  );
}
