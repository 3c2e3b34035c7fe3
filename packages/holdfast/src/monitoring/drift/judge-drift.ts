import { benjaminiHochberg } from '@holdfast/stats';
import type { MonitorsConfig } from '../../config/index.ts';
import { describeCount, describeNumber, describePromise, describeShare, describeText } from '../describe.ts';
import { type Finding, undecidedParts } from '../finding.ts';
import { momentsOf, type Profile } from '../profiles/profile.ts';
import type { VersionReference } from '../profiles/version-reference.ts';
import type { Calibration } from './calibrate.ts';
import { type ComparedColumn, comparedColumn, type Quartiles, quartilesOf } from './column-cells.ts';
import { type ColumnComparison, compareColumn, type Distance } from './compare-column.ts';
import { wassersteinOf } from './wasserstein-of.ts';

interface JudgedColumn {
  readonly column: ComparedColumn;
  readonly comparison: ColumnComparison;
  readonly baselineRows: number;
  readonly windowRows: number;
}

const comparedColumns = new WeakMap<VersionReference['plan'], readonly ComparedColumn[]>();

/** The columns of a reference whose drift is judged; worked out once per reference. */
export function driftColumns(reference: VersionReference, config: MonitorsConfig['drift']): readonly ComparedColumn[] {
  let columns = comparedColumns.get(reference.plan);
  if (columns === undefined) {
    columns = reference.plan.columns.flatMap(planned => comparedColumn(planned) ?? []);
    comparedColumns.set(reference.plan, columns);
  }
  return columns.filter(column => !config.ignore.includes(column.reference.name));
}

/** Whether both sides have the rows that a verdict needs. */
export function hasEnoughRows(reference: VersionReference, rows: number, config: MonitorsConfig['drift']): boolean {
  return rows >= config.minimumRows && reference.baseline.rows >= config.minimumRows;
}

/**
 * Data drift (inputs) and prediction drift (outputs): a column has drifted when its p-value, adjusted for all columns
 * judged together (Benjamini-Hochberg), is below the promised rate, *and* one of its distances reaches what matters and
 * what quiet windows of this size stay below.
 *
 * @param calibration learned for {@link driftColumns} and windows of this size; undefined when the reference is too short
 */
export function judgeDrift(
  reference: VersionReference,
  profile: Profile,
  config: MonitorsConfig['drift'],
  calibration: Calibration | undefined,
): readonly Finding[] {
  if (!config.enabled) return [];
  const watched = driftColumns(reference, config);
  if (!hasEnoughRows(reference, profile.rows, config)) {
    return watched.map(column => tooFewRows(column, reference, profile, config.minimumRows));
  }
  const judged = watched.map(column => ({
    column,
    comparison: compareColumn(column, profile.cells(column.planned)),
    baselineRows: reference.baseline.rows,
    windowRows: profile.rows,
  }));
  const adjusted = benjaminiHochberg(judged.map(({ comparison }) => comparison.pValue));
  return judged.map((one, i) => decide(one, adjusted[i]!, calibration?.limits[i], { reference, profile, config }));
}

interface Circumstances {
  readonly reference: VersionReference;
  readonly profile: Profile;
  readonly config: MonitorsConfig['drift'];
}

/** The distance needed for an alarm: enough to matter beyond chance, and more than quiet windows show. */
export function distanceThreshold(distance: Distance, minimumEffect: number, learned: number): number {
  return Math.max(distance.expected + minimumEffect * distance.weight, learned);
}

function decide(
  judged: JudgedColumn,
  pValue: number,
  learned: readonly [number, number] | undefined,
  circumstances: Circumstances,
): Finding {
  const { column, comparison } = judged;
  const { config } = circumstances;
  const thresholds = comparison.distances.map((distance, i) =>
    distanceThreshold(distance, config.minimumEffect, learned?.[i] ?? 0),
  );
  // Shown is the distance that exceeds its threshold most, and the first one unless another alone exceeds its own.
  const ratios = comparison.distances.map((distance, i) => distance.value / thresholds[i]!);
  const shown = ratios[0]! < 1 && ratios[1]! >= 1 ? 1 : 0;
  const distance = comparison.distances[shown]!;
  const threshold = thresholds[shown]!;
  const isBreached = pValue < config.falseAlarmRate && distance.value >= threshold;
  const parts = {
    monitor: column.reference.role === 'input' ? 'data-drift' : 'prediction-drift',
    subject: column.reference.name,
    role: column.reference.role,
    test: comparison.test,
    statistic: comparison.statistic,
    pValue,
    effectName: distance.name,
    effect: distance.value,
    threshold,
    baselineRows: judged.baselineRows,
    windowRows: judged.windowRows,
    falseAlarmRate: config.falseAlarmRate,
  } as const;
  const sentence = driftSentence(judged, distance, threshold, isBreached, circumstances);
  return { ...parts, outcome: isBreached ? 'breached' : 'stable', sentence };
}

function driftSentence(
  judged: JudgedColumn,
  distance: Distance,
  threshold: number,
  isBreached: boolean,
  { reference, profile, config }: Circumstances,
): string {
  const { column, windowRows, baselineRows } = judged;
  const against = reference.baseline.source === 'live' ? ' of the first live traffic' : '';
  const measured = `${distance.name} ${describeNumber(distance.value)} against a threshold of ${describeNumber(threshold)}`;
  const sizes = `${describeCount(windowRows)} rows against ${describeCount(baselineRows)}${against}`;
  const subject = column.reference.name;
  if (!isBreached) return `${subject} is stable: ${measured} (${sizes}).`;
  const moved = whatMoved(column, profile);
  return `${subject} drifted: ${moved}; ${measured} (${sizes}); ${describePromise(config.falseAlarmRate)}.`;
}

function whatMoved(column: ComparedColumn, profile: Profile): string {
  const cells = profile.cells(column.planned);
  const missingCell = cells.length - 1;
  const before = shares(column.cells);
  const now = shares(cells);
  const missingMove = Math.abs(now[missingCell]! - before[missingCell]!);
  if (column.reference.kind === 'numeric') {
    const text = numericMove(column, profile);
    if (missingMove < 0.05) return text;
    return `${missingText(before[missingCell]!, now[missingCell]!)}, ${text}`;
  }
  const { categories } = column.reference;
  let mover = missingCell;
  for (let i = 0; i < missingCell; i++) {
    if (Math.abs(now[i]! - before[i]!) > Math.abs(now[mover]! - before[mover]!)) mover = i;
  }
  if (mover === missingCell) return missingText(before[mover]!, now[mover]!);
  const named = categories[mover];
  const what =
    named !== undefined
      ? `the share of ${describeText(named)}`
      : mover === categories.length
        ? 'the share of rare categories'
        : 'the share of categories that the baseline never had';
  return `${what} went from ${describeShare(before[mover]!)} to ${describeShare(now[mover]!)}`;
}

function numericMove(column: ComparedColumn, profile: Profile): string {
  const { reference } = column;
  if (reference.kind !== 'numeric') return '';
  const moments = momentsOf(profile, column.planned);
  if (moments === null || reference.minimum === null || reference.maximum === null) return 'its values went missing';
  const before = quartilesOf(column.cells, reference, { minimum: reference.minimum, maximum: reference.maximum });
  const now = quartilesOf(profile.cells(column.planned), reference, moments);
  const shift = now.median - before.median;
  const stretch = Math.max(Math.abs(now.low - before.low - shift), Math.abs(now.high - before.high - shift));
  const earth = `Wasserstein distance ${describeNumber(wassersteinOf(column, profile))}`;
  if (Math.abs(shift) >= stretch) {
    return `the median moved from ${describeNumber(before.median)} to ${describeNumber(now.median)} (${earth})`;
  }
  const range = ({ low, high }: Quartiles): string => `between ${describeNumber(low)} and ${describeNumber(high)}`;
  return `half of its values lay ${range(before)}, now ${range(now)} (${earth})`;
}

function missingText(before: number, now: number): string {
  return `the missing share went from ${describeShare(before)} to ${describeShare(now)}`;
}

function shares(cells: Float64Array): Float64Array {
  let total = 0;
  for (const count of cells) total += count;
  return total === 0 ? cells : cells.map(count => count / total);
}

function tooFewRows(
  column: ComparedColumn,
  reference: VersionReference,
  profile: Profile,
  minimumRows: number,
): Finding {
  return {
    ...undecidedParts,
    monitor: column.reference.role === 'input' ? 'data-drift' : 'prediction-drift',
    subject: column.reference.name,
    role: column.reference.role,
    because: 'too-few-rows',
    test: column.reference.kind === 'numeric' ? 'two-sample KS' : 'two-sample chi-square',
    effectName: column.reference.kind === 'numeric' ? 'KS distance' : 'L-infinity distance',
    baselineRows: reference.baseline.rows,
    windowRows: profile.rows,
    sentence: `${column.reference.name} is not judged: ${describeCount(profile.rows)} rows in the window, ${describeCount(minimumRows)} are needed.`,
  };
}
