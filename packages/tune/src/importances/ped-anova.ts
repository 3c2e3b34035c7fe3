import { TuneFault } from '../fault.ts';
import { percentileOf } from '../pruners/standing.ts';
import type { Domain } from '../space/domain.ts';
import {
  asShares,
  type Example,
  examplesOf,
  type Importance,
  type ImportanceOptions,
  type ImportanceSource,
} from './importance.ts';

export interface PedAnovaOptions extends ImportanceOptions {
  /** Share of the trials that count as good, above 0 and below 1. @default 0.1 */
  readonly quantile?: number;
}

/** Steps of the grid that numeric parameters are laid on. */
const gridSteps = 50;
/** Least bandwidth in steps, so that a kernel keeps 90 % of its mass within one step. */
const leastBandwidth = 0.5 / 1.64;

/**
 * PED-ANOVA: how differently the good trials are distributed over a parameter from all trials: the Pearson divergence
 * E_all[(p_good / p_all - 1)^2]. Linear in the number of trials, free of a model, and robust against diverged trials. It
 * says what it takes to be among the best, where fANOVA says what moves the loss anywhere. A parameter that exists only
 * sometimes is judged among the trials that have it, and counts with its share of the good ones.
 *
 * Watanabe, Bansal & Hutter, PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary subspaces,
 * IJCAI 2023.
 *
 * @throws TuneFault 'not_enough_trials', 'bad_option'
 */
export function pedAnova(source: ImportanceSource, options: PedAnovaOptions = {}): readonly Importance[] {
  const { objective = 0, quantile = 0.1 } = options;
  if (!(quantile > 0 && quantile < 1)) throw new TuneFault('bad_option', 'quantile', 'must be between 0 and 1');
  const byLoss = [...examplesOf(source, objective, 10)].sort((a, b) => a.loss - b.loss);
  const good = new Set(best(byLoss, quantile));
  const amounts = source.space.dimensions.map(({ domain }, d) => {
    const having = byLoss.filter(e => !Number.isNaN(e.point[d]!));
    const goodShare = having.filter(e => good.has(e)).length / good.size;
    if (goodShare === 0) return 0;
    const coordinates = (examples: readonly Example[]): readonly number[] => examples.map(e => e.point[d]!);
    return goodShare * divergence(coordinates(best(having, quantile)), coordinates(having), domain);
  });
  return asShares(source.space, amounts);
}

/** The first share of sorted examples, two of them at least, with those that equal the last one. */
function best(byLoss: readonly Example[], quantile: number): readonly Example[] {
  const last = byLoss[Math.min(byLoss.length, Math.max(2, Math.ceil(quantile * byLoss.length))) - 1];
  return last ? byLoss.filter(e => e.loss <= last.loss) : [];
}

function divergence(good: readonly number[], all: readonly number[], domain: Domain): number {
  const pGood = densityOnGrid(good, domain);
  const pAll = densityOnGrid(all, domain);
  let sum = 0;
  for (const [i, p] of pAll.entries()) if (p > 1e-12) sum += p * (pGood[i]! / p - 1) ** 2;
  return sum;
}

/** Probabilities of the categories or grid steps. */
function densityOnGrid(coordinates: readonly number[], domain: Domain): Float64Array {
  if (domain.kind === 'category') return shares(coordinates, domain.count);
  const steps = Math.min(gridSteps, domain.count);
  const at = coordinates.map(x =>
    domain.count <= gridSteps ? domain.indexOf(x) : Math.min(steps - 1, Math.floor(x * steps)),
  );
  const width = scottBandwidth(at);
  const counts = shares(at, steps);
  const density = new Float64Array(steps);
  for (let k = 0; k < steps; k++) {
    if (counts[k] === 0) continue;
    const kernel = Float64Array.from({ length: steps }, (_, i) => Math.exp(-0.5 * ((i - k) / width) ** 2));
    const mass = kernel.reduce((a, b) => a + b, 0);
    for (let i = 0; i < steps; i++) density[i]! += (counts[k]! * kernel[i]!) / mass;
  }
  return density;
}

function shares(indices: readonly number[], count: number): Float64Array {
  const out = new Float64Array(count);
  for (const i of indices) out[i]! += 1;
  return out.map(n => n / indices.length);
}

/** Scott's rule: 1.059 min(IQR / 1.34, deviation) n^(-1/5). */
function scottBandwidth(values: readonly number[]): number {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  const deviation = Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / Math.max(1, n - 1));
  const iqr = percentileOf(values, 75) - percentileOf(values, 25);
  return Math.max(leastBandwidth, 1.059 * Math.min(iqr / 1.34, deviation) * n ** -0.2);
}
