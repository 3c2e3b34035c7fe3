import type { Json } from '../study/trial.ts';
import { gp } from './gp/gp.ts';
import { LocalFinish } from './local-finish.ts';
import type { ProposalContext, Sampler } from './sampler.ts';
import { tpe } from './tpe.ts';

/** Trials before the first local step: below, the models still learn more from a global proposal. */
function firstLocalStep({ space }: ProposalContext): number {
  return Math.max(20, 2 * space.size + 6);
}

/**
 * The default: chooses by the study and switches as it goes.
 *
 * - One objective: a Gaussian process proposes, and every fourth trial (and each one as long as it improves) is a local
 *   step around the best trial; the last tenth of a known budget is spent on local steps.
 * - Two or three objectives: the Gaussian process by expected hypervolume, every fourth trial grouped TPE.
 * - More objectives, or a define-by-run space: grouped TPE.
 */
export function auto(): Sampler {
  const model = gp();
  const finish = new LocalFinish();
  const tree = tpe({ mode: 'group' });
  let wasLocal = false;
  const isLocalTurn = (context: ProposalContext): boolean => {
    if (context.observations.length < firstLocalStep(context)) return false;
    if (wasLocal && finish.lastImproved(context.observations)) return true;
    return context.number % 4 === 3 || context.number >= 0.9 * (context.plannedTrials ?? Number.POSITIVE_INFINITY);
  };
  return {
    name: 'auto',
    propose(context) {
      if (context.objectives > 3 || context.space.isOpen) return tree.propose(context);
      if (context.objectives > 1) return (context.number % 4 === 3 ? tree : model).propose(context);
      const local = isLocalTurn(context) ? finish.propose(context) : undefined;
      wasLocal = local !== undefined;
      return local ?? model.propose(context);
    },
    save: (): Json => [model.save(), finish.save(), wasLocal],
    load(state) {
      if (!Array.isArray(state)) return;
      const [forModel = null, forFinish = null, local = false] = state as readonly Json[];
      model.load(forModel);
      finish.load(forFinish);
      wasLocal = local === true;
    },
  };
}
