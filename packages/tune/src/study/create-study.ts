import { TuneFault } from '../fault.ts';
import { medianPruner } from '../pruners/percentile.ts';
import type { Pruner } from '../pruners/pruner.ts';
import { rankGuard } from '../pruners/rank-guard.ts';
import { auto } from '../samplers/auto.ts';
import type { Sampler } from '../samplers/sampler.ts';
import type { SpaceSpec, Suggestion } from '../space/params.ts';
import { Space } from '../space/space.ts';
import type { Budget } from './budget.ts';
import type { Clock } from './clock.ts';
import { compareSpaces } from './evolve.ts';
import type { StudySnapshot } from './snapshot.ts';
import { Study, type StudyOptions } from './study.ts';
import type { Terminator } from './terminator.ts';
import type { Objective, TrialRecord } from './trial.ts';

export interface StudySettings<S extends SpaceSpec> {
  readonly space: S;
  /** @default 'study' */
  readonly name?: string;
  /** One objective as a direction, or several by name. @default 'minimize' */
  readonly objectives?: Objective['direction'] | readonly Objective[];
  /** @default auto() */
  readonly sampler?: Sampler;
  /** @default rankGuard(medianPruner()) */
  readonly pruner?: Pruner;
  readonly terminator?: Terminator;
  /** @default 0 */
  readonly seed?: number;
  /** @default the system clock */
  readonly clock?: Clock;
  /** @default no limit */
  readonly budget?: Budget;
  /** Time a trial may go without a report or heartbeat before it counts as lost. @default 600_000 */
  readonly leaseMs?: number;
  /** How often a lost trial is repeated. @default 1 */
  readonly retries?: number;
  /** Known constraints on configurations. @default [] */
  readonly constraints?: readonly ((params: Suggestion<S>) => boolean)[];
  /** @default 'refuse' */
  readonly repeats?: 'refuse' | 'allow';
  readonly onChange?: (trial: TrialRecord) => void;
}

const systemClock: Clock = { now: () => Date.now() };

/** Fills in the defaults. */
export function completeSettings<S extends SpaceSpec>(settings: StudySettings<S>): StudyOptions<S> {
  const { objectives = 'minimize', terminator, onChange } = settings;
  return {
    name: settings.name ?? 'study',
    space: settings.space,
    objectives: typeof objectives === 'string' ? [{ name: 'value', direction: objectives }] : objectives,
    sampler: settings.sampler ?? auto(),
    pruner: settings.pruner ?? rankGuard(medianPruner()),
    seed: settings.seed ?? 0,
    clock: settings.clock ?? systemClock,
    budget: settings.budget ?? {},
    leaseMs: settings.leaseMs ?? 600_000,
    retries: settings.retries ?? 1,
    constraints: settings.constraints ?? [],
    repeats: settings.repeats ?? 'refuse',
    ...(terminator && { terminator }),
    ...(onChange && { onChange }),
  };
}

/**
 * Starts a study. A space with defaults evaluates them first.
 *
 * @throws TuneFault when the space or an option is not valid.
 */
export function createStudy<const S extends SpaceSpec>(settings: StudySettings<S>): Study<S> {
  const study = new Study(completeSettings(settings), new Space(settings.space));
  const defaults = study.space.defaults();
  if (defaults) study.enqueueFlat(defaults);
  return study;
}

/**
 * Goes on with a saved study: the same sampler and pruner settings give exactly the suggestions that an uninterrupted
 * study would have given. With `evolve`, the space may have gained choices, changed ranges and new parameters with a
 * default (which stored trials then count as having used).
 *
 * @throws TuneFault 'space_changed', 'bad_snapshot'
 */
export function restoreStudy<const S extends SpaceSpec>(
  snapshot: StudySnapshot,
  settings: StudySettings<S> & { readonly evolve?: boolean },
): Study<S> {
  if (snapshot.format !== 1) throw new TuneFault('bad_snapshot', `its format is ${String(snapshot.format)}, not 1`);
  const differences = compareSpaces(snapshot.space, settings.space);
  const refused = settings.evolve === true ? differences.filter(d => d.breaking) : differences;
  if (refused.length > 0) throw new TuneFault('space_changed', refused.map(d => d.what).join('; '));
  const options = completeSettings({
    ...settings,
    name: snapshot.name,
    seed: snapshot.seed,
    objectives: snapshot.objectives,
  });
  for (const [part, saved] of [
    [options.sampler, snapshot.sampler],
    [options.pruner, snapshot.pruner],
  ] as const)
    if (part.name !== saved.name)
      throw new TuneFault('bad_snapshot', `it was saved with "${saved.name}", not "${part.name}"`);
  const study = new Study(options, new Space(settings.space));
  study.adopt(snapshot);
  return study;
}
