import { normalQuantile } from '@holdfast/stats';
import { TuneFault } from '../fault.ts';
import {
  axesOf,
  type CmaState,
  defaultPopulation,
  hasConverged,
  sampleCma,
  startCma,
  updateCma,
} from '../maths/cma.ts';
import { greatest, least } from '../maths/extremes.ts';
import type { Point, Space } from '../space/space.ts';
import type { Json } from '../study/trial.ts';
import { firstRun, nextRestart, type RestartHistory, type RestartPolicy, spend } from './cma-restarts.ts';
import type { Observation, ProposalContext, Sampler } from './sampler.ts';
import { tpe } from './tpe.ts';

export interface CmaEsOptions {
  /** Trials a generation. @default 4 + floor(3 ln d) */
  readonly populationSize?: number;
  /** First step size, as a share of every parameter's range. @default 1/6 */
  readonly sigma?: number;
  /**
   * What follows a converged run: a larger population from a random start, large and small ones by turns, or nothing
   * new. @default 'ipop'
   */
  readonly restarts?: RestartPolicy;
}

/** A proposal on its way: where the strategy wanted it, which the space may have rounded. */
interface Sent {
  readonly number: number;
  readonly x: readonly number[];
}

interface Run {
  state: CmaState;
  sent: Sent[];
  history: RestartHistory;
  /** First step size of the present run. */
  sigma: number;
  /** Best loss of the newest generations, oldest first. */
  bests: number[];
}

/** What `save` has written is what `load` gets; anything else means a fresh start. */
function isRun(saved: unknown): saved is Run {
  return (
    typeof saved === 'object' && saved !== null && 'history' in saved && 'sent' in saved && Array.isArray(saved.sent)
  );
}

/**
 * Covariance matrix adaptation: learns the scale and rotation of a good region; strong on ill-conditioned problems and
 * from about 100 trials on. Numbers of all kinds take part; a grid gets a margin that keeps its neighbours reachable.
 * Categories are proposed by univariate TPE. A study with finished trials warm-starts the first run. One objective.
 *
 * Hansen, The CMA evolution strategy: a tutorial, arXiv:1604.00772; Hamano et al., CMA-ES with margin, GECCO 2022;
 * Nomura et al., Warm starting CMA-ES, AAAI 2021; Auger & Hansen, A restart CMA-ES with increasing population (2005);
 * Hansen, BI-population CMA-ES (2009).
 */
export function cmaEs(options: CmaEsOptions = {}): Sampler {
  const { sigma = 1 / 6, restarts = 'ipop' } = options;
  if (!(sigma > 0 && sigma <= 1)) throw new TuneFault('bad_option', 'sigma', 'must be above 0 and at most 1');
  if (
    options.populationSize !== undefined &&
    !(Number.isInteger(options.populationSize) && options.populationSize >= 4)
  )
    throw new TuneFault('bad_option', 'populationSize', 'must be a whole number from 4');
  const others = tpe({ mode: 'univariate' });
  let run: Run | undefined;
  return {
    name: 'cma-es',
    propose(context) {
      if (context.objectives !== 1) throw new TuneFault('unsupported_space', 'cma-es', 'it takes one objective');
      const numeric = numericDimensions(context.space);
      const base = numeric.length < context.space.size ? others.propose(context) : new Float64Array(context.space.size);
      if (numeric.length === 0 || base === undefined) return base;
      const size = options.populationSize ?? defaultPopulation(numeric.length);
      // A space that has gained a number since the state was saved starts afresh, from what is known.
      if (run && run.state.mean.length !== numeric.length) run = undefined;
      run ??= {
        state: firstState(context, numeric, sigma, size),
        sent: [],
        history: firstRun(size),
        sigma,
        bests: [],
      };
      advance(run, context, numeric, { sigma, restarts, size });
      const axes = axesOf(run.state);
      const scales = margins(run.state, context.space, numeric);
      let x: number[] = [];
      for (let i = 0; i < 100; i++) {
        x = sampleCma(run.state, axes, scales, context.rng);
        if (x.every(v => v >= 0 && v <= 1)) break;
      }
      x = x.map(v => Math.min(1, Math.max(0, v)));
      run.sent.push({ number: context.number, x });
      for (const [k, d] of numeric.entries()) base[d] = x[k]!;
      return base;
    },
    save: (): Json =>
      run
        ? {
            state: { ...run.state },
            sent: run.sent.map(s => ({ ...s })),
            history: { ...run.history },
            sigma: run.sigma,
            bests: [...run.bests],
          }
        : null,
    load(saved) {
      run = undefined;
      if (!isRun(saved)) return;
      const { state, sent, history, sigma: first, bests } = saved;
      run = { state, sent: [...sent], history, sigma: first, bests: [...bests] };
    },
  };
}

function numericDimensions(space: Space): readonly number[] {
  return space.dimensions.flatMap(({ domain }, d) => (domain.kind === 'numeric' && domain.count > 1 ? [d] : []));
}

/** The middle of the space, or the best tenth of what is known already. */
function firstState(context: ProposalContext, numeric: readonly number[], sigma: number, size: number): CmaState {
  const known = context.observations.filter(o => o.kind === 'complete' && o.violation === 0);
  if (known.length < 10)
    return startCma(
      numeric.map(() => 0.5),
      sigma,
      size,
    );
  const best = [...known].sort((a, b) => a.losses[0]! - b.losses[0]!).slice(0, Math.ceil(known.length / 10));
  const columns = numeric.map(d => best.map(o => o.point[d]!).filter(v => !Number.isNaN(v)));
  const mean = columns.map(c => (c.length === 0 ? 0.5 : c.reduce((a, b) => a + b, 0) / c.length));
  const spread = columns.map((c, i) => c.reduce((a, v) => a + (v - mean[i]!) ** 2, 0) / Math.max(1, c.length) + 0.01);
  const overall = Math.exp(spread.reduce((a, v) => a + Math.log(v), 0) / spread.length);
  return startCma(
    mean,
    Math.sqrt(overall),
    size,
    spread.map(v => v / overall),
  );
}

/** Closes every generation whose trials have ended, and restarts a run that has converged. */
function advance(
  run: Run,
  context: ProposalContext,
  numeric: readonly number[],
  options: { readonly sigma: number; readonly restarts: RestartPolicy; readonly size: number },
): void {
  const byNumber = new Map(context.observations.map(o => [o.number, o]));
  const done = run.sent.flatMap(sent => {
    const observation = byNumber.get(sent.number);
    return observation && observation.kind !== 'pending' ? [{ sent, observation }] : [];
  });
  if (done.length < run.state.populationSize) return;
  const ranked = done.slice(0, run.state.populationSize).sort((a, b) => compare(a.observation, b.observation));
  const axes = axesOf(run.state);
  const vectors = ranked.map(({ sent, observation }) =>
    sent.x.map((x, k) => evaluatedAt(observation.point, numeric[k]!, x, context.space)),
  );
  run.state = updateCma(run.state, axes, vectors);
  run.sent = [];
  run.history = spend(run.history, ranked.length);
  run.bests = [...run.bests, ranked[0]!.observation.losses[0] ?? 0].slice(-flatGenerations(run.state));
  const { sigma, restarts, size } = options;
  if (restarts === 'none' || !(hasConverged(run.state, axesOf(run.state), run.sigma) || isFlat(run))) return;
  const next = nextRestart(restarts, run.history, size, context.rng);
  run.history = {
    ...run.history,
    regime: next.regime,
    largeSize: next.regime === 'large' ? next.populationSize : run.history.largeSize,
  };
  run.sigma = sigma * next.step;
  run.bests = [];
  run.state = startCma(
    numeric.map(() => context.rng.next()),
    run.sigma,
    next.populationSize,
  );
}

/** Generations whose best losses must agree before a run counts as flat. Auger & Hansen 2005, section III. */
function flatGenerations(state: CmaState): number {
  return 10 + Math.ceil((30 * state.mean.length) / state.populationSize);
}

function isFlat({ state, bests }: Run): boolean {
  if (bests.length < flatGenerations(state)) return false;
  return greatest(bests) - least(bests) <= 1e-12 * Math.max(1, Math.abs(bests[0]!));
}

/** Where a trial really was: the study may have replaced a proposal; a grid keeps the wanted position within its cell. */
function evaluatedAt(point: Point, d: number, wanted: number, space: Space): number {
  const { domain } = space.dimensions[d]!;
  const actual = point[d]!;
  if (Number.isNaN(actual) || domain.kind !== 'numeric') return wanted;
  return Number.isFinite(domain.count) && domain.indexOf(actual) === domain.indexOf(wanted) ? wanted : actual;
}

/** Feasible complete trials by loss, then infeasible ones by violation, then what was pruned or failed. */
function compare(a: Observation, b: Observation): number {
  const rank = (o: Observation): number =>
    o.kind === 'complete' ? (o.violation > 0 ? 1 : 0) : o.kind === 'pruned' ? 2 : 3;
  return rank(a) - rank(b) || a.violation - b.violation || (a.losses[0] ?? 0) - (b.losses[0] ?? 0);
}

/** Widening of each discrete coordinate that leaves its present cell with a probability of at least 1 / (d lambda). */
function margins(state: CmaState, space: Space, numeric: readonly number[]): readonly number[] {
  const d = numeric.length;
  const quantile = normalQuantile(1 - 1 / (d * state.populationSize));
  return numeric.map((dimension, k) => {
    const { domain } = space.dimensions[dimension]!;
    if (domain.kind !== 'numeric' || !Number.isFinite(domain.count)) return 1;
    const x = Math.min(1, Math.max(0, state.mean[k]!));
    const [from, to] = domain.cellAt(domain.indexOf(x));
    const edges = [from > 0 ? x - from : Number.POSITIVE_INFINITY, to < 1 ? to - x : Number.POSITIVE_INFINITY];
    const deviation = state.sigma * Math.sqrt(Math.max(1e-300, state.covariance[k * d + k]!));
    return Math.max(1, Math.min(...edges) / (quantile * deviation));
  });
}
