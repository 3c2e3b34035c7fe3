import { fastNormalCdf, normalDensity } from '../../maths/fast-normal.ts';

/** What running a trial to its next rung costs, and how far that may move the prediction of its final loss. */
export interface Stage {
  readonly cost: number;
  /** Standard deviation. */
  readonly deviation: number;
}

/** A nine-point Gauss-Hermite rule for the standard normal (Abramowitz & Stegun, table 25.10). */
const rule: readonly { readonly node: number; readonly weight: number }[] = [
  [0, 0.4063492063492063],
  [1.0232556637891326, 0.2440975028949394],
  [2.0768479786778302, 0.0499164067652179],
  [3.20542900285647, 0.0027891413212317705],
  [4.512745863399783, 2.2345844007746563e-5],
].flatMap(([node = 0, weight = 0]) =>
  node === 0
    ? [{ node, weight }]
    : [
        { node, weight },
        { node: -node, weight },
      ],
);

/** Gain and cost to be expected of going on in the best way. */
interface Outlook {
  readonly gain: number;
  readonly cost: number;
}

const nothing: Outlook = { gain: 0, cost: 0 };

function expectedGain(lead: number, deviation: number): number {
  if (!(deviation > 1e-9)) return Math.max(0, lead);
  const z = lead / deviation;
  return deviation * (z * fastNormalCdf(z) + normalDensity(z));
}

/** Goes on with stage k, then only with what is worth its price. */
function follow(stages: readonly Stage[], k: number, lead: number, price: number): Outlook {
  const { cost, deviation } = stages[k]!;
  if (k === stages.length - 1) return { gain: expectedGain(lead, deviation), cost };
  let gain = 0;
  let total = cost;
  for (const { node, weight } of rule) {
    const next = goOnIfWorth(stages, k + 1, lead + deviation * node, price);
    gain += weight * next.gain;
    total += weight * next.cost;
  }
  return { gain, cost: total };
}

function goOnIfWorth(stages: readonly Stage[], k: number, lead: number, price: number): Outlook {
  const outlook = follow(stages, k, lead, price);
  return outlook.gain > price * outlook.cost ? outlook : nothing;
}

/**
 * Improvement per cost that a trial promises when it is given up at every rung after which going on is not worth it:
 * the price at which the best way to go on just pays. `lead` is by how much its predicted final loss is below the best
 * loss; the stages are those still to come.
 *
 * The index of Gittins for a project in stages (J. Gittins, Bandit processes and dynamic allocation indices, JRSS B 41,
 * 1979), found by Dinkelbach's iteration for ratios (Management Science 13, 1967).
 */
export function improvementRate(lead: number, stages: readonly Stage[]): number {
  let price = 0;
  for (let round = 0; round < 12; round++) {
    const { gain, cost } = follow(stages, 0, lead, price);
    const next = gain / cost;
    if (next <= price * 1.005) return Math.max(price, next);
    price = next;
  }
  return price;
}
