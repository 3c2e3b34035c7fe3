import { betaQuantile } from '@holdfast/stats';
import type { MonitorsConfig } from '../../config/index.ts';
import { describeCount, describeNumber, describePromise, describeShare, describeText } from '../describe.ts';
import { type Finding, undecidedParts } from '../finding.ts';
import type { Profile } from '../profiles/profile.ts';
import type { PlannedColumn } from '../profiles/profile-plan.ts';
import type { VersionReference } from '../profiles/version-reference.ts';

/** One question about the values of a column: how many rows fail it, and how many may. */
interface QualityCheck {
  readonly test: 'missing share' | 'values that are no number' | 'values outside the range' | 'unseen categories';
  readonly failing: number;
  /** Share of the baseline's rows that fail it. */
  readonly baselineShare: number;
  /** Largest share accepted. */
  readonly limit: number;
  readonly detail: string;
}

/** Rows below which a share says little. */
const fewestRows = 20;

/**
 * Data quality of every column: missing values against the baseline's share, type, range and unseen categories against
 * a fixed share. A check is breached when even the lower confidence bound of the failing share is above its limit; the
 * bounds hold for all columns and checks of a window together with the promised rate.
 */
export function judgeQuality(
  reference: VersionReference,
  profile: Profile,
  config: MonitorsConfig['quality'],
  falseAlarmRate: number,
): readonly Finding[] {
  if (!config.enabled) return [];
  const checks = reference.plan.columns.map(column => checksOf(column, reference, profile, config));
  const questions = Math.max(
    1,
    checks.reduce((sum, list) => sum + list.length, 0),
  );
  return reference.plan.columns.map((column, i) =>
    judgeColumn(column, checks[i]!, reference.baseline.rows, profile.rows, falseAlarmRate, questions),
  );
}

function checksOf(
  column: PlannedColumn,
  reference: VersionReference,
  profile: Profile,
  config: MonitorsConfig['quality'],
): readonly QualityCheck[] {
  const ref = column.reference;
  const baselineRows = Math.max(1, reference.baseline.rows);
  const missingCell = ref.kind === 'opaque' ? column.offset + 1 : column.offset + column.cells - 1;
  const invalid = ref.kind === 'numeric' ? profile.counts[column.violations]! : 0;
  const baselineMissing = ref.missing / baselineRows;
  const checks: QualityCheck[] = [
    {
      test: 'missing share',
      // Text that is no number has a check of its own.
      failing: profile.counts[missingCell]! - invalid,
      baselineShare: baselineMissing,
      limit: baselineMissing + config.missing,
      detail: `the baseline has ${describeShare(baselineMissing)}`,
    },
  ];
  if (ref.kind === 'numeric') {
    checks.push({
      test: 'values that are no number',
      failing: invalid,
      baselineShare: ref.invalid / baselineRows,
      limit: ref.invalid / baselineRows + config.outOfRange,
      detail: `the baseline has ${describeShare(ref.invalid / baselineRows)}`,
    });
    if (ref.range !== null) {
      const { minimum, maximum, declared } = ref.range;
      checks.push({
        test: 'values outside the range',
        failing: profile.counts[column.violations + 1]! + profile.counts[column.violations + 2]!,
        baselineShare: 0,
        limit: config.outOfRange,
        detail: `${declared ? 'allowed are' : 'the baseline has'} ${describeNumber(minimum)} to ${describeNumber(maximum)}`,
      });
    }
  }
  if (ref.kind === 'categorical' && !ref.truncated) {
    const names = [...profile.unseen[column.unseen]!].sort((a, b) => b[1] - a[1]).slice(0, 3);
    checks.push({
      test: 'unseen categories',
      failing: profile.counts[column.offset + column.cells - 2]!,
      baselineShare: 0,
      limit: config.unseen,
      detail: names.length === 0 ? '' : `such as ${names.map(([name]) => describeText(name)).join(', ')}`,
    });
  }
  return checks;
}

function judgeColumn(
  column: PlannedColumn,
  checks: readonly QualityCheck[],
  baselineRows: number,
  rows: number,
  falseAlarmRate: number,
  questions: number,
): Finding {
  const { name, role } = column.reference;
  const base = { monitor: 'data-quality', subject: name, role, baselineRows, windowRows: rows } as const;
  // A column has its missing check at least.
  const worst = checks.reduce((a, b) => (excess(b, rows) > excess(a, rows) ? b : a));
  if (rows < fewestRows) {
    return {
      ...base,
      ...undecidedParts,
      because: 'too-few-rows',
      test: worst.test,
      effectName: worst.test,
      sentence: `The values of ${name} are not judged: ${describeCount(rows)} rows in the window, ${fewestRows} are needed.`,
    };
  }
  const share = worst.failing / rows;
  const bound = lowerBound(worst.failing, rows, falseAlarmRate / questions);
  const isBreached = bound > worst.limit;
  const shown = { test: worst.test, effectName: worst.test, statistic: worst.failing, effect: share, pValue: null };
  const parts = { ...base, ...shown, threshold: worst.limit, falseAlarmRate };
  if (!isBreached) {
    return {
      ...parts,
      outcome: 'stable',
      sentence: `The values of ${name} are sound: ${measured(worst, share)} (${describeCount(rows)} rows).`,
    };
  }
  const detail = worst.detail === '' ? '' : ` (${worst.detail})`;
  return {
    ...parts,
    outcome: 'breached',
    sentence: `${name}: ${measured(worst, share)}${detail} in ${describeCount(rows)} rows; ${describePromise(falseAlarmRate)}.`,
  };
}

function measured(check: QualityCheck, share: number): string {
  const limit = `${describeShare(check.limit)} allowed`;
  switch (check.test) {
    case 'missing share':
      return `${describeShare(share)} of values are missing, ${limit}`;
    case 'values that are no number':
      return `${describeShare(share)} of values are no number, ${limit}`;
    case 'values outside the range':
      return `${describeShare(share)} of values are outside the range, ${limit}`;
    case 'unseen categories':
      return `${describeShare(share)} of rows have a category that the baseline never had, ${limit}`;
    default:
      return check.test satisfies never;
  }
}

function excess(check: QualityCheck, rows: number): number {
  return rows === 0 ? 0 : check.failing / rows - check.limit;
}

/** Lower confidence bound of a share (Clopper and Pearson 1934): above the truth with probability at most `alpha`. */
export function lowerBound(count: number, rows: number, alpha: number): number {
  return count === 0 ? 0 : betaQuantile(alpha, count, rows - count + 1);
}
