import { type Box, nonDominatedBoxes } from '../../maths/boxes.ts';
import { paretoFront } from '../../maths/domination.ts';
import { greatest, least } from '../../maths/extremes.ts';
import { greedyHypervolumeSubset } from '../../maths/hypervolume.ts';
import { logImprovement, logImprovementSlope } from './acquisition.ts';
import type { GaussianProcess } from './model.ts';
import type { Acquisition } from './search.ts';

/** Rows of the front that the boxes are built from, by number of objectives: boxes grow with its power m - 1. */
const mostRows = [0, 1, 60, 16, 9, 7] as const;

/** A tenth of the front's extent beyond its worst values; the worst values of all rows where the front is one point. */
export function improvementReference(
  front: readonly (readonly number[])[],
  rows: readonly (readonly number[])[],
): readonly number[] {
  return front[0]!.map((_, k) => {
    const worst = greatest(front.map(l => l[k]!));
    const width = worst - least(front.map(l => l[k]!));
    return width > 0 ? worst + 0.1 * width : greatest(rows.map(l => l[k]!)) + 0.1;
  });
}

/**
 * Log of the hypervolume that a trial is expected to add to the front. The objectives' models are independent, so the
 * expectation over each box of the space that is not dominated is a product of one-dimensional ones, and exact.
 *
 * Yang, Emmerich, Deutz & Back, Efficient computation of expected hypervolume improvement using box decomposition
 * algorithms, J. Global Optim. 75 (2019); logarithms as in Ament et al., NeurIPS 2023.
 *
 * @param rows posterior means of the finished, feasible trials, one value an objective
 */
export function hypervolumeImprovement(
  models: readonly GaussianProcess[],
  rows: readonly (readonly number[])[],
): Acquisition {
  const whole = paretoFront(rows).map(i => rows[i]!);
  const reference = improvementReference(whole, rows);
  const limit = mostRows[models.length] ?? 5;
  const front = whole.length <= limit ? whole : greedyHypervolumeSubset(whole, limit, reference).map(i => whole[i]!);
  const boxes = nonDominatedBoxes(front, reference);
  const size = models[0]!.size;
  const dMean = models.map(() => new Float64Array(size));
  const dVariance = models.map(() => new Float64Array(size));
  return {
    promise: input => -models.reduce((sum, m) => sum + m.predictMean(input), 0),
    value(input) {
      const posteriors = models.map(m => m.predict(input));
      return logSum(boxes.map(box => posteriors.reduce((sum, p, k) => sum + share(box, k, p.mean, p.variance).log, 0)));
    },
    valueWithGradient(input, gradient) {
      const posteriors = models.map((m, k) => m.predictWithGradient(input, dMean[k]!, dVariance[k]!));
      const shares = boxes.map(box => posteriors.map((p, k) => share(box, k, p.mean, p.variance)));
      const logs = shares.map(parts => parts.reduce((sum, part) => sum + part.log, 0));
      const value = logSum(logs);
      gradient.fill(0);
      posteriors.forEach(({ variance }, k) => {
        let byMean = 0;
        let bySigma = 0;
        shares.forEach((parts, b) => {
          const weight = Math.exp(logs[b]! - value);
          byMean += weight * parts[k]!.byMean;
          bySigma += weight * parts[k]!.bySigma;
        });
        const halfSigma = 2 * Math.sqrt(variance + 1e-12);
        for (let i = 0; i < size; i++)
          gradient[i]! += byMean * dMean[k]![i]! + (bySigma * dVariance[k]![i]!) / halfSigma;
      });
      return value;
    },
  };
}

interface Share {
  readonly log: number;
  readonly byMean: number;
  readonly bySigma: number;
}

/** Log of E[(high - max(low, Y))+] along one side of a box for a normal Y, and its slopes. */
function share(box: Box, k: number, mean: number, variance: number): Share {
  const sigma = Math.sqrt(variance + 1e-12);
  const zHigh = (box.high[k]! - mean) / sigma;
  const logHigh = logImprovement(zHigh);
  const slopeHigh = logImprovementSlope(zHigh);
  const low = box.low[k]!;
  if (low === Number.NEGATIVE_INFINITY)
    return {
      log: logHigh + Math.log(sigma),
      byMean: -slopeHigh / sigma,
      bySigma: (1 - zHigh * slopeHigh) / sigma,
    };
  const zLow = (low - mean) / sigma;
  const slopeLow = logImprovementSlope(zLow);
  const ratio = Math.exp(logImprovement(zLow) - logHigh);
  const rest = Math.max(1e-12, 1 - ratio);
  return {
    log: logHigh + Math.log(rest) + Math.log(sigma),
    byMean: -(slopeHigh - ratio * slopeLow) / (sigma * rest),
    bySigma: (1 - zHigh * slopeHigh - ratio * (1 - zLow * slopeLow)) / (sigma * rest),
  };
}

function logSum(logs: readonly number[]): number {
  const max = greatest(logs);
  return max + Math.log(logs.reduce((sum, l) => sum + Math.exp(l - max), 0));
}
