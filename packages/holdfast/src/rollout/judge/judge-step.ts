import type { CheckResult, JudgeConfig, RolloutDecision, RolloutStep } from '@holdfast/api';
import { checkAgreement, checkErrors, checkLatency, checkOutputs, checkPerformance, type Levels } from './checks.ts';
import type { ArmCounts, StepEvidence } from './evidence.ts';

/** What the judge is told. */
export interface Case {
  readonly judge: JudgeConfig;
  /** Of the rollout, to share the chance of a false alarm among them. */
  readonly steps: readonly RolloutStep[];
  readonly step: RolloutStep;
  /** Time since the step began, without pauses. */
  readonly elapsedMs: number;
  readonly nowMs: number;
  readonly evidence: StepEvidence;
  /** Both versions in the last minute: old failures of a champion that has recovered freeze nothing. */
  readonly recent: { readonly champion: Recent; readonly challenger: Recent };
}

export interface Recent {
  readonly requests: number;
  readonly errors: number;
}

/** A step of no length gets at least this long to find a verdict. */
const leastPatienceMs = 60_000;

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(3))} %`;
}

/** What rolls back at once: failures or outputs that no statistics need to weigh. */
export function hardGuard(
  challenger: Pick<ArmCounts, 'requests' | 'errors' | 'rows' | 'nonFiniteRows'>,
  champion: Pick<ArmCounts, 'requests' | 'errors' | 'rows' | 'nonFiniteRows'>,
  { guard }: JudgeConfig,
): string | undefined {
  if (challenger.requests < guard.minimumRequests) return undefined;
  const errors = share(challenger.errors, challenger.requests);
  if (errors > guard.errorRatio && errors > 2 * share(champion.errors, champion.requests)) {
    return `${percent(errors)} of ${challenger.requests} requests to the new version failed`;
  }
  const nonFinite = share(challenger.nonFiniteRows, challenger.rows);
  if (nonFinite > guard.nonFinite && nonFinite > 2 * share(champion.nonFiniteRows, champion.rows)) {
    return `${percent(nonFinite)} of the new version's outputs are NaN or infinite`;
  }
  return undefined;
}

/** All checks that are switched on, at levels that share the chance of a false alarm over checks and steps. */
function allChecks({ judge, steps, step, evidence }: Case): CheckResult[] {
  const { errors, latency, outputs, agreement, performance } = judge;
  const isShadow = step.kind === 'shadow';
  const asks: ((levels: Levels) => CheckResult)[] = [];
  const { mode: errorMode } = errors;
  if (errorMode !== 'off') asks.push(levels => checkErrors(evidence, judge, levels, errorMode));
  const { mode: latencyMode } = latency;
  if (latencyMode !== 'off') {
    for (const index of latency.quantiles.keys()) {
      asks.push(levels => checkLatency(evidence, index, judge, levels, latencyMode));
    }
  }
  const { mode: outputMode } = outputs;
  // On copies the same rows are compared one by one, which says far more than their distributions.
  if (outputMode !== 'off' && !isShadow) asks.push(levels => checkOutputs(evidence, judge, levels, outputMode));
  const { mode: agreementMode } = agreement;
  if (agreementMode !== 'off' && isShadow) {
    asks.push(levels => checkAgreement(evidence, judge, levels, agreementMode));
  }
  const { mode: performanceMode } = performance;
  if (performanceMode !== 'off') asks.push(levels => checkPerformance(evidence, judge, levels, performanceMode));
  const judged = steps.filter(one => one.kind === 'shadow' || one.percent < 100).length;
  const tests = Math.max(1, judged) * Math.max(1, asks.length);
  const levels: Levels = { pass: judge.alpha, fail: judge.alpha / tests, tests };
  return asks.map(ask => ask(levels));
}

function names(checks: readonly CheckResult[]): string {
  return checks.map(({ check }) => check).join(', ');
}

/**
 * What to do with a step now. Pure: the same case always gets the same decision.
 *
 * A step ends when its time is over, both versions have answered enough requests, and every gate has passed: the new
 * version is shown to be worse by less than each margin (each at level alpha: all must pass, so no correction is due). A
 * check fails when the new version is shown to be worse than the champion *and* is measured to be worse by more than the
 * margin, at alpha divided by the number of checks and steps (Bonferroni). No data is neither.
 */
export function judgeStep(one: Case): RolloutDecision {
  const { judge, step, evidence, recent, elapsedMs, nowMs } = one;
  const checks = allChecks(one);
  const say = (kind: RolloutDecision['kind'], sentence: string): RolloutDecision => ({
    atMs: nowMs,
    kind,
    sentence,
    checks,
  });
  const tripped = hardGuard(evidence.challenger, evidence.champion, judge);
  if (tripped !== undefined) return say('rollback', `Rolled back at once: ${tripped}.`);
  const championErrors = share(recent.champion.errors, recent.champion.requests);
  if (recent.champion.requests >= judge.guard.minimumRequests && championErrors > judge.guard.errorRatio) {
    return say('freeze', `Frozen: ${percent(championErrors)} of the champion's own requests fail.`);
  }
  const failed = checks.filter(check => check.outcome === 'fail');
  if (failed.length > 0) {
    return say(judge.onFail, failed.map(check => check.sentence).join(' '));
  }
  if (step.forMs === null) return say('hold', 'Waiting for a person.');
  if (elapsedMs < step.forMs) return say('hold', 'The step is not over yet.');
  const waiting = [...waitingFor(evidence, judge), ...openGates(checks)];
  if (waiting.length === 0) {
    const passed = checks.filter(check => check.outcome === 'pass');
    if (judge.decide === 'manual') return say('await', `${passed.length} checks passed; the plan waits for a person.`);
    return say('advance', passed.length > 0 ? `Passed: ${names(passed)}.` : 'Enough requests, and nothing failed.');
  }
  const limitMs = Math.max(leastPatienceMs, step.forMs) * judge.patience;
  if (elapsedMs < limitMs) return say('hold', `Waiting for ${waiting.join('; ')}.`);
  const why = `No verdict within ${Math.round(limitMs / 1000)} s: waiting for ${waiting.join('; ')}.`;
  if (judge.onNoVerdict === 'promote') return say('advance', `${why} Configured to go on.`);
  return say(judge.onNoVerdict, why);
}

function waitingFor({ champion, challenger }: StepEvidence, { minimumRequests }: JudgeConfig): string[] {
  const short = Math.min(champion.requests, challenger.requests);
  return short < minimumRequests ? [`requests (${short} of ${minimumRequests})`] : [];
}

function openGates(checks: readonly CheckResult[]): string[] {
  const open = checks.filter(check => check.mode === 'gate' && check.outcome !== 'pass');
  return open.length > 0 ? [`a verdict on ${names(open)}`] : [];
}
