import { adjustPValues, type Correction } from '../corrections.ts';
import { type CategoryCounts, type Column, countCategories, type Table } from './columns.ts';
import { compareCategorical } from './compare-categorical.ts';
import { compareNumeric, type NumericBaseline, prepareNumericBaseline } from './compare-numeric.ts';
import type {
  ColumnComparison,
  ComparedColumn,
  CompareOptions,
  EffectThresholds,
  UndecidedReason,
} from './comparison.ts';
import type { CategoricalEffect, NumericEffect } from './effects.ts';
import { explainReport, explainUndecided, explainVerdict } from './explain.ts';

export interface DecideOptions {
  /** Adjusted p-values must be below this. In (0, 1). @default 0.05 */
  readonly alpha?: number;
  /** Across columns. @default 'benjamini-hochberg' */
  readonly correction?: Correction;
  /** Weights for ranking, e.g. feature importance; 1 where absent. */
  readonly importance?: ReadonlyMap<string, number>;
  /**
   * Chance that a quiet window raises any alarm, as stated in the report; give the rate the thresholds were calibrated
   * for. @default alpha
   */
  readonly promisedFalseAlarmRate?: number;
}

export interface DriftOptions extends DecideOptions {
  /** Limits per column, e.g. learned by calibration. Columns without an entry use the defaults. */
  readonly thresholds?: ReadonlyMap<string, Partial<EffectThresholds>>;
  /** Fewer rows than this on either side are not judged. @default 20 */
  readonly minimumRows?: number;
  /** @default 'ks' */
  readonly numericEffect?: NumericEffect;
  /** @default 'total-variation' */
  readonly categoricalEffect?: CategoricalEffect;
}

export type ColumnVerdict =
  | (Omit<ComparedColumn, 'outcome'> & {
      readonly outcome: 'drifted' | 'stable';
      readonly column: string;
      readonly adjustedPValue: number;
      readonly alpha: number;
      readonly promisedFalseAlarmRate: number;
      readonly sentence: string;
    })
  | {
      readonly outcome: 'undecided';
      readonly column: string;
      readonly because: UndecidedReason;
      readonly sentence: string;
    };

export interface DriftReport {
  /** Drifted columns first, each group by effect (times importance), largest first; undecided ones last. */
  readonly verdicts: readonly ColumnVerdict[];
  /** Names of the drifted columns, largest effect first. */
  readonly drifted: readonly string[];
  /** Columns of the current table that the baseline does not have. */
  readonly extraColumns: readonly string[];
  readonly alpha: number;
  readonly correction: Correction;
  readonly promisedFalseAlarmRate: number;
  readonly sentence: string;
}

/**
 * Decides over many columns at once: a column drifted when its adjusted p-value is below alpha *and* its size-corrected
 * effect reaches its limit.
 * @throws RangeError unless alpha lies in (0, 1).
 */
export function decideDrift(
  comparisons: Iterable<readonly [string, ColumnComparison]>,
  options: DecideOptions = {},
): DriftReport {
  const alpha = options.alpha ?? 0.05;
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha must lie in (0, 1), not ${alpha}.`);
  const correction = options.correction ?? 'benjamini-hochberg';
  const promisedFalseAlarmRate = options.promisedFalseAlarmRate ?? alpha;
  const entries = [...comparisons];
  const compared = entries.flatMap(([column, comparison]) =>
    comparison.outcome === 'compared' ? [{ column, comparison }] : [],
  );
  const adjusted = adjustPValues(
    compared.map(({ comparison }) => comparison.pValue),
    correction,
  );
  const judged = compared.map(({ column, comparison }, i) => {
    const adjustedPValue = adjusted[i]!;
    const drifted = adjustedPValue < alpha && comparison.effect > 0 && comparison.effect >= comparison.effectThreshold;
    const sentence = explainVerdict(column, comparison, { drifted, adjustedPValue, alpha, correction });
    const outcome: 'drifted' | 'stable' = drifted ? 'drifted' : 'stable';
    return { ...comparison, outcome, column, adjustedPValue, alpha, promisedFalseAlarmRate, sentence };
  });
  const weight = (column: string): number => options.importance?.get(column) ?? 1;
  judged.sort(
    (a, b) =>
      Number(b.outcome === 'drifted') - Number(a.outcome === 'drifted') ||
      b.effect * weight(b.column) - a.effect * weight(a.column) ||
      a.pValue - b.pValue,
  );
  const undecided = entries.flatMap(([column, comparison]) =>
    comparison.outcome === 'undecided'
      ? [{ ...comparison, column, sentence: explainUndecided(column, comparison.because) }]
      : [],
  );
  const drifted = judged.filter(({ outcome }) => outcome === 'drifted').map(({ column }) => column);
  return {
    verdicts: [...judged, ...undecided],
    drifted,
    extraColumns: [],
    alpha,
    correction,
    promisedFalseAlarmRate,
    sentence: explainReport(drifted, judged.length, undecided.length, promisedFalseAlarmRate),
  };
}

type PreparedColumn = NumericBaseline | ({ readonly kind: 'categorical' } & CategoryCounts);

/** A baseline table sorted and counted once, to be compared with many windows. */
export interface PreparedBaseline {
  readonly prepared: ReadonlyMap<string, PreparedColumn>;
}

/** Prepares every column; about half the cost of a report is paid here. */
export function prepareBaseline(table: Table): PreparedBaseline {
  const prepared = new Map<string, PreparedColumn>();
  for (const [name, column] of table) prepared.set(name, prepareColumn(column));
  return { prepared };
}

function prepareColumn(column: Column): PreparedColumn {
  if (column.kind === 'numeric') return prepareNumericBaseline(column.values);
  return { kind: 'categorical', ...countCategories(column) };
}

/** Compares every column of a window with its baseline and decides; see {@link decideDrift} for the rule. */
export function driftReport(
  baseline: Table | PreparedBaseline,
  current: Table,
  options: DriftOptions = {},
): DriftReport {
  const names = 'prepared' in baseline ? baseline.prepared.keys() : baseline.keys();
  const comparisons: (readonly [string, ColumnComparison])[] = [];
  const known = new Set<string>();
  for (const name of names) {
    known.add(name);
    comparisons.push([name, compareColumn(baseline, current.get(name), name, options)]);
  }
  const report = decideDrift(comparisons, options);
  return { ...report, extraColumns: [...current.keys()].filter(name => !known.has(name)) };
}

function compareColumn(
  baseline: Table | PreparedBaseline,
  current: Column | undefined,
  name: string,
  options: DriftOptions,
): ColumnComparison {
  if (!current) return { outcome: 'undecided', because: 'column-missing' };
  const before = baselineColumn(baseline, name);
  const thresholds = options.thresholds?.get(name);
  const shared: CompareOptions = {
    ...(thresholds ? { thresholds } : {}),
    ...(options.minimumRows === undefined ? {} : { minimumRows: options.minimumRows }),
  };
  if (before.kind === 'numeric' && current.kind === 'numeric') {
    return compareNumeric(before, current.values, { ...shared, effect: options.numericEffect ?? 'ks' });
  }
  if (before.kind === 'categorical' && current.kind === 'categorical') {
    return compareCategorical({ counts: before.counts, missing: before.missing }, current, {
      ...shared,
      effect: options.categoricalEffect ?? 'total-variation',
    });
  }
  return { outcome: 'undecided', because: 'kind-changed' };
}

function baselineColumn(baseline: Table | PreparedBaseline, name: string): PreparedColumn {
  const column = 'prepared' in baseline ? baseline.prepared.get(name) : baseline.get(name);
  if (!column) throw new RangeError(`The baseline has no column "${name}".`);
  if ('sorted' in column || 'counts' in column) return column;
  return prepareColumn(column);
}
