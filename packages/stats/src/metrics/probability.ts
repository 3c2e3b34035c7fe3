import { type Numbers, sortValues } from '../sorting.ts';
import { forEachTieGroup } from '../two-sample/ranks.ts';

/** Probabilities are kept this far from 0 and 1 before a logarithm (scikit-learn uses the double's epsilon too). */
const smallest = 2.220446049250313e-16;

/**
 * Area under the ROC curve of scores for a two-class truth (1 positive, 0 negative): the chance that a random positive
 * scores above a random negative, ties counting half. Exact. Rows with NaN are left out; undefined unless both classes occur.
 */
export function rocAuc(truth: Numbers, scores: Numbers): number | undefined {
  const positives = new Float64Array(sameLength(truth, scores));
  const negatives = new Float64Array(truth.length);
  let p = 0;
  let n = 0;
  for (let i = 0; i < truth.length; i++) {
    if (Number.isNaN(truth[i]! + scores[i]!)) continue;
    if (truth[i]! > 0) positives[p++] = scores[i]!;
    else negatives[n++] = scores[i]!;
  }
  if (p === 0 || n === 0) return undefined;
  let negativesBelow = 0;
  let wins = 0;
  const left = sortValues(positives.subarray(0, p)).sorted;
  const right = sortValues(negatives.subarray(0, n)).sorted;
  forEachTieGroup(left, right, ({ inA, inB }) => {
    wins += inA * (negativesBelow + inB / 2);
    negativesBelow += inB;
  });
  return wins / (p * n);
}

/** Area under the precision-recall curve by steps (average precision); undefined unless a positive occurs. */
export function averagePrecision(truth: Numbers, scores: Numbers): number | undefined {
  const order = Int32Array.from({ length: sameLength(truth, scores) }, (_, i) => i)
    .filter(i => !Number.isNaN(truth[i]! + scores[i]!))
    .sort((i, j) => scores[j]! - scores[i]!);
  let positives = 0;
  for (const i of order) if (truth[i]! > 0) positives++;
  if (positives === 0) return undefined;
  let found = 0;
  let foundBefore = 0;
  let area = 0;
  for (let at = 0; at < order.length; at++) {
    if (truth[order[at]!]! > 0) found++;
    const last = at + 1 === order.length || scores[order[at + 1]!] !== scores[order[at]!];
    if (!last) continue;
    area += ((found - foundBefore) / positives) * (found / (at + 1));
    foundBefore = found;
  }
  return area;
}

/** Mean negative log likelihood of the truth (1 or 0) under the probabilities of 1, in nats; undefined without rows. */
export function logLoss(truth: Numbers, probabilities: Numbers): number | undefined {
  return meanOver(truth, probabilities, (y, p) => {
    const bounded = Math.min(1 - smallest, Math.max(smallest, p));
    return y > 0 ? -Math.log(bounded) : -Math.log1p(-bounded);
  });
}

/** Mean squared difference of probability and truth (1 or 0), in [0, 1]; undefined without rows. */
export function brier(truth: Numbers, probabilities: Numbers): number | undefined {
  return meanOver(truth, probabilities, (y, p) => (p - (y > 0 ? 1 : 0)) ** 2);
}

/**
 * Expected calibration error: mean gap between probability and observed share over equal-width bins, weighted by rows.
 * @param bins @default 10
 */
export function expectedCalibrationError(truth: Numbers, probabilities: Numbers, bins = 10): number | undefined {
  const gap = new Float64Array(bins);
  let rows = 0;
  for (let i = 0; i < sameLength(truth, probabilities); i++) {
    const p = probabilities[i]!;
    if (Number.isNaN(truth[i]! + p)) continue;
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(p * bins)));
    gap[bin] = gap[bin]! + p - (truth[i]! > 0 ? 1 : 0);
    rows++;
  }
  if (rows === 0) return undefined;
  return gap.reduce((sum, bin) => sum + Math.abs(bin), 0) / rows;
}

/**
 * Multi-class log loss.
 * @param truth class codes, 0 .. classes - 1
 * @param probabilities row-major, one row of `classes` per truth; rows are scaled to sum to 1
 */
export function multiclassLogLoss(truth: Numbers, probabilities: Numbers, classes: number): number | undefined {
  if (probabilities.length !== truth.length * classes)
    throw new RangeError('One probability per row and class is needed.');
  let rows = 0;
  let loss = 0;
  for (let i = 0; i < truth.length; i++) {
    const code = truth[i]!;
    if (!(code >= 0 && code < classes)) continue;
    let total = 0;
    for (let k = 0; k < classes; k++) total += probabilities[i * classes + k]!;
    if (!(total > 0)) continue;
    rows++;
    loss -= Math.log(Math.min(1, Math.max(smallest, probabilities[i * classes + code]! / total)));
  }
  return rows === 0 ? undefined : loss / rows;
}

function meanOver(truth: Numbers, probabilities: Numbers, term: (y: number, p: number) => number): number | undefined {
  let rows = 0;
  let sum = 0;
  for (let i = 0; i < sameLength(truth, probabilities); i++) {
    const y = truth[i]!;
    const p = probabilities[i]!;
    if (Number.isNaN(y + p)) continue;
    rows++;
    sum += term(y, p);
  }
  return rows === 0 ? undefined : sum / rows;
}

function sameLength(truth: Numbers, predicted: Numbers): number {
  if (truth.length !== predicted.length) throw new RangeError('Truth and probabilities must have the same length.');
  return truth.length;
}
