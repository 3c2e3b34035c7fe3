import { TuneFault } from '../../fault.ts';
import { greatest, least } from '../../maths/extremes.ts';
import type { Rng } from '../../rng.ts';
import type { Point, Space } from '../../space/space.ts';
import { learnable } from '../estimate-final.ts';
import { quasiRandom } from '../quasi-random.ts';
import { drawAccepted, type Observation, type ProposalContext, type Sampler } from '../sampler.ts';
import { logNormalImprovement, logScaled } from './log-improvement.ts';
import { oneExchange } from './one-exchange.ts';
import { bootstrap, RegressionTree, toInput } from './regression-tree.ts';

export interface ForestOptions {
  /** Quasi-random trials before the model takes over. @default 2 * dimensions + 2, from 5 to 20 */
  readonly startupTrials?: number;
  /** @default 10 */
  readonly trees?: number;
  /** Share of proposals drawn at random, so that no region is given up for good. @default 0.2 */
  readonly randomShare?: number;
  /** Trials the forest is grown on: the best half, the newest quarter and a spread of the others. @default 500 */
  readonly maxPoints?: number;
  /** Random configurations scored beside the local searches. @default 1000 */
  readonly candidates?: number;
}

/** Local searches that start at the best trials, and as many at the best random candidates. */
const localStarts = 10;
const longestWalk = 60;

/**
 * A random forest as the model (SMAC): strong on categories, conditional parameters and rough landscapes, where a
 * smooth model misleads. Expected improvement of the logarithm of the loss, maximised by local search over
 * configurations that differ in one parameter; a share of proposals is random. Several objectives are joined by random
 * weights, anew for every proposal (ParEGO); trials that break a told constraint or fail count as the worst.
 *
 * Hutter, Hoos & Leyton-Brown, Sequential model-based optimization for general algorithm configuration, LION 2011;
 * Knowles, ParEGO, IEEE TEC 10 (2006).
 */
export function forest(options: ForestOptions = {}): Sampler {
  const { trees = 10, randomShare = 0.2, maxPoints = 500, candidates = 1000 } = options;
  if (!Number.isInteger(trees) || trees < 2)
    throw new TuneFault('bad_option', 'trees', 'must be a whole number from 2');
  if (!(randomShare >= 0 && randomShare <= 1)) throw new TuneFault('bad_option', 'randomShare', 'must be from 0 to 1');
  if (!(maxPoints >= 10)) throw new TuneFault('bad_option', 'maxPoints', 'must be at least 10');
  const design = quasiRandom();
  return {
    name: 'forest',
    propose(context) {
      const { space, rng } = context;
      const startup = options.startupTrials ?? Math.min(20, Math.max(5, 2 * space.size + 2));
      const learned = learnable(context.observations, startup);
      if (learned.filter(o => o.kind === 'complete').length < Math.max(2, startup)) return design.propose(context);
      if (rng.next() < randomShare) return drawAccepted(context, () => space.random(rng));
      const known = selectForForest(learned, maxPoints, rng);
      return mostPromising(context, new Model(context, known, trees), candidates);
    },
    save: () => design.save(),
    load: state => design.load(state),
  };
}

/** All of them, or the best half, the newest quarter and random others. */
function selectForForest(known: readonly Observation[], limit: number, rng: Rng): readonly Observation[] {
  if (known.length <= limit) return known;
  const byLoss = [...known].sort((a, b) => (a.losses[0] ?? Infinity) - (b.losses[0] ?? Infinity));
  const chosen = new Set([...byLoss.slice(0, Math.floor(limit / 2)), ...known.slice(-Math.floor(limit / 4))]);
  while (chosen.size < limit) chosen.add(known[rng.int(known.length)]!);
  return known.filter(o => chosen.has(o));
}

/** The forest of one proposal and the improvement it expects. */
class Model {
  /** Trials from the best on. */
  readonly best: readonly Observation[];
  readonly #trees: readonly RegressionTree[];
  readonly #logBest: number;

  constructor(context: ProposalContext, known: readonly Observation[], trees: number) {
    const { space, rng } = context;
    const losses = joinedLosses(known, context.objectives, rng);
    const order = known.map((_, i) => i).sort((a, b) => losses[a]! - losses[b]!);
    this.best = order.map(i => known[i]!);
    const values = logScaled(losses);
    this.#logBest = least(values);
    // A trial under way counts with the mean, which keeps others from crowding around it.
    const pending = context.observations.filter(o => o.kind === 'pending' && o.last === undefined);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const rows = {
      inputs: [...known, ...pending].map(o => toInput(o.point)),
      values: Float64Array.from([...values, ...pending.map(() => mean)]),
      isCategory: space.dimensions.map(d => d.domain.kind === 'category'),
    };
    this.#trees = Array.from({ length: trees }, () => new RegressionTree(rows, bootstrap(rows.inputs.length, rng)));
  }

  improvement(point: Point): number {
    const x = toInput(point);
    let sum = 0;
    let squares = 0;
    for (const tree of this.#trees) {
      const y = tree.predict(x);
      sum += y;
      squares += y * y;
    }
    const n = this.#trees.length;
    return logNormalImprovement(sum / n, squares / n - (sum / n) ** 2, this.#logBest);
  }
}

/** One loss a trial: the only one, or the augmented Chebyshev sum of the scaled ones with random weights. */
function joinedLosses(known: readonly Observation[], objectives: number, rng: Rng): readonly number[] {
  const isGood = (o: Observation): boolean => o.kind === 'complete' && o.violation === 0;
  const good = known.filter(isGood);
  const scaled = good.length > 0 ? good : known.filter(o => o.kind === 'complete');
  const draws = Array.from({ length: objectives }, () => rng.exponential());
  const total = draws.reduce((a, b) => a + b, 0);
  const scales = draws.map((w, k) => {
    const column = scaled.map(o => o.losses[k]!);
    const low = least(column);
    return { low, width: greatest(column) - low || 1, weight: w / total };
  });
  const join = (o: Observation): number => {
    if (objectives === 1) return o.losses[0]!;
    const parts = scales.map(({ low, width, weight }, k) => (weight * (o.losses[k]! - low)) / width);
    return Math.max(...parts) + 0.05 * parts.reduce((a, b) => a + b, 0);
  };
  const worst = greatest(scaled.map(join));
  return known.map(o => (isGood(o) || (good.length === 0 && o.kind === 'complete') ? join(o) : worst));
}

interface Scored {
  readonly point: Point;
  readonly value: number;
}

/** The best acceptable configuration of the random candidates and of the local searches from good places. */
function mostPromising(context: ProposalContext, model: Model, candidates: number): Point | undefined {
  const { space, rng } = context;
  const score = (point: Point): Scored => ({ point, value: model.improvement(point) });
  const scattered = Array.from({ length: candidates }, () => score(space.random(rng))).sort(
    (a, b) => b.value - a.value,
  );
  const starts = [...model.best.slice(0, localStarts).map(o => score(o.point)), ...scattered.slice(0, localStarts)];
  const found = starts.flatMap(start => walk(start, space, score, rng));
  const acceptable = [...found, ...scattered].sort((a, b) => b.value - a.value).find(s => context.accepts(s.point));
  return acceptable?.point ?? drawAccepted(context, () => space.random(rng));
}

/** Moves to the first better neighbour until there is none; answers every place it has stood, last neighbours included. */
function walk(start: Scored, space: Space, score: (point: Point) => Scored, rng: Rng): readonly Scored[] {
  const places: Scored[] = [start];
  let current = start;
  for (let step = 0; step < longestWalk; step++) {
    const neighbours = oneExchange(space, current.point, rng).map(score);
    const better = neighbours.find(n => n.value > current.value);
    if (!better) return [...places, ...neighbours];
    current = better;
    places.push(better);
  }
  return places;
}
