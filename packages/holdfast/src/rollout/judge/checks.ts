import type { CheckMode, CheckOutcome, CheckResult, JudgeConfig } from '@holdfast/api';
import { meanDifferenceConfidenceSequence, mixtureRadius } from '@holdfast/stats';
import { Histogram } from '../../telemetry/index.ts';
import {
  type EvidenceSettings,
  type GridEvidence,
  type LossMoments,
  marginGrid,
  ratiosFor,
  type StepEvidence,
} from './evidence.ts';
import { cellCounts } from './output-cells.ts';

/** At what chances checks are decided. */
export interface Levels {
  /** Of passing a version that is worse than the margin. */
  readonly pass: number;
  /** Of failing an equal one, for this check in this step. */
  readonly fail: number;
  /** How many tests share the chance of failing: p-values are multiplied by it. */
  readonly tests: number;
}

interface Bounds {
  readonly low: number | null;
  readonly high: number | null;
}

type Mode = Exclude<CheckMode, 'off'>;

export function settingsOf(judge: JudgeConfig): EvidenceSettings {
  return {
    errorMargin: judge.errors.margin,
    agreementMargin: judge.agreement.margin,
    performanceMargin: judge.performance.margin,
    latencyMargin: judge.latency.margin,
    quantiles: judge.latency.quantiles,
  };
}

/** The interval that the grid leaves open: evidence above a point excludes all effects up to it. */
function boundsOf({ above, below }: GridEvidence, grid: readonly number[], alpha: number): Bounds {
  const needed = -Math.log(alpha);
  const low = above.findLastIndex(log => log >= needed);
  const high = below.findIndex(log => log >= needed);
  return { low: low < 0 ? null : grid[low]!, high: high < 0 ? null : grid[high]! };
}

/** An anytime-valid p-value from the logarithm of an e-value. */
function pValueOf(log: number, tests: number): number {
  return Math.min(1, tests * Math.exp(-Math.max(0, log)));
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

function outcomeOf(isPass: boolean, isFail: boolean): CheckOutcome {
  return isFail ? 'fail' : isPass ? 'pass' : 'undecided';
}

function conclusion(outcome: CheckOutcome, pass: string, fail: string): string {
  if (outcome === 'pass') return pass;
  if (outcome === 'fail') return fail;
  return 'not decided yet';
}

function noData(
  check: string,
  mode: Mode,
  unit: CheckResult['unit'],
  margin: number,
  rows: Rows,
  why: string,
): CheckResult {
  const nothing = { champion: null, challenger: null, effect: null, low: null, high: null, pValue: null };
  return { check, mode, outcome: 'no-data', unit, margin, ...nothing, ...rows, sentence: `${why}.` };
}

interface Rows {
  readonly championRows: number;
  readonly challengerRows: number;
}

/** The share of failed requests. */
export function checkErrors(evidence: StepEvidence, judge: JudgeConfig, levels: Levels, mode: Mode): CheckResult {
  const { champion, challenger, errors } = evidence;
  const { margin } = judge.errors;
  const rows = { championRows: champion.requests, challengerRows: challenger.requests };
  if (Math.min(rows.championRows, rows.challengerRows) < judge.minimumRequests) {
    const why = `Failed requests: ${rows.challengerRows} and ${rows.championRows} requests, ${judge.minimumRequests} of each version are needed`;
    return noData('errors', mode, 'share', margin, rows, why);
  }
  const grid = marginGrid.map(multiple => multiple * margin);
  const rate = { champion: champion.errors / champion.requests, challenger: challenger.errors / challenger.requests };
  const effect = rate.challenger - rate.champion;
  const bounds = boundsOf(errors, grid, levels.pass);
  const worse = errors.above[marginGrid.indexOf(0)]!;
  const isFail = worse >= -Math.log(levels.fail) && effect > margin;
  const outcome = outcomeOf(bounds.high !== null && bounds.high <= margin, isFail);
  return {
    check: 'errors',
    mode,
    outcome,
    unit: 'share',
    ...rate,
    effect,
    ...bounds,
    margin,
    ...rows,
    pValue: pValueOf(worse, levels.tests),
    sentence: `${percent(rate.challenger)} of the new version's requests failed, ${percent(rate.champion)} of the champion's: ${conclusion(
      outcome,
      `at most ${percent(margin)} more`,
      `more by over ${percent(margin)}`,
    )}.`,
  };
}

/** One quantile of latency. */
export function checkLatency(
  evidence: StepEvidence,
  index: number,
  judge: JudgeConfig,
  levels: Levels,
  mode: Mode,
): CheckResult {
  const one = evidence.latency[index]!;
  const name = `latency-p${Number((one.quantile * 100).toFixed(2))}`;
  const { margin, marginMs } = judge.latency;
  const quantileMs = (latency: StepEvidence['champion']['latency']): number =>
    (Histogram.fromSparse(latency, 0).quantile(one.quantile) ?? 0) / 1000;
  const rows = { championRows: one.championRows, challengerRows: one.challengerRows };
  if (Math.min(rows.championRows, rows.challengerRows) < judge.minimumRequests) {
    const why = `${name}: ${rows.challengerRows} and ${rows.championRows} requests compared, ${judge.minimumRequests} of each version are needed`;
    return noData(name, mode, 'ratio', 1 + margin, rows, why);
  }
  const champion = quantileMs(evidence.champion.latency);
  const challenger = quantileMs(evidence.challenger.latency);
  const effect = champion > 0 ? challenger / champion : 1;
  const tolerated = Math.max(1 + margin, champion > 0 ? 1 + marginMs / champion : 1);
  const grid = ratiosFor(margin);
  const bounds = boundsOf(one, grid, levels.pass);
  const worse = one.above[grid.indexOf(1)]!;
  const isFail = worse >= -Math.log(levels.fail) && effect > tolerated;
  const outcome = outcomeOf(bounds.high !== null && bounds.high <= tolerated, isFail);
  const ms = (value: number): string => `${Number(value.toPrecision(3))} ms`;
  return {
    check: name,
    mode,
    outcome,
    unit: 'ratio',
    champion,
    challenger,
    effect,
    ...bounds,
    margin: tolerated,
    ...rows,
    pValue: pValueOf(worse, levels.tests),
    sentence: `The ${name.slice('latency-'.length)} of latency is ${ms(challenger)}, the champion's ${ms(champion)}: ${conclusion(
      outcome,
      `at most ${Number(tolerated.toPrecision(3))} times as long`,
      `longer than ${Number(tolerated.toPrecision(3))} times`,
    )}.`,
  };
}

/** What is predicted: the share of predictions that would have to move to make both versions alike. */
export function checkOutputs(evidence: StepEvidence, judge: JudgeConfig, levels: Levels, mode: Mode): CheckResult {
  const { cells, champion, challenger, shift } = evidence.outputs;
  const { margin } = judge.outputs;
  const counts = cells && [champion, challenger].map(one => cellCounts(cells, Object.entries(one)));
  const totals = counts?.map(one => one.reduce((sum, weight) => sum + weight, 0)) ?? [0, 0];
  const [championRows = 0, challengerRows = 0] = totals.map(Math.round);
  const rows = { championRows, challengerRows };
  if (counts === undefined || Math.min(championRows, challengerRows) < judge.minimumRequests) {
    const why = `What is predicted: ${challengerRows} and ${championRows} requests compared, ${judge.minimumRequests} of each version are needed`;
    return noData('outputs', mode, 'share', margin, rows, why);
  }
  let distance = 0;
  let noise = 0;
  const [ofChampion, ofChallenger] = counts;
  for (let k = 0; k < ofChampion!.length; k++) {
    const p = ofChampion![k]! / totals[0]!;
    const q = ofChallenger![k]! / totals[1]!;
    distance += Math.abs(p - q) / 2;
    // Mean of the absolute difference of two shares when nothing differs (half-normal).
    const pooled = (ofChampion![k]! + ofChallenger![k]!) / (totals[0]! + totals[1]!);
    noise += Math.sqrt(((2 / Math.PI) * pooled * (1 - pooled) * (1 / totals[0]! + 1 / totals[1]!)) / 4);
  }
  const effect = Math.max(0, distance - noise);
  // Total variation of the estimates from the truth, by the bounded-differences inequality over doubling sample sizes.
  const cellsSeen = ofChampion!.length;
  const radius = (n: number): number =>
    Math.sqrt((2 * cellsSeen) / n) / 2 + Math.sqrt(Math.log((2 * (1 + Math.log2(n)) ** 2 * 1.65) / levels.pass) / n);
  const high = Math.min(1, distance + radius(totals[0]!) + radius(totals[1]!));
  const low = shift >= -Math.log(levels.pass) ? 0 : null;
  const isFail = shift >= -Math.log(levels.fail) && effect > margin;
  const outcome = outcomeOf(high <= margin, isFail);
  return {
    check: 'outputs',
    mode,
    outcome,
    unit: 'share',
    champion: null,
    challenger: null,
    effect,
    low,
    high,
    margin,
    ...rows,
    pValue: pValueOf(shift, levels.tests),
    sentence: `${percent(effect)} of the predictions would have to move to look like the champion's: ${conclusion(
      outcome,
      `at most ${percent(margin)}`,
      `over ${percent(margin)}`,
    )}.`,
  };
}

/** How often a copy is predicted otherwise than the champion did. */
export function checkAgreement(evidence: StepEvidence, judge: JudgeConfig, levels: Levels, mode: Mode): CheckResult {
  const { copies } = evidence;
  const { margin } = judge.agreement;
  const rows = { championRows: copies.compared, challengerRows: copies.compared };
  if (copies.compared < judge.minimumRequests) {
    const why = `Agreement: ${copies.compared} copies compared, ${judge.minimumRequests} are needed`;
    return noData('agreement', mode, 'share', margin, rows, why);
  }
  const grid = marginGrid.map(multiple => multiple * margin);
  const effect = copies.disagreed / copies.compared;
  const bounds = boundsOf(copies, grid, levels.pass);
  const worse = copies.above[marginGrid.indexOf(1)]!;
  const isFail = worse >= -Math.log(levels.fail);
  const outcome = outcomeOf(bounds.high !== null && bounds.high <= margin, isFail);
  return {
    check: 'agreement',
    mode,
    outcome,
    unit: 'share',
    champion: null,
    challenger: null,
    effect,
    ...bounds,
    margin,
    ...rows,
    pValue: pValueOf(worse, levels.tests),
    sentence: `${percent(effect)} of the copied rows are predicted otherwise: ${conclusion(
      outcome,
      `at most ${percent(margin)}`,
      `over ${percent(margin)}`,
    )}.`,
  };
}

/** Arms whose shares of labelled rows differ by more than this are not comparable. */
const mostCoverageGap = 0.05;

function momentsOf({ count, mean, m2 }: LossMoments) {
  return { count, mean, m2, m3: 0, m4: 0, min: mean, max: mean };
}

/** Loss against ground truth: paired where copies were run, otherwise between the versions' own requests. */
export function checkPerformance(evidence: StepEvidence, judge: JudgeConfig, levels: Levels, mode: Mode): CheckResult {
  const { labels } = evidence;
  const { minimumLabels } = judge.performance;
  const relative = judge.performance.margin;
  if (labels === undefined) {
    const none = { championRows: 0, challengerRows: 0 };
    return noData('performance', mode, 'loss', relative, none, 'Ground truth: none has arrived for this step');
  }
  const { champion, challenger, paired, loss } = labels;
  // A share of the champion's own error where the unit is the label's.
  const margin = loss === 'error' ? relative : relative * champion.loss.mean;
  const isPaired = paired.count >= minimumLabels;
  const rows = isPaired
    ? { championRows: paired.count, challengerRows: paired.count }
    : { championRows: champion.loss.count, challengerRows: challenger.loss.count };
  const common = {
    check: 'performance',
    mode,
    unit: 'loss' as const,
    champion: champion.loss.count > 0 ? champion.loss.mean : null,
    challenger: challenger.loss.count > 0 ? challenger.loss.mean : null,
    margin,
    ...rows,
  };
  if (Math.min(rows.championRows, rows.challengerRows) < minimumLabels) {
    const why = `Ground truth: ${rows.challengerRows} and ${rows.championRows} labelled rows, ${minimumLabels} of each version are needed`;
    return {
      ...noData('performance', mode, 'loss', margin, rows, why),
      champion: common.champion,
      challenger: common.challenger,
    };
  }
  const coverage = [champion, challenger].map(arm => arm.loss.count / Math.max(1, arm.predictions));
  if (!isPaired && Math.abs(coverage[0]! - coverage[1]!) > mostCoverageGap) {
    const sentence = `Ground truth has arrived for ${percent(coverage[1]!)} of the new version's rows and ${percent(coverage[0]!)} of the champion's: not comparable.`;
    return { ...common, outcome: 'undecided', effect: null, low: null, high: null, pValue: null, sentence };
  }
  const effect = isPaired ? paired.mean : challenger.loss.mean - champion.loss.mean;
  let bounds: Bounds;
  let pValue: number;
  if (!isPaired && loss === 'error') {
    const grid = marginGrid.map(multiple => multiple * margin);
    bounds = boundsOf(labels.errors, grid, levels.pass);
    pValue = pValueOf(labels.errors.above[marginGrid.indexOf(0)]!, levels.tests);
  } else {
    // A champion without any error has no margin to be sharp for.
    const scale = margin > 0 ? margin : relative * challenger.loss.mean || 1;
    const within = (alpha: number) =>
      isPaired
        ? pairedBounds(paired, scale, alpha)
        : meanDifferenceConfidenceSequence(momentsOf(challenger.loss), momentsOf(champion.loss), scale, alpha);
    bounds = within(levels.pass);
    pValue = within(levels.fail).low > 0 ? levels.fail * levels.tests : 1;
  }
  const isFail = pValue <= levels.fail * levels.tests && effect > margin;
  const outcome = outcomeOf(bounds.high !== null && bounds.high <= margin, isFail);
  const show = loss === 'error' ? percent : (value: number): string => String(Number(value.toPrecision(3)));
  const measured = loss === 'error' ? 'share of wrong predictions' : 'mean absolute error';
  return {
    ...common,
    outcome,
    effect,
    ...bounds,
    pValue: Math.min(1, pValue),
    sentence: `The ${measured} is ${show(challenger.loss.mean)}, the champion's ${show(champion.loss.mean)}${isPaired ? ', on the same requests' : ''}: ${conclusion(
      outcome,
      `at most ${show(margin)} more`,
      `more by over ${show(margin)}`,
    )}.`,
  };
}

function pairedBounds({ count, mean, m2 }: LossMoments, scale: number, alpha: number) {
  // As if one row had gone either way: rows that all agree are no certainty.
  const squaredError = count < 2 ? Number.POSITIVE_INFINITY : (m2 + 1 / count) / (count - 1) / count;
  const radius = mixtureRadius(squaredError, scale, alpha);
  return { low: mean - radius, high: mean + radius };
}
