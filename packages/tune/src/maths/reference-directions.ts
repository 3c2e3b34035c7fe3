/**
 * Evenly spaced points of the unit simplex: every vector of non-negative multiples of 1 / divisions that sums to 1,
 * C(objectives + divisions - 1, divisions) of them.
 *
 * Das & Dennis, Normal-boundary intersection, SIAM J. Optim. 8 (1998).
 */
export function referenceDirections(objectives: number, divisions: number): readonly (readonly number[])[] {
  const out: number[][] = [];
  const fill = (prefix: readonly number[], left: number): void => {
    if (prefix.length === objectives - 1) {
      out.push([...prefix, left].map(k => k / divisions));
      return;
    }
    for (let k = 0; k <= left; k++) fill([...prefix, k], left - k);
  };
  fill([], divisions);
  return out;
}

/** The finest division with at most `limit` directions, at least 1. */
export function divisionsFor(objectives: number, limit: number): number {
  let divisions = 1;
  let count = objectives;
  // C(m + p, p + 1) = C(m + p - 1, p) (m + p) / (p + 1)
  for (;;) {
    count = (count * (objectives + divisions)) / (divisions + 1);
    if (count > limit || objectives === 1) return divisions;
    divisions++;
  }
}
