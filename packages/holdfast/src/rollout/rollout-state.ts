import type { RolloutAction, RolloutDecision, RolloutPhase, RolloutStep } from '@holdfast/api';

/** Where a rollout stands; every change of it is an event in the log. */
export interface RolloutState {
  readonly phase: RolloutPhase;
  readonly pausedFor: 'manual' | 'inconclusive' | null;
  /** Index into the plan. */
  readonly step: number;
  /** The step that `resume` goes on with: this one, or the next when this one is done. */
  readonly resumeStep: number;
  /** Grows whenever the shares change. */
  readonly stage: number;
  /** When the present step began, and when it was last resumed. */
  readonly stepStartedMs: number;
  readonly resumedMs: number;
  /** Time of the step before it was last resumed. */
  readonly elapsedMs: number;
}

export type RolloutInput =
  /** The new version answers its warm-up. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'load-failed'; readonly why: string }
  | { readonly kind: 'decided'; readonly decision: Pick<RolloutDecision, 'kind' | 'sentence'> }
  | { readonly kind: 'act'; readonly action: RolloutAction; readonly reason: string }
  /** Something outside makes going on senseless: the champion moved, the version is in quarantine. */
  | { readonly kind: 'interrupted'; readonly why: string }
  /** The alias points at the new version. */
  | { readonly kind: 'promoted' }
  | { readonly kind: 'promotion-failed'; readonly why: string }
  /** No gateway sends the new version anything. */
  | { readonly kind: 'cleared' };

export interface Transition {
  readonly state: RolloutState;
  readonly reason: string;
}

const finals: ReadonlySet<RolloutPhase> = new Set(['promoted', 'rolled-back', 'failed']);

export function isFinal({ phase }: Pick<RolloutState, 'phase'>): boolean {
  return finals.has(phase);
}

/** Before the version is loaded. */
export function firstState(nowMs: number): RolloutState {
  return {
    phase: 'pending',
    pausedFor: null,
    step: 0,
    resumeStep: 0,
    stage: 0,
    stepStartedMs: nowMs,
    resumedMs: nowMs,
    elapsedMs: 0,
  };
}

/** The shares that a state asks the gateways for. */
export function sharesOf(state: RolloutState, steps: readonly RolloutStep[]) {
  const step = steps[state.step];
  const isLive = ['shadow', 'canary', 'paused', 'promoting'].includes(state.phase);
  if (!isLive || step === undefined) return { answered: 0, copied: 0 };
  if (step.kind === 'shadow') return { answered: 0, copied: step.percent };
  // The last step is reached by moving the alias, not by a share.
  const share = step.percent === 100 ? (steps[state.step - 1]?.percent ?? 0) : step.percent;
  const isShare = step.percent < 100 || steps[state.step - 1]?.kind === 'canary';
  return { answered: isShare ? share : 0, copied: 0 };
}

/** Share of the requests that the new version answers, in percent: all of them once it is the champion. */
export function answeredShare(state: RolloutState, steps: readonly RolloutStep[]): number {
  return state.phase === 'promoted' ? 100 : sharesOf(state, steps).answered;
}

/** Time that the present step has run, without pauses. */
export function elapsedOf(state: RolloutState, nowMs: number): number {
  return state.elapsedMs + (state.phase === 'paused' ? 0 : Math.max(0, nowMs - state.resumedMs));
}

function enter(state: RolloutState, index: number, steps: readonly RolloutStep[], nowMs: number): RolloutState {
  const step = steps[index];
  if (step === undefined) return { ...state, phase: 'paused', pausedFor: 'manual', resumeStep: index };
  const begun = { step: index, stepStartedMs: nowMs, resumedMs: nowMs, elapsedMs: 0, stage: state.stage + 1 };
  if (step.kind === 'canary' && step.percent === 100) {
    return { ...state, ...begun, phase: 'promoting', pausedFor: null, resumeStep: index };
  }
  if (step.forMs === null) return { ...state, ...begun, phase: 'paused', pausedFor: 'manual', resumeStep: index + 1 };
  return { ...state, ...begun, phase: step.kind, pausedFor: null, resumeStep: index };
}

function rollBack(state: RolloutState): RolloutState {
  return { ...state, phase: 'rolling-back', pausedFor: null, stage: state.stage + 1 };
}

function pause(
  state: RolloutState,
  pausedFor: 'manual' | 'inconclusive',
  resumeStep: number,
  nowMs: number,
): RolloutState {
  return { ...state, phase: 'paused', pausedFor, resumeStep, elapsedMs: elapsedOf(state, nowMs), resumedMs: nowMs };
}

function isRunning({ phase }: RolloutState): boolean {
  return phase === 'shadow' || phase === 'canary';
}

function decided(
  state: RolloutState,
  { kind, sentence: reason }: Pick<RolloutDecision, 'kind' | 'sentence'>,
  steps: readonly RolloutStep[],
  nowMs: number,
): Transition | undefined {
  if (kind === 'rollback' && (isRunning(state) || state.phase === 'paused')) return { state: rollBack(state), reason };
  if (!isRunning(state)) return undefined;
  if (kind === 'advance') return { state: enter(state, state.step + 1, steps, nowMs), reason };
  if (kind === 'await') return { state: pause(state, 'manual', state.step + 1, nowMs), reason };
  if (kind === 'pause') return { state: pause(state, 'inconclusive', state.step, nowMs), reason };
  return undefined;
}

function acted(
  state: RolloutState,
  action: RolloutAction,
  steps: readonly RolloutStep[],
  nowMs: number,
): RolloutState | undefined {
  switch (action) {
    case 'promote':
      if (state.phase === 'rolling-back' || state.phase === 'promoting') return undefined;
      return { ...state, phase: 'promoting', pausedFor: null };
    case 'pause':
      return isRunning(state) ? pause(state, 'manual', state.step, nowMs) : undefined;
    case 'resume': {
      if (state.phase !== 'paused' || steps[state.resumeStep] === undefined) return undefined;
      if (state.resumeStep !== state.step) return enter(state, state.resumeStep, steps, nowMs);
      // After a step without a verdict its time starts anew, with the evidence that there is.
      const elapsedMs = state.pausedFor === 'inconclusive' ? 0 : state.elapsedMs;
      const phase = steps[state.step]?.kind ?? 'canary';
      return { ...state, phase, pausedFor: null, resumedMs: nowMs, elapsedMs };
    }
    case 'abort':
      return state.phase === 'rolling-back' ? undefined : rollBack(state);
    default:
      return action satisfies never;
  }
}

/**
 * The state after an input, with the reason for the log; undefined when the input changes nothing, or for an action that
 * cannot be taken now. Pure: time is an argument. A final state never changes.
 */
export function nextState(
  state: RolloutState,
  input: RolloutInput,
  steps: readonly RolloutStep[],
  nowMs: number,
): Transition | undefined {
  if (isFinal(state)) return undefined;
  switch (input.kind) {
    case 'loaded':
      if (state.phase !== 'pending') return undefined;
      return { state: enter(state, 0, steps, nowMs), reason: 'The new version is loaded.' };
    case 'load-failed':
      if (state.phase !== 'pending') return undefined;
      return { state: { ...state, phase: 'failed' }, reason: `The new version cannot be loaded: ${input.why}` };
    case 'decided':
      return decided(state, input.decision, steps, nowMs);
    case 'act': {
      const next = acted(state, input.action, steps, nowMs);
      return next && { state: next, reason: input.reason };
    }
    case 'interrupted':
      return state.phase === 'rolling-back' ? undefined : { state: rollBack(state), reason: input.why };
    case 'promoted':
      if (state.phase !== 'promoting') return undefined;
      return { state: { ...state, phase: 'promoted', stage: state.stage + 1 }, reason: 'The champion moved.' };
    case 'promotion-failed':
      if (state.phase !== 'promoting') return undefined;
      return { state: { ...state, phase: 'failed', stage: state.stage + 1 }, reason: input.why };
    case 'cleared':
      if (state.phase !== 'rolling-back') return undefined;
      return { state: { ...state, phase: 'rolled-back' }, reason: 'No request reaches the new version.' };
    default:
      return input satisfies never;
  }
}
