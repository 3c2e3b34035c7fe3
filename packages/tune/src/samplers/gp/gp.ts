import { TuneFault } from '../../fault.ts';
import { fitYeoJohnson, standardize, yeoJohnson } from '../../maths/power-transform.ts';
import type { Point, Space } from '../../space/space.ts';
import type { Json } from '../../study/trial.ts';
import { withEstimates } from '../estimate-final.ts';
import { quasiRandom } from '../quasi-random.ts';
import type { Observation, ProposalContext, Sampler } from '../sampler.ts';
import { logExpectedImprovement, logImprovement, logImprovementSlope } from './acquisition.ts';
import { fitHyper } from './fit.ts';
import { defaultHyper, fromVector, type Hyper, type KernelShape, toVector } from './kernel.ts';
import { GaussianProcess } from './model.ts';
import { type Acquisition, maximizeAcquisition, toInput } from './search.ts';

export interface GpOptions {
  /** Quasi-random trials before the model takes over. @default dimensions + 1, from 5 to 12 */
  readonly startupTrials?: number;
  /** Trials the model is conditioned on: the best, the newest and a spread of the others. @default 200 */
  readonly maxPoints?: number;
  /** Points scored before the local searches. @default 400 */
  readonly candidates?: number;
  /** Local searches of the acquisition function. @default 4 */
  readonly starts?: number;
}

/** Hyper-parameters as they were last fitted. */
interface Fitted {
  hyper: Hyper;
  trials: number;
}

/**
 * Gaussian-process optimisation: ARD Matern-5/2 with an additive part and a quadratic trend, values normalised by a power
 * transform, hyper-parameters by maximum a posteriori, and log expected improvement maximised by quasi-Newton and
 * coordinate searches. Conditional parameters take part: absent ones sit at a neutral place, so branches share what
 * they have in common. Trials under way count with their predicted value. One objective.
 *
 * Ament et al., NeurIPS 2023 (log-EI); Hvarfner et al., ICML 2024 (prior); Cowen-Rivers et al., HEBO, JAIR 2022 (warping).
 */
export function gp(options: GpOptions = {}): Sampler {
  const { maxPoints = 200, candidates = 400, starts = 4 } = options;
  if (!(maxPoints >= 10)) throw new TuneFault('bad_option', 'maxPoints', 'must be at least 10');
  const design = quasiRandom();
  let fitted: Fitted | undefined;
  return {
    name: 'gp',
    propose(context) {
      if (context.objectives !== 1) throw new TuneFault('unsupported_space', 'gp', 'it takes one objective');
      const known = withEstimates(context.observations);
      const finished = context.observations.filter(o => o.kind === 'complete');
      const startup = options.startupTrials ?? Math.min(12, Math.max(5, context.space.size + 1));
      if (finished.length < Math.min(startup, known.length + 1) || finished.length < 2) return design.propose(context);
      const chosen = selectForModel(known, maxPoints, context);
      const y = modelValues(chosen);
      const shape = shapeOf(context.space);
      const inputs = chosen.map(o => toInput(context.space, o.point));
      fitted = refit(fitted, inputs, y, shape, known.length);
      return maximizeAcquisition(expectedImprovement(conditioned(inputs, y, shape, fitted.hyper, context)), context, {
        candidates,
        starts,
        around: bestPoints(finished, 5),
      });
    },
    save: (): Json => [design.save(), fitted ? { hyper: [...toVector(fitted.hyper)], trials: fitted.trials } : null],
    load(state) {
      const [inner = null, saved = null] = state as readonly [Json?, { hyper: number[]; trials: number }?];
      design.load(inner);
      fitted = saved === null ? undefined : { hyper: fromVector(Float64Array.from(saved.hyper)), trials: saved.trials };
    },
  };
}

export function shapeOf(space: Space): KernelShape {
  return { isCategory: space.dimensions.map(d => d.domain.kind === 'category') };
}

export function bestPoints(finished: readonly Observation[], count: number): Point[] {
  return [...finished]
    .sort((a, b) => a.violation - b.violation || a.losses[0]! - b.losses[0]!)
    .slice(0, count)
    .map(o => o.point);
}

/** All of them, or the best half, the newest quarter and random others. */
function selectForModel(
  known: readonly Observation[],
  limit: number,
  { rng }: ProposalContext,
): readonly Observation[] {
  if (known.length <= limit) return known;
  const byLoss = [...known].sort((a, b) => (a.losses[0] ?? Infinity) - (b.losses[0] ?? Infinity));
  const chosen = new Set(byLoss.slice(0, Math.floor(limit / 2)));
  for (const o of known.slice(-Math.floor(limit / 4))) chosen.add(o);
  while (chosen.size < limit) chosen.add(known[rng.int(known.length)]!);
  return known.filter(o => chosen.has(o));
}

/** Losses as the model sees them: failures as bad as the worst, tails pulled in, mean 0 and deviation 1. */
export function modelValues(chosen: readonly Observation[]): Float64Array {
  const finite = chosen.filter(o => o.kind === 'complete').map(o => o.losses[0]!);
  const worst = Math.max(...finite);
  const raw = standardize(chosen.map(o => (o.kind === 'complete' ? o.losses[0]! : worst)));
  const lambda = fitYeoJohnson(raw);
  return standardize(raw.map(v => yeoJohnson(v, lambda)));
}

/**
 * Fits anew while data is scarce, then whenever it has grown by an eighth: the cubic cost so stays bounded over a study.
 */
function refit(
  last: Fitted | undefined,
  inputs: readonly Float64Array[],
  y: Float64Array,
  shape: KernelShape,
  trials: number,
): Fitted {
  const d = shape.isCategory.length;
  if (last && last.hyper.logW.length === d && trials < Math.max(last.trials + 1, Math.ceil(last.trials * 1.125 - 3)))
    return last;
  const iterations = inputs.length < 60 ? 30 : 15;
  const fresh = defaultHyper(d);
  const warm = fitHyper(inputs, y, shape, last && last.hyper.logW.length === d ? last.hyper : fresh, iterations);
  if (!last || inputs.length > 120) return { hyper: warm.hyper, trials };
  const cold = fitHyper(inputs, y, shape, fresh, iterations);
  return { hyper: cold.value < warm.value ? cold.hyper : warm.hyper, trials };
}

/** The process given all finished trials and, at their predicted values, the ones under way. */
function conditioned(
  inputs: readonly Float64Array[],
  y: Float64Array,
  shape: KernelShape,
  hyper: Hyper,
  context: ProposalContext,
): GaussianProcess {
  const model = new GaussianProcess(inputs, y, shape, hyper);
  const pending = context.observations
    .filter(o => o.kind === 'pending' && o.last === undefined)
    .map(o => toInput(context.space, o.point));
  if (pending.length === 0) return model;
  const believed = pending.map(x => model.predict(x).mean);
  return new GaussianProcess([...inputs, ...pending], Float64Array.from([...y, ...believed]), shape, hyper);
}

/** Log expected improvement over the lowest posterior mean. */
export function expectedImprovement(model: GaussianProcess): Acquisition {
  const best = model.lowestMean();
  const { size } = model;
  const dMean = new Float64Array(size);
  const dVariance = new Float64Array(size);
  return {
    promise: input => -model.predictMean(input),
    value(input) {
      const { mean, variance } = model.predict(input);
      return logExpectedImprovement(mean, variance, best);
    },
    valueWithGradient(input, gradient) {
      const { mean, variance } = model.predictWithGradient(input, dMean, dVariance);
      const sigma = Math.sqrt(variance + 1e-12);
      const z = (best - mean) / sigma;
      const slope = logImprovementSlope(z);
      for (let i = 0; i < size; i++) {
        const dSigma = dVariance[i]! / (2 * sigma);
        gradient[i] = slope * ((-dMean[i]! - z * dSigma) / sigma) + dSigma / sigma;
      }
      return logImprovement(z) + Math.log(sigma);
    },
  };
}
