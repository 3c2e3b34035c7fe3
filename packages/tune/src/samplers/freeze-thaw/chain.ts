import { greatest } from '../../maths/extremes.ts';
import type { Predictor } from '../gp/expected-improvement.ts';
import type { GaussianProcess, Posterior } from '../gp/model.ts';
import { toInput } from '../gp/search.ts';
import { type Surrogates, selectForModel } from '../gp/surrogates.ts';
import type { Observation, ProposalContext } from '../sampler.ts';
import type { Levels } from './levels.ts';
import { fitLine, type Link, residualOf } from './link.ts';
import type { Stage } from './rate.ts';

/** Trials the processes are conditioned on at most. */
const maxPoints = 200;

/** What is known about a final loss: its mean, and how far each stage still to come may move it. */
export interface Forecast {
  readonly mean: number;
  readonly stages: readonly Stage[];
}

interface Row {
  readonly observation: Observation;
  readonly value: number;
}

/**
 * Final losses by way of the losses at the rungs: a Gaussian process of the first level, and each further level as a line
 * over the level below plus a Gaussian process of what is left. The slope is measured, so that a level which does not follow
 * from the one below is modelled on its own. Variances are those of losses, noise included: what a configuration does not
 * explain is real and tells about the next level.
 *
 * Kennedy & O'Hagan, Predicting the output from a complex computer code when fast approximations are available,
 * Biometrika 87 (2000); Le Gratiet & Garnier, recursive co-kriging, Int. J. Uncertainty Quantification 4 (2014).
 */
export class Chain implements Predictor {
  readonly size: number;
  readonly #levels: Levels;
  readonly #base: GaussianProcess;
  readonly #links: Link[] = [];

  constructor(context: ProposalContext, levels: Levels, surrogates: Surrogates) {
    this.size = context.space.size;
    this.#levels = levels;
    const firsts = levels.members.flatMap(m => (m.values[0] === undefined ? [] : [m.values[0]]));
    const worst = greatest(firsts);
    const fit = (index: number, rows: readonly Row[]): GaussianProcess => {
      const known = rows.map(r => ({ ...r.observation, kind: 'complete' as const, losses: [r.value] }));
      const chosen = selectForModel(known, maxPoints, context);
      const inputs = chosen.map(o => toInput(context.space, o.point));
      const values = Float64Array.from(chosen, o => o.losses[0]!);
      return surrogates.condition(index, { inputs, values, known: known.length }, context);
    };
    this.#base = fit(
      0,
      levels.members.flatMap(({ observation, values: [first] }): Row[] => {
        // A failed trial counts as the worst one, or the search would go on where trainings fail.
        const value = first ?? (observation.kind === 'failed' ? worst : undefined);
        return value === undefined ? [] : [{ observation, value }];
      }),
    );
    for (let level = 1; level < levels.steps.length; level++) this.#links.push(this.#link(level, context, fit));
  }

  #link(
    level: number,
    { space }: ProposalContext,
    fit: (index: number, rows: readonly Row[]) => GaussianProcess,
  ): Link {
    const pairs = this.#levels.members.flatMap(({ observation, values }) => {
      const loss = values[level];
      if (loss === undefined) return [];
      const below = values[level - 1] ?? this.#meanAt(toInput(space, observation.point), level - 1);
      return [{ observation, below, loss }];
    });
    const line = fitLine(pairs);
    if (pairs.length === 0) return { ...line, residual: undefined };
    const residual = fit(
      level,
      pairs.map(p => ({ observation: p.observation, value: residualOf(line, p) })),
    );
    return { ...line, residual };
  }

  #meanAt(x: Float64Array, level: number): number {
    let mean = this.#base.predictMean(x);
    for (const { intercept, slope, scale, residual } of this.#links.slice(0, level))
      mean = intercept + slope * mean + scale * (residual?.predictMean(x) ?? 0);
    return mean;
  }

  /** From what a trial has shown at its highest level, or from nothing. */
  forecast(x: Float64Array, shown?: { readonly level: number; readonly value: number }): Forecast {
    const { steps } = this.#levels;
    const full = steps.at(-1)!;
    const start = shown?.level ?? -1;
    let mean = shown?.value ?? 0;
    const variances: number[] = [];
    if (!shown) {
      const first = this.#base.predict(x);
      mean = first.mean;
      variances.push(first.variance + this.#base.noise);
    }
    for (const link of this.#links.slice(Math.max(0, start))) {
      const rest = link.residual?.predict(x) ?? { mean: 0, variance: 1 };
      for (let k = 0; k < variances.length; k++) variances[k]! *= link.slope ** 2;
      variances.push(ownVariance(link, mean, rest.variance));
      mean = link.intercept + link.slope * mean + link.scale * rest.mean;
    }
    return {
      mean,
      stages: variances.map((variance, k) => ({
        cost: (steps[start + 1 + k]! - (steps[start + k] ?? 0)) / full,
        deviation: Math.sqrt(variance),
      })),
    };
  }

  predictMean(x: Float64Array): number {
    return this.#meanAt(x, this.#links.length);
  }

  predict(x: Float64Array): Posterior {
    const { mean, stages } = this.forecast(x);
    return { mean, variance: stages.reduce((s, { deviation }) => s + deviation ** 2, 0) };
  }

  predictWithGradient(x: Float64Array, dMean: Float64Array, dVariance: Float64Array): Posterior {
    const m = new Float64Array(this.size);
    const v = new Float64Array(this.size);
    let { mean, variance } = this.#base.predictWithGradient(x, dMean, dVariance);
    variance += this.#base.noise;
    for (const link of this.#links) {
      const { intercept, slope, slopeVariance, pivot, scale, residual } = link;
      const rest = residual?.predictWithGradient(x, m, v) ?? { mean: 0, variance: 1 };
      for (let i = 0; i < this.size; i++) {
        dVariance[i] = slope ** 2 * dVariance[i]! + scale ** 2 * v[i]! + 2 * slopeVariance * (mean - pivot) * dMean[i]!;
        dMean[i] = slope * dMean[i]! + scale * m[i]!;
      }
      variance = slope ** 2 * variance + ownVariance(link, mean, rest.variance);
      mean = intercept + slope * mean + scale * rest.mean;
    }
    return { mean, variance };
  }
}

/** What a level adds to the variance of the mean below, carried up the line. */
function ownVariance({ scale, slopeVariance, pivot, residual }: Link, below: number, variance: number): number {
  return scale ** 2 * (variance + (residual?.noise ?? 0)) + slopeVariance * (below - pivot) ** 2;
}
