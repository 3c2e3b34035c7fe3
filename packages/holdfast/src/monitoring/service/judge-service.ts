import type { MonitorsConfig } from '../../config/index.ts';
import { Histogram } from '../../telemetry/index.ts';
import { describeCount, describeNumber, describePromise, describeShare } from '../describe.ts';
import { type Finding, undecidedParts } from '../finding.ts';
import type { ServiceProfile } from '../profiles/service-profile.ts';
import { lowerBound } from '../quality/judge-quality.ts';

/** Requests below which a ratio says little. */
const fewestRequests = 20;

/**
 * Service level of a window: the share of failed requests, and the 99th percentile of latency where a limit is set. Both
 * are breached only when the lower confidence bound of the bad share is above what is accepted.
 */
export function judgeServiceLevel(
  service: ServiceProfile,
  config: MonitorsConfig['serviceLevel'],
  falseAlarmRate: number,
): readonly Finding[] {
  if (!config.enabled) return [];
  const findings = [judgeErrors(service, config.errorRatio, falseAlarmRate)];
  if (config.p99Ms !== undefined) findings.push(judgeLatency(service, config.p99Ms, falseAlarmRate));
  return findings;
}

function judgeErrors(service: ServiceProfile, limit: number, falseAlarmRate: number): Finding {
  const attempts = service.requests + service.errors;
  const base = {
    monitor: 'service-level',
    subject: 'error_ratio',
    role: null,
    test: 'Clopper-Pearson bound',
    effectName: 'error ratio',
    baselineRows: 0,
    windowRows: attempts,
  } as const;
  if (attempts < fewestRequests) return tooFewRequests(base, attempts);
  const ratio = service.errors / attempts;
  const isBreached = lowerBound(service.errors, attempts, falseAlarmRate) > limit;
  const [worst] = [...service.errorCodes].sort((a, b) => b[1] - a[1]);
  const failed = `${describeShare(ratio)} of ${describeCount(attempts)} requests failed, ${describeShare(limit)} allowed`;
  return {
    ...base,
    outcome: isBreached ? 'breached' : 'stable',
    statistic: service.errors,
    pValue: null,
    effect: ratio,
    threshold: limit,
    falseAlarmRate,
    sentence: isBreached
      ? `${failed}${worst === undefined ? '' : `, mostly with ${worst[0]}`}; ${describePromise(falseAlarmRate)}.`
      : `${failed}.`,
  };
}

function judgeLatency(service: ServiceProfile, limitMs: number, falseAlarmRate: number): Finding {
  const base = {
    monitor: 'service-level',
    subject: 'p99_ms',
    role: null,
    test: 'Clopper-Pearson bound',
    effectName: 'p99 latency, ms',
    baselineRows: 0,
    windowRows: service.requests,
  } as const;
  if (service.requests < fewestRequests) return tooFewRequests(base, service.requests);
  const latency = service.latency();
  const p99Ms = (latency.quantile(0.99) ?? 0) / 1000;
  let slower = 0;
  for (const [bucket, count] of service.latencyBuckets) {
    if (bucket > 0 && Histogram.upperBound(bucket - 1) >= limitMs * 1000) slower += count;
  }
  // The 99th percentile is above the limit exactly when more than one request in a hundred is slower than it.
  const isBreached = lowerBound(slower, service.requests, falseAlarmRate) > 0.01;
  const measured = `the 99th percentile of latency is ${describeNumber(p99Ms)} ms, ${describeNumber(limitMs)} ms allowed (${describeCount(service.requests)} requests)`;
  return {
    ...base,
    outcome: isBreached ? 'breached' : 'stable',
    statistic: slower,
    pValue: null,
    effect: p99Ms,
    threshold: limitMs,
    falseAlarmRate,
    sentence: isBreached
      ? `Slow answers: ${measured}; ${describePromise(falseAlarmRate)}.`
      : `Answers are in time: ${measured}.`,
  };
}

type FindingBase = Pick<
  Finding,
  'monitor' | 'subject' | 'role' | 'test' | 'effectName' | 'baselineRows' | 'windowRows'
>;

function tooFewRequests(base: FindingBase, requests: number): Finding {
  return {
    ...base,
    ...undecidedParts,
    because: 'too-few-rows',
    sentence: `The service level is not judged: ${describeCount(requests)} requests in the window, ${fewestRequests} are needed.`,
  };
}
