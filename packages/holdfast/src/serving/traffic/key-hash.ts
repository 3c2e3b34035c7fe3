/** FNV-1a over the UTF-16 units of a text (Fowler, Noll, Vo), from a seed. */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** The finalizer of MurmurHash3 (A. Appleby): every input bit changes every output bit with probability near a half. */
function mix(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

export interface WeightedChoice {
  /** Hash of the choice's name. */
  readonly seed: number;
  readonly weight: number;
}

/**
 * Weighted rendezvous hashing (Thaler and Ravishankar 1998): each choice races with an exponential time of its own for
 * this key, and the first one wins, in proportion to the weights. A change of weights moves only the keys that the
 * changed shares win or lose.
 * @returns the index of the winner; -1 when no weight is above 0
 */
export function chooseByKey(key: number, choices: readonly WeightedChoice[]): number {
  let winner = -1;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < choices.length; i++) {
    const { seed, weight } = choices[i]!;
    if (weight <= 0) continue;
    const uniform = (mix(key ^ seed) + 0.5) / 0x1_0000_0000;
    const time = -Math.log(uniform) / weight;
    if (time < best) {
      best = time;
      winner = i;
    }
  }
  return winner;
}

/** The same shares by chance. @param uniform in [0, 1) */
export function chooseByChance(uniform: number, choices: readonly WeightedChoice[]): number {
  let total = 0;
  for (let i = 0; i < choices.length; i++) total += choices[i]!.weight;
  let rest = uniform * total;
  for (let i = 0; i < choices.length; i++) {
    rest -= choices[i]!.weight;
    if (rest < 0) return i;
  }
  return -1;
}
