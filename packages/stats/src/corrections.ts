import type { Numbers } from './sorting.ts';

/** How p-values of many questions asked together are adjusted. */
export type Correction = 'none' | 'bonferroni' | 'holm' | 'benjamini-hochberg' | 'benjamini-yekutieli';

/** Adjusted p-values in the order given: compare each with alpha. @throws RangeError for a p-value outside [0, 1]. */
export function adjustPValues(pValues: Numbers, correction: Correction): Float64Array {
  switch (correction) {
    case 'none':
      return checked(pValues);
    case 'bonferroni':
      return bonferroni(pValues);
    case 'holm':
      return holm(pValues);
    case 'benjamini-hochberg':
      return benjaminiHochberg(pValues);
    case 'benjamini-yekutieli':
      return benjaminiYekutieli(pValues);
    default:
      return correction satisfies never;
  }
}

/** Bonferroni: p times the number of questions. Controls the chance of any false alarm. */
export function bonferroni(pValues: Numbers): Float64Array {
  return checked(pValues).map(p => Math.min(1, p * pValues.length));
}

/** Holm 1979: the same guarantee as Bonferroni with more power. */
export function holm(pValues: Numbers): Float64Array {
  const p = checked(pValues);
  const adjusted = new Float64Array(p.length);
  let floor = 0;
  for (const [rank, at] of ascending(p).entries()) {
    floor = Math.max(floor, Math.min(1, (p.length - rank) * p[at]!));
    adjusted[at] = floor;
  }
  return adjusted;
}

/** Benjamini and Hochberg 1995: controls the expected share of false alarms among the alarms. */
export function benjaminiHochberg(pValues: Numbers): Float64Array {
  return stepUp(pValues, 1);
}

/** Benjamini and Yekutieli 2001: as Benjamini-Hochberg under any dependence between the questions. */
export function benjaminiYekutieli(pValues: Numbers): Float64Array {
  let harmonic = 0;
  for (let i = 1; i <= pValues.length; i++) harmonic += 1 / i;
  return stepUp(pValues, harmonic);
}

function stepUp(pValues: Numbers, factor: number): Float64Array {
  const p = checked(pValues);
  const adjusted = new Float64Array(p.length);
  const order = ascending(p);
  let ceiling = 1;
  for (let rank = p.length - 1; rank >= 0; rank--) {
    const at = order[rank]!;
    ceiling = Math.min(ceiling, (p[at]! * p.length * factor) / (rank + 1));
    adjusted[at] = ceiling;
  }
  return adjusted;
}

function ascending(p: Float64Array): Int32Array {
  return Int32Array.from(p.keys()).sort((i, j) => p[i]! - p[j]! || i - j);
}

function checked(pValues: Numbers): Float64Array {
  const p = Float64Array.from(pValues);
  for (const value of p)
    if (!(value >= 0 && value <= 1)) throw new RangeError(`A p-value must lie in [0, 1], not ${value}.`);
  return p;
}
