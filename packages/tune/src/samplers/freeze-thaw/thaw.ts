import { least } from '../../maths/extremes.ts';
import type { Json } from '../../study/trial.ts';
import { expectedImprovement } from '../gp/expected-improvement.ts';
import { maximizeAcquisition, toInput } from '../gp/search.ts';
import { Surrogates } from '../gp/surrogates.ts';
import { quasiRandom } from '../quasi-random.ts';
import type { Observation, ProposalContext, Sampler } from '../sampler.ts';
import { Chain, type Forecast } from './chain.ts';
import { type Levels, levelsOf } from './levels.ts';
import { improvementRate } from './rate.ts';

/** Trials that have reported before anything is modelled. */
const fewestShown = 3;

interface Standing extends Forecast {
  readonly trial: Observation;
}

/**
 * Chooses between a new configuration and going on with a paused one: whichever promises the most improvement of the
 * final loss per step of training, given that it is stopped again at every rung that disappoints. Losses at all rungs
 * are modelled together, see `Chain`. Trials under way count with their predicted loss. One objective.
 *
 * Swersky, Snoek & Adams, Freeze-thaw Bayesian optimization, arXiv:1406.3896 (2014); Wistuba, Kadra & Grabocka, DyHPO,
 * NeurIPS 2022.
 */
export class FreezeThaw implements Sampler {
  readonly name = 'freeze-thaw';
  readonly #design = quasiRandom();
  readonly #surrogates = new Surrogates();

  propose(context: ProposalContext): ReturnType<Sampler['propose']> {
    const { ladder, observations, space } = context;
    const startup = Math.min(8, Math.max(5, space.size + 1));
    if (!ladder || observations.length < startup) return this.#design.propose(context);
    const levels = levelsOf(observations, ladder);
    if (levels.members.filter(m => m.values[0] !== undefined).length < fewestShown)
      return this.#design.propose(context);
    const chain = new Chain(context, levels, this.#surrogates);
    const underWay = standingsOf(levels, chain, context);
    const best = bestLoss(levels, underWay, ladder.paused);
    let top: { readonly resume: number; readonly rate: number } | undefined;
    for (const { trial, mean, stages } of underWay) {
      if (!ladder.paused.has(trial.number)) continue;
      const rate = improvementRate(best - mean, stages);
      if (top === undefined || rate > top.rate) top = { resume: trial.number, rate };
    }
    const fresh = maximizeAcquisition(expectedImprovement(chain, best), context, {
      candidates: 400,
      starts: 4,
      around: [...underWay]
        .sort((a, b) => a.mean - b.mean)
        .slice(0, 5)
        .map(s => s.trial.point),
    });
    if (!fresh) return top ? { resume: top.resume } : this.#design.propose(context);
    if (!top) return fresh;
    const { mean, stages } = chain.forecast(toInput(space, fresh));
    return top.rate > improvementRate(best - mean, stages) ? { resume: top.resume } : fresh;
  }

  save(): Json {
    return [this.#design.save(), this.#surrogates.save()];
  }

  load(state: Json): void {
    const [design = null, surrogates = null] = Array.isArray(state) ? (state as readonly Json[]) : [];
    this.#design.load(design);
    this.#surrogates.load(surrogates);
  }
}

/** Trials paused or under way, with what is expected of them. */
function standingsOf({ members }: Levels, chain: Chain, { space }: ProposalContext): readonly Standing[] {
  return members.flatMap(({ observation: trial, values }): Standing[] => {
    const level = values.findLastIndex(v => v !== undefined);
    const value = values[level];
    if (trial.kind !== 'pending' || value === undefined) return [];
    return [{ trial, ...chain.forecast(toInput(space, trial.point), { level, value }) }];
  });
}

/** The lowest loss of feasible complete trials and those running; before there is any, the lowest that is expected. */
function bestLoss({ members }: Levels, underWay: readonly Standing[], paused: ReadonlySet<number>): number {
  const complete = members.flatMap(({ observation: { kind, violation }, values }) =>
    kind === 'complete' && violation === 0 ? [values.at(-1) ?? Number.POSITIVE_INFINITY] : [],
  );
  const running = underWay.filter(s => !paused.has(s.trial.number)).map(s => s.mean);
  const known = least([...complete, ...running]);
  return Number.isFinite(known) ? known : least(underWay.map(s => s.mean));
}
