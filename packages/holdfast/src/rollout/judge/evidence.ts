import { type ProportionCounts, type Side, safeEvidence, safeRateEvidence, safeShiftEvidence } from '@holdfast/stats';
import type { ArmReport } from '../../serving/index.ts';
import { Histogram } from '../../telemetry/index.ts';
import { dealBlock } from './deal-block.ts';
import { cellCounts, type OutputCells, outputCells } from './output-cells.ts';

type Sparse = readonly (readonly [bucket: number, count: number])[];

/** What one version did, in one span of time. */
export interface ArmCounts {
  readonly requests: number;
  readonly errors: number;
  readonly rows: number;
  readonly nonFiniteRows: number;
  /** Microseconds. */
  readonly latency: Sparse;
}

/** What both versions did at the same time: the unit that evidence grows by. */
export interface EvidenceBlock {
  readonly champion: ArmCounts & { readonly outputs: ReadonlyMap<string, number> };
  readonly challenger: ArmCounts & { readonly outputs: ReadonlyMap<string, number> };
  /** Of a shadow: copies compared, and the sum of their shares of disagreeing rows. */
  readonly copies: { readonly compared: number; readonly disagreed: number; readonly dropped: number };
}

/** Counts of a loss against ground truth: mean, and sum of squared deviations. */
export interface LossMoments {
  readonly count: number;
  readonly mean: number;
  readonly m2: number;
}

/** Ground truth that has arrived for the requests of a step. */
export interface LabelEvidence {
  /** `error`: 0 or 1 per row; `absolute`: absolute error. */
  readonly loss: 'error' | 'absolute';
  readonly champion: { readonly predictions: number; readonly loss: LossMoments };
  readonly challenger: { readonly predictions: number; readonly loss: LossMoments };
  /** Loss of the new version minus the champion's on the same request, where a copy was run. */
  readonly paired: LossMoments;
}

/** Logarithms of e-values at each point of a grid: that the effect lies above it, and below it. */
export interface GridEvidence {
  readonly above: readonly number[];
  readonly below: readonly number[];
}

interface LatencyEvidence extends GridEvidence {
  readonly quantile: number;
  /** Slow requests of both versions by grid point, for the next guess. */
  readonly slowChallenger: readonly number[];
  readonly slowChampion: readonly number[];
  readonly challengerRows: number;
  readonly championRows: number;
}

/**
 * All that is known of a step. Plain data, stored as it is. Nothing in it is forgotten by a restart, so that looking goes
 * on where it was.
 */
export interface StepEvidence {
  readonly champion: ArmCounts;
  readonly challenger: ArmCounts;
  readonly errors: GridEvidence;
  readonly latency: readonly LatencyEvidence[];
  readonly outputs: {
    /** Undefined while the champion's first outputs show which cells there are. */
    readonly cells: OutputCells | undefined;
    readonly champion: Readonly<Record<string, number>>;
    readonly challenger: Readonly<Record<string, number>>;
    readonly shift: number;
  };
  readonly copies: { readonly compared: number; readonly disagreed: number; readonly dropped: number } & GridEvidence;
  readonly labels: (LabelEvidence & { readonly errors: GridEvidence }) | undefined;
}

/** Multiples of a margin at which a difference is bounded; 0 and 1 decide. */
export const marginGrid: readonly number[] = [
  -8, -4, -2, -1.5, -1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8, 16,
];
/** Ratios of quantiles at which latency is bounded, besides the tolerated one. */
const ratioGrid: readonly number[] = [0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5, 3, 4, 8];
/** Requests of the champion before its quantiles are known well enough to bet on. */
const latencyRows = 50;
/** Weight of the champion's outputs that show which cells there are. */
const outputRows = 200;

export interface EvidenceSettings {
  readonly errorMargin: number;
  readonly agreementMargin: number;
  readonly performanceMargin: number;
  readonly latencyMargin: number;
  readonly quantiles: readonly number[];
}

/** The ratios of a latency check: the tolerated one is among them. */
export function ratiosFor(margin: number): readonly number[] {
  return [...new Set([...ratioGrid, 1 + margin])].sort((a, b) => a - b);
}

const noCounts: ArmCounts = { requests: 0, errors: 0, rows: 0, nonFiniteRows: 0, latency: [] };

function flat(points: number): GridEvidence {
  return { above: new Array<number>(points).fill(0), below: new Array<number>(points).fill(0) };
}

/** Before the first request of a step. */
export function noEvidence(settings: EvidenceSettings): StepEvidence {
  const ratios = ratiosFor(settings.latencyMargin).length;
  const none = new Array<number>(ratios).fill(0);
  return {
    champion: noCounts,
    challenger: noCounts,
    errors: flat(marginGrid.length),
    latency: settings.quantiles.map(quantile => ({
      quantile,
      ...flat(ratios),
      slowChallenger: none,
      slowChampion: none,
      challengerRows: 0,
      championRows: 0,
    })),
    outputs: { cells: undefined, champion: {}, challenger: {}, shift: 0 },
    copies: { compared: 0, disagreed: 0, dropped: 0, ...flat(marginGrid.length) },
    labels: undefined,
  };
}

/** The sum of both histograms. */
export function mergeSparse(a: Sparse, b: Sparse): Sparse {
  const merged = new Map(a);
  for (const [bucket, count] of b) merged.set(bucket, (merged.get(bucket) ?? 0) + count);
  return [...merged].sort((x, y) => x[0] - y[0]);
}

function plus(a: ArmCounts, b: ArmCounts): ArmCounts {
  return {
    requests: a.requests + b.requests,
    errors: a.errors + b.errors,
    rows: a.rows + b.rows,
    nonFiniteRows: a.nonFiniteRows + b.nonFiniteRows,
    latency: mergeSparse(a.latency, b.latency),
  };
}

/** Adds what `bet` finds at every point of a grid, on both sides. */
function grow(evidence: GridEvidence, bet: (point: number, side: Side) => number): GridEvidence {
  return {
    above: evidence.above.map((log, point) => log + bet(point, 'above')),
    below: evidence.below.map((log, point) => log + bet(point, 'below')),
  };
}

function errorsOf({ errors, requests }: ArmCounts) {
  return { successes: errors, rows: requests };
}

/** Whether a margin on the grid is a difference of rates that can be. */
function isPossible(margin: number): boolean {
  return margin > -1 && margin < 1;
}

function growErrors(evidence: StepEvidence, block: EvidenceBlock, margin: number): GridEvidence {
  const now = { a: errorsOf(block.challenger), b: errorsOf(block.champion) };
  const past = { a: errorsOf(evidence.challenger), b: errorsOf(evidence.champion) };
  return grow(evidence.errors, (point, side) => {
    const difference = margin * marginGrid[point]!;
    return isPossible(difference) ? safeEvidence(now, past, difference, side) : 0;
  });
}

/** Records in buckets above `bucket`. */
function countAbove(latency: Sparse, bucket: number): number {
  let count = 0;
  for (const [at, times] of latency) if (at > bucket) count += times;
  return count;
}

function rowsOf(latency: Sparse): number {
  return countAbove(latency, -1);
}

/**
 * Whether the new version's quantile is above or below r times the champion's, asked as a question about shares: are
 * more of its requests slower than r t than of the champion's slower than t, where t is the champion's quantile so far?
 */
function growLatency(
  evidence: LatencyEvidence,
  pastChampion: Sparse,
  block: EvidenceBlock,
  ratios: readonly number[],
): LatencyEvidence {
  const past = Histogram.fromSparse(pastChampion, 0);
  const threshold = past.count < latencyRows ? undefined : past.quantile(evidence.quantile);
  if (threshold === undefined) return evidence;
  const bucket = Histogram.bucketOf(threshold);
  const edge = Histogram.upperBound(bucket);
  const championRows = rowsOf(block.champion.latency);
  const challengerRows = rowsOf(block.challenger.latency);
  const slowChampion = countAbove(block.champion.latency, bucket);
  // The bucket that ends at or below r t, so that the tolerated growth is never taken for more than it is.
  const slow = ratios.map(ratio => countAbove(block.challenger.latency, Histogram.bucketOf(edge * ratio) - 1));
  const grown = grow(evidence, (point, side) =>
    safeEvidence(
      { a: { successes: slow[point]!, rows: challengerRows }, b: { successes: slowChampion, rows: championRows } },
      {
        a: { successes: evidence.slowChallenger[point]!, rows: evidence.challengerRows },
        b: { successes: evidence.slowChampion[point]!, rows: evidence.championRows },
      },
      0,
      side,
    ),
  );
  return {
    quantile: evidence.quantile,
    ...grown,
    slowChallenger: evidence.slowChallenger.map((count, point) => count + slow[point]!),
    slowChampion: evidence.slowChampion.map(count => count + slowChampion),
    challengerRows: evidence.challengerRows + challengerRows,
    championRows: evidence.championRows + championRows,
  };
}

function addCounts(total: Readonly<Record<string, number>>, more: ReadonlyMap<string, number>) {
  const sum: Record<string, number> = { ...total };
  for (const [key, weight] of more) sum[key] = (sum[key] ?? 0) + weight;
  return sum;
}

function growOutputs(outputs: StepEvidence['outputs'], block: EvidenceBlock): StepEvidence['outputs'] {
  const champion = addCounts(outputs.champion, block.champion.outputs);
  const challenger = addCounts(outputs.challenger, block.challenger.outputs);
  if (outputs.cells === undefined) {
    const seen = Object.values(champion).reduce((sum, weight) => sum + weight, 0);
    if (seen < outputRows) return { ...outputs, champion, challenger };
    // What showed the cells is not counted in them: a bet must not know its own outcome.
    return { cells: outputCells(champion), champion: {}, challenger: {}, shift: 0 };
  }
  const { cells } = outputs;
  const counts = (from: Iterable<readonly [string, number]>) => cellCounts(cells, from);
  const shift = safeShiftEvidence(
    { a: counts(block.challenger.outputs), b: counts(block.champion.outputs) },
    { a: counts(Object.entries(outputs.challenger)), b: counts(Object.entries(outputs.champion)) },
  );
  return { cells, champion, challenger, shift: outputs.shift + shift };
}

function growCopies(copies: StepEvidence['copies'], block: EvidenceBlock, margin: number): StepEvidence['copies'] {
  const now = { successes: block.copies.disagreed, rows: block.copies.compared };
  const past = { successes: copies.disagreed, rows: copies.compared };
  const grown = grow(copies, (point, side) => {
    const rate = margin * marginGrid[point]!;
    return rate > 0 && rate < 1 ? safeRateEvidence(now, past, rate, side) : 0;
  });
  return {
    compared: copies.compared + block.copies.compared,
    disagreed: copies.disagreed + block.copies.disagreed,
    dropped: copies.dropped + block.copies.dropped,
    ...grown,
  };
}

/** What is known after a block. */
export function addBlock(evidence: StepEvidence, block: EvidenceBlock, settings: EvidenceSettings): StepEvidence {
  const ratios = ratiosFor(settings.latencyMargin);
  return {
    champion: plus(evidence.champion, block.champion),
    challenger: plus(evidence.challenger, block.challenger),
    errors: growErrors(evidence, block, settings.errorMargin),
    latency: evidence.latency.map(one => growLatency(one, evidence.champion.latency, block, ratios)),
    outputs: growOutputs(evidence.outputs, block),
    copies: growCopies(evidence.copies, block, settings.agreementMargin),
    labels: evidence.labels,
  };
}

function wrongOf({ loss }: LabelEvidence['champion']) {
  return { successes: loss.count * loss.mean, rows: loss.count };
}

const noTruth = { successes: 0, rows: 0 };

/**
 * What is known after ground truth was counted again. Labels that were replaced make the counts fall; what was bet on
 * before stands, and the next bet starts from the new counts.
 */
export function addLabels(evidence: StepEvidence, labels: LabelEvidence, settings: EvidenceSettings): StepEvidence {
  const before = evidence.labels;
  let errors = before?.errors ?? flat(marginGrid.length);
  if (labels.loss === 'absolute') return { ...evidence, labels: { ...labels, errors } };
  let past =
    before === undefined ? { a: noTruth, b: noTruth } : { a: wrongOf(before.challenger), b: wrongOf(before.champion) };
  const total = { a: wrongOf(labels.challenger), b: wrongOf(labels.champion) };
  const batch = {
    a: { successes: total.a.successes - past.a.successes, rows: total.a.rows - past.a.rows },
    b: { successes: total.b.successes - past.b.successes, rows: total.b.rows - past.b.rows },
  };
  const isGrowth = [batch.a, batch.b].every(({ successes, rows }) => successes > -1e-6 && rows - successes > -1e-6);
  if (!isGrowth) return { ...evidence, labels: { ...labels, errors } };
  for (const now of dealBlock(batch)) {
    const known = past;
    errors = grow(errors, (point, side) => {
      const difference = settings.performanceMargin * marginGrid[point]!;
      return isPossible(difference) ? safeEvidence(now, known, difference, side) : 0;
    });
    past = { a: sumOf(past.a, now.a), b: sumOf(past.b, now.b) };
  }
  return { ...evidence, labels: { ...labels, errors } };
}

function sumOf(one: ProportionCounts, other: ProportionCounts): ProportionCounts {
  return { successes: one.successes + other.successes, rows: one.rows + other.rows };
}

function countsOf(reports: readonly ArmReport[]): EvidenceBlock['champion'] {
  let counts: ArmCounts = noCounts;
  let outputs: Readonly<Record<string, number>> = {};
  for (const report of reports) {
    counts = plus(counts, report);
    outputs = addCounts(outputs, new Map(report.outputs));
  }
  return { ...counts, outputs: new Map(Object.entries(outputs)) };
}

/** What the gateways reported of one step in one second, as a block. */
export function blockOf(reports: readonly ArmReport[], challenger: number, kind: 'shadow' | 'canary'): EvidenceBlock {
  const copies = { compared: 0, disagreed: 0, dropped: 0 };
  let championLatency: Sparse = [];
  const shadows = reports.filter(report => report.role === 'shadow' && report.version === challenger);
  for (const { copies: own } of shadows) {
    if (own === undefined) continue;
    copies.compared += own.compared;
    copies.disagreed += own.disagreed;
    copies.dropped += own.dropped;
    championLatency = mergeSparse(championLatency, own.championLatency);
  }
  if (kind === 'shadow') {
    // Only answered requests are copied, so on these the champion has not failed.
    const requests = shadows.reduce((sum, report) => sum + report.requests, 0);
    const champion = { ...noCounts, requests, latency: championLatency, outputs: new Map<string, number>() };
    return { champion, challenger: countsOf(shadows), copies };
  }
  return {
    champion: countsOf(reports.filter(report => report.role === 'champion')),
    challenger: countsOf(reports.filter(report => report.role === 'challenger' && report.version === challenger)),
    copies,
  };
}
