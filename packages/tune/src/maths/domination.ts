/** Whether losses a are nowhere worse and somewhere better than losses b. */
export function dominates(a: readonly number[], b: readonly number[]): boolean {
  let better = false;
  for (let i = 0; i < a.length; i++) {
    if (a[i]! > b[i]!) return false;
    if (a[i]! < b[i]!) better = true;
  }
  return better;
}

/**
 * Non-domination rank of every row: 0 for the Pareto front, 1 for the front of the rest, and so on. O(n log n) for one
 * and two objectives, O(m n^2) beyond.
 *
 * Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE TEC 6 (2002), section III A.
 */
export function nonDominationRanks(losses: readonly (readonly number[])[]): Int32Array {
  const n = losses.length;
  const ranks = new Int32Array(n).fill(-1);
  if (n > 0 && losses[0]!.length === 1) return ranksOfOne(losses, ranks);
  if (n > 0 && losses[0]!.length === 2) return ranksOfTwo(losses, ranks);
  const dominatedBy = new Int32Array(n);
  const beats: number[][] = losses.map(() => []);
  for (let i = 0; i < n; i++)
    for (let j = i + 1; j < n; j++) {
      if (dominates(losses[i]!, losses[j]!)) {
        beats[i]!.push(j);
        dominatedBy[j]!++;
      } else if (dominates(losses[j]!, losses[i]!)) {
        beats[j]!.push(i);
        dominatedBy[i]!++;
      }
    }
  let front: number[] = [];
  for (let i = 0; i < n; i++) if (dominatedBy[i] === 0) front.push(i);
  for (let rank = 0; front.length > 0; rank++) {
    const next: number[] = [];
    for (const i of front) {
      ranks[i] = rank;
      for (const j of beats[i]!) if (--dominatedBy[j]! === 0) next.push(j);
    }
    front = next;
  }
  return ranks;
}

function ranksOfOne(losses: readonly (readonly number[])[], ranks: Int32Array): Int32Array {
  const distinct = [...new Set(losses.map(l => l[0]!))].sort((a, b) => a - b);
  const rankOf = new Map(distinct.map((v, i) => [v, i]));
  losses.forEach((l, i) => {
    ranks[i] = rankOf.get(l[0]!) ?? 0;
  });
  return ranks;
}

/**
 * Rows by their first loss: a row belongs to the first front whose lowest second loss so far does not beat it. The
 * lowest second losses rise from front to front, so the front is found by bisection.
 *
 * Jensen, Reducing the run-time complexity of multiobjective EAs, IEEE TEC 7 (2003).
 */
function ranksOfTwo(losses: readonly (readonly number[])[], ranks: Int32Array): Int32Array {
  const order = losses
    .map((_, i) => i)
    .sort((a, b) => losses[a]![0]! - losses[b]![0]! || losses[a]![1]! - losses[b]![1]!);
  const lowest: number[] = [];
  let before = -1;
  for (const i of order) {
    const [x, y] = losses[i]!;
    if (before >= 0 && losses[before]![0] === x && losses[before]![1] === y) ranks[i] = ranks[before]!;
    else {
      let [from, to] = [0, lowest.length];
      while (from < to) {
        const middle = (from + to) >> 1;
        if (lowest[middle]! <= y!) from = middle + 1;
        else to = middle;
      }
      ranks[i] = from;
      lowest[from] = y!;
    }
    before = i;
  }
  return ranks;
}

/** Indices of the rows that nothing dominates. */
export function paretoFront(losses: readonly (readonly number[])[]): number[] {
  return losses.flatMap((l, i) => (losses.some(other => dominates(other, l)) ? [] : [i]));
}

/**
 * Crowding distance of every row within one front: the perimeter of the box between its neighbours, Infinity at the
 * ends. Deb et al. 2002, section III B.
 */
export function crowdingDistances(front: readonly (readonly number[])[]): Float64Array {
  const n = front.length;
  const distance = new Float64Array(n);
  for (let m = 0; m < (front[0]?.length ?? 0); m++) {
    const order = front.map((_, i) => i).sort((a, b) => front[a]![m]! - front[b]![m]!);
    const width = front[order[n - 1]!]![m]! - front[order[0]!]![m]!;
    distance[order[0]!] = Number.POSITIVE_INFINITY;
    distance[order[n - 1]!] = Number.POSITIVE_INFINITY;
    if (width > 0)
      for (let k = 1; k < n - 1; k++)
        distance[order[k]!]! += (front[order[k + 1]!]![m]! - front[order[k - 1]!]![m]!) / width;
  }
  return distance;
}

/** A complete order of rows, best first: by front, then the least crowded, then as given. */
export function rankByDomination(losses: readonly (readonly number[])[]): number[] {
  const ranks = nonDominationRanks(losses);
  const crowding = new Float64Array(losses.length);
  if ((losses[0]?.length ?? 0) > 1) {
    const fronts = new Map<number, number[]>();
    ranks.forEach((r, i) => {
      fronts.set(r, [...(fronts.get(r) ?? []), i]);
    });
    for (const members of fronts.values())
      crowdingDistances(members.map(i => losses[i]!)).forEach((d, k) => {
        crowding[members[k]!] = d;
      });
  }
  const less = (a: number, b: number): number => (crowding[a] === crowding[b] ? a - b : crowding[b]! - crowding[a]!);
  return losses.map((_, i) => i).sort((a, b) => ranks[a]! - ranks[b]! || less(a, b));
}
