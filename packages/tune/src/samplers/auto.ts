import type { Json } from '../study/trial.ts';
import { fewestForAxes } from './coordinate-start.ts';
import { FreezeThaw } from './freeze-thaw/thaw.ts';
import { gp } from './gp/gp.ts';
import { incumbentOf, LocalFinish, movableDimensions } from './local-finish.ts';
import type { ProposalContext, Sampler } from './sampler.ts';
import { tpe } from './tpe.ts';

/** Trials before the first local step: below, the models still learn more from a global proposal. */
function firstLocalStep({ space, observations }: ProposalContext): number {
  const incumbent = incumbentOf(observations);
  const numbers = incumbent ? movableDimensions(space, incumbent.point).length : 0;
  // A start along the axes leaves just what a first slope takes.
  return numbers >= fewestForAxes ? numbers + 3 : Math.max(20, 2 * space.size + 6);
}

const shortestPause = 4;
const longestPause = 16;

/** When local steps were last taken, and how long to leave the floor to the model after one that did not improve. */
interface Turns {
  readonly lastLocal: number;
  readonly pause: number;
  /** Whether the last proposal was a local step. */
  readonly wasLocal: boolean;
}

const firstTurns: Turns = { lastLocal: 0, pause: shortestPause, wasLocal: false };

function isTurns(saved: unknown): saved is Turns {
  return typeof saved === 'object' && saved !== null && 'lastLocal' in saved && 'pause' in saved && 'wasLocal' in saved;
}

/**
 * The default: chooses by the study and switches as it goes.
 *
 * - One objective: a Gaussian process proposes. Every fourth trial, and each one as long as it improves, is a local step
 *   around the best trial; steps that do not improve come less and less often, down to every sixteenth trial, and four
 *   times as often in the last tenth of a known budget.
 * - Two or three objectives: the Gaussian process by expected hypervolume, every fourth trial grouped TPE.
 * - One objective and a pruner that leaves it to the sampler who goes on (`freezeThaw`): the Gaussian processes of all
 *   rungs choose between new and paused trials.
 * - More objectives, or a define-by-run space: grouped TPE.
 */
export function auto(): Sampler {
  const model = gp();
  const finish = new LocalFinish();
  const tree = tpe({ mode: 'group' });
  const thaw = new FreezeThaw();
  let turns = firstTurns;
  const isLocalTurn = (context: ProposalContext): boolean => {
    if (context.observations.length < firstLocalStep(context)) return false;
    const improved = finish.lastImproved(context.observations);
    if (turns.wasLocal) turns = { ...turns, pause: improved ? shortestPause : Math.min(longestPause, turns.pause + 2) };
    if (turns.wasLocal && improved) return true;
    const isLate = context.number >= 0.9 * (context.plannedTrials ?? Number.POSITIVE_INFINITY);
    return context.number - turns.lastLocal >= (isLate ? turns.pause / 4 : turns.pause);
  };
  return {
    name: 'auto',
    thaws: (objectives, space) => objectives === 1 && !space.isOpen,
    propose(context) {
      if (context.objectives > 3 || context.space.isOpen) return tree.propose(context);
      if (context.objectives > 1) return (context.number % 4 === 3 ? tree : model).propose(context);
      if (context.ladder) return thaw.propose(context);
      const local = isLocalTurn(context) ? finish.propose(context) : undefined;
      turns = local ? { ...turns, lastLocal: context.number, wasLocal: true } : { ...turns, wasLocal: false };
      return local ?? model.propose(context);
    },
    save: (): Json => [model.save(), finish.save(), { ...turns }, thaw.save()],
    load(state) {
      if (!Array.isArray(state)) return;
      const [forModel = null, forFinish = null, saved, forThaw = null] = state as readonly Json[];
      model.load(forModel);
      finish.load(forFinish);
      thaw.load(forThaw);
      turns = isTurns(saved) ? saved : firstTurns;
    },
  };
}
