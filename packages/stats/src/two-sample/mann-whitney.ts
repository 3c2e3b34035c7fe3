import { type Numbers, sortValues } from '../sorting.ts';
import { normalSf, normalTwoSided } from '../special.ts';
import type { Alternative } from './kolmogorov-smirnov.ts';
import { forEachTieGroup } from './ranks.ts';
import type { TestResult } from './test-result.ts';

export interface MannWhitneyOptions {
  /** 'greater': the first sample tends to be larger. @default 'two-sided' */
  readonly alternative?: Alternative;
}

/**
 * Mann-Whitney U test, normal approximation with tie and continuity corrections. The statistic is U of the first sample.
 * Everything tied, or an empty sample: p-value 1.
 */
export function mannWhitneyU(a: Numbers, b: Numbers, options: MannWhitneyOptions = {}): TestResult {
  const left = sortValues(a).sorted;
  const right = sortValues(b).sorted;
  const n = left.length;
  const m = right.length;
  if (n === 0 || m === 0) return { statistic: 0, pValue: 1 };
  let rankSum = 0;
  let tieSum = 0;
  forEachTieGroup(left, right, ({ inA, inB, before }) => {
    const ties = inA + inB;
    rankSum += inA * (before + (ties + 1) / 2);
    tieSum += ties * ties * ties - ties;
  });
  const u = rankSum - (n * (n + 1)) / 2;
  const total = n + m;
  const variance = ((n * m) / 12) * (total + 1 - tieSum / (total * (total - 1)));
  if (!(variance > 0)) return { statistic: u, pValue: 1 };
  const spread = Math.sqrt(variance);
  const centred = u - (n * m) / 2;
  const alternative = options.alternative ?? 'two-sided';
  if (alternative === 'two-sided') {
    return { statistic: u, pValue: Math.min(1, normalTwoSided(Math.max(0, Math.abs(centred) - 0.5) / spread)) };
  }
  const oriented = alternative === 'greater' ? centred : -centred;
  return { statistic: u, pValue: normalSf((oriented - 0.5) / spread) };
}
