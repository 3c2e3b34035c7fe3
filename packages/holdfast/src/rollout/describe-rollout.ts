import type { Rollout } from '@holdfast/api';
import { answeredShare, type RolloutState } from './rollout-state.ts';
import type { RolloutOrder } from './rollout-store.ts';
import { type RunningRollout, releaseOf } from './running-rollout.ts';

/** Where it stands, for the sentence of a refusal. */
export function phraseOf({ state }: RunningRollout): string {
  return state.pausedFor === null ? state.phase : `${state.phase} (${state.pausedFor})`;
}

/** A rollout as the API tells it. */
export function describeRollout(
  order: RolloutOrder,
  state: RolloutState,
  endedAtMs: number | null,
  running: RunningRollout | undefined,
): Rollout {
  return {
    model: order.model,
    id: order.id,
    release: releaseOf(order.id),
    champion: order.champion,
    challenger: order.challenger,
    phase: state.phase,
    pausedFor: state.pausedFor,
    step: state.step,
    steps: [...order.steps],
    plan: order.plan,
    percent: answeredShare(state, order.steps),
    stepStartedMs: state.stepStartedMs,
    startedAtMs: order.startedAtMs,
    endedAtMs,
    actor: order.actor,
    reason: order.reason,
    alpha: order.spec.judge.alpha,
    onNoVerdict: order.spec.judge.onNoVerdict,
    decision: running?.decision ?? null,
  };
}
