import { greatest } from '../../maths/extremes.ts';
import { fitYeoJohnson, standardize, yeoJohnson } from '../../maths/power-transform.ts';
import type { Space } from '../../space/space.ts';
import type { Json } from '../../study/trial.ts';
import type { Observation, ProposalContext } from '../sampler.ts';
import { fitHyper } from './fit.ts';
import { defaultHyper, fromVector, type Hyper, type KernelShape, toVector } from './kernel.ts';
import { GaussianProcess } from './model.ts';
import { toInput } from './search.ts';

/** Hyper-parameters as they were last fitted, and to how many trials. */
interface Fitted {
  readonly hyper: Hyper;
  readonly trials: number;
}

interface Saved {
  readonly hyper: readonly number[];
  readonly trials: number;
}

function isSaved(entry: Json): entry is Json & Saved {
  return typeof entry === 'object' && entry !== null && 'hyper' in entry && 'trials' in entry;
}

/** One output of a model: values at inputs. */
export interface Output {
  readonly inputs: readonly Float64Array[];
  readonly values: Float64Array;
  /** Trials the output is drawn from, when not all of them take part. */
  readonly known: number;
}

/** The Gaussian processes of a sampler, one an output; remembers their hyper-parameters between proposals. */
export class Surrogates {
  #fitted: (Fitted | undefined)[] = [];

  /** The process of output `index` given its values and, at their predicted values, the trials under way. */
  condition(index: number, output: Output, context: ProposalContext): GaussianProcess {
    const shape = shapeOf(context.space);
    const fitted = refit(this.#fitted[index], output, shape);
    this.#fitted[index] = fitted;
    const { inputs, values } = output;
    const model = new GaussianProcess(inputs, values, shape, fitted.hyper);
    const pending = context.observations
      .filter(o => o.kind === 'pending' && o.last === undefined)
      .map(o => toInput(context.space, o.point));
    if (pending.length === 0) return model;
    const believed = pending.map(x => model.predict(x).mean);
    return new GaussianProcess(
      [...inputs, ...pending],
      Float64Array.from([...values, ...believed]),
      shape,
      fitted.hyper,
    );
  }

  save(): Json {
    return Array.from(this.#fitted, f => (f ? { hyper: [...toVector(f.hyper)], trials: f.trials } : null));
  }

  load(state: Json): void {
    this.#fitted = Array.isArray(state)
      ? (state as readonly Json[]).map(entry =>
          isSaved(entry) ? { hyper: fromVector(Float64Array.from(entry.hyper)), trials: entry.trials } : undefined,
        )
      : [];
  }
}

export function shapeOf(space: Space): KernelShape {
  return { isCategory: space.dimensions.map(d => d.domain.kind === 'category') };
}

/** All of them, or the best half, the newest quarter and random others. */
export function selectForModel(
  known: readonly Observation[],
  limit: number,
  { rng }: ProposalContext,
): readonly Observation[] {
  if (known.length <= limit) return known;
  const chosen = new Set<Observation>();
  const objectives = Math.max(1, ...known.map(o => o.losses.length));
  for (let k = 0; k < objectives; k++) {
    const byLoss = [...known].sort((a, b) => (a.losses[k] ?? Infinity) - (b.losses[k] ?? Infinity));
    for (const o of byLoss.slice(0, Math.floor(limit / 2 / objectives))) chosen.add(o);
  }
  for (const o of known.slice(-Math.floor(limit / 4))) chosen.add(o);
  while (chosen.size < limit) chosen.add(known[rng.int(known.length)]!);
  return known.filter(o => chosen.has(o));
}

/** Losses as the model sees them: failures as bad as the worst, tails pulled in, mean 0 and deviation 1. */
export function modelValues(chosen: readonly Observation[], objective = 0): Float64Array {
  const finite = chosen.filter(o => o.kind === 'complete').map(o => o.losses[objective]!);
  const worst = greatest(finite);
  const raw = standardize(chosen.map(o => (o.kind === 'complete' ? o.losses[objective]! : worst)));
  const lambda = fitYeoJohnson(raw);
  return standardize(raw.map(v => yeoJohnson(v, lambda)));
}

/**
 * Values of a constraint with the border kept at 0: divided by their deviation, tails pulled in by sign(v) log(1 + |v|).
 * Eriksson & Poloczek, Scalable constrained Bayesian optimization, AISTATS 2021 (bilog).
 */
export function constraintValues(raw: readonly number[]): Float64Array {
  const root = Math.sqrt(raw.reduce((s, v) => s + v * v, 0) / raw.length);
  const scale = root > 0 ? root : 1;
  return Float64Array.from(raw, v => Math.sign(v) * Math.log1p(Math.abs(v / scale)));
}

/**
 * Fits anew while data is scarce, then whenever it has grown by an eighth: the cubic cost so stays bounded over a study.
 */
function refit(last: Fitted | undefined, { inputs, values, known }: Output, shape: KernelShape): Fitted {
  const d = shape.isCategory.length;
  const warmStart = last && last.hyper.logW.length === d ? last : undefined;
  if (warmStart && known < Math.max(warmStart.trials + 1, Math.ceil(warmStart.trials * 1.125 - 3))) return warmStart;
  const iterations = inputs.length < 60 ? 30 : 15;
  const fresh = defaultHyper(d);
  const warm = fitHyper(inputs, values, shape, warmStart?.hyper ?? fresh, iterations);
  if (!last || inputs.length > 120) return { hyper: warm.hyper, trials: known };
  const cold = fitHyper(inputs, values, shape, fresh, iterations);
  return { hyper: cold.value < warm.value ? cold.hyper : warm.hyper, trials: known };
}
