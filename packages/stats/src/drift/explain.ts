import type { Correction } from '../corrections.ts';
import type { ComparedColumn, TestName, UndecidedReason } from './comparison.ts';

const testNames: Readonly<Record<TestName, string>> = {
  'kolmogorov-smirnov': 'Kolmogorov-Smirnov test',
  'chi-square': 'chi-square test',
  'two-proportion': 'two-proportion test',
};

const effectNames: Readonly<Record<ComparedColumn['effectName'], string>> = {
  ks: 'KS distance beyond chance',
  psi: 'PSI beyond chance',
  wasserstein: 'Wasserstein distance beyond chance, in baseline spreads,',
  'total-variation': 'total variation beyond chance',
  'l-infinity': 'largest share difference beyond chance',
  'missing-share': 'missing-share difference beyond chance',
};

const reasons: Readonly<Record<UndecidedReason, string>> = {
  'no-baseline-rows': 'the baseline has no rows',
  'no-current-rows': 'the current window has no rows',
  'too-few-rows': 'there are too few rows to tell chance from change',
  'all-missing': 'every value is missing on both sides',
  'column-missing': 'the current window has no such column',
  'kind-changed': 'it is numeric on one side and categorical on the other',
  'different-bins': 'the two sides were counted over different bins',
};

const correctionNames: Readonly<Record<Correction, string>> = {
  none: 'not adjusted',
  bonferroni: 'Bonferroni-adjusted',
  holm: 'Holm-adjusted',
  'benjamini-hochberg': 'Benjamini-Hochberg-adjusted',
  'benjamini-yekutieli': 'Benjamini-Yekutieli-adjusted',
};

/** Why a column is not judged, as a sentence. */
export function explainUndecided(column: string, because: UndecidedReason): string {
  return `"${column}" is not judged: ${reasons[because]}.`;
}

/** One sentence a person understands: what moved, how far against which limit, and how sure the test is. */
export function explainVerdict(
  column: string,
  compared: ComparedColumn,
  verdict: {
    readonly drifted: boolean;
    readonly adjustedPValue: number;
    readonly alpha: number;
    readonly correction: Correction;
  },
): string {
  const { adjustedPValue, alpha } = verdict;
  const head = verdict.drifted ? `"${column}" drifted: ${whatMoved(compared)}` : `"${column}" is stable`;
  const effect = `${effectNames[compared.effectName]} ${number(compared.effect)}, limit ${number(compared.effectThreshold)}`;
  const certainty = `${testNames[compared.test]} p ${pText(adjustedPValue)} (${correctionNames[verdict.correction]}, alpha ${number(alpha)})`;
  const sizes = `${count(compared.currentRows)} rows against ${count(compared.baselineRows)}`;
  return `${head}; ${effect}; ${certainty}; ${sizes}.`;
}

function whatMoved(compared: ComparedColumn): string {
  if (compared.cause === 'missing') {
    const before = percent(compared.baselineMissing / compared.baselineRows);
    return `its missing share went from ${before} to ${percent(compared.currentMissing / compared.currentRows)}`;
  }
  const { statistics } = compared;
  if (statistics.kind === 'categorical') {
    const { category, baselineShare, currentShare } = statistics.mover;
    const unseen =
      statistics.unseenShare > 0 ? `, and ${percent(statistics.unseenShare)} of rows have a new category` : '';
    return `the share of "${category}" went from ${percent(baselineShare)} to ${percent(currentShare)}${unseen}`;
  }
  const { baselineMean, currentMean } = statistics;
  return `its distribution moved (mean ${number(baselineMean)} to ${number(currentMean)})`;
}

/** One sentence for a whole report. */
export function explainReport(
  drifted: readonly string[],
  compared: number,
  undecided: number,
  promised: number,
): string {
  const promise = `a quiet window raises an alarm in at most ${percent(promised)} of cases`;
  const rest = undecided > 0 ? `; ${undecided} not judged` : '';
  if (compared === 0) return `No column could be judged${rest}.`;
  if (drifted.length === 0) return `None of ${compared} columns drifted${rest}; ${promise}.`;
  const named = drifted
    .slice(0, 3)
    .map(name => `"${name}"`)
    .join(', ');
  const more = drifted.length > 3 ? ` and ${drifted.length - 3} more` : '';
  return `${drifted.length} of ${compared} columns drifted, first ${named}${more}${rest}; ${promise}.`;
}

function number(x: number): string {
  return x === 0 ? '0' : String(Number(x.toPrecision(3)));
}

function percent(share: number): string {
  return `${number(share * 100)} %`;
}

function pText(p: number): string {
  return p < 1e-12 ? '< 1e-12' : `= ${number(p)}`;
}

function count(rows: number): string {
  return rows.toLocaleString('en-US');
}
