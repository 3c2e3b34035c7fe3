import { type Fault, fault, type StudySettings } from '@holdfast/api';
import { type Clock, createStudy, noPruner, type Study, TuneFault } from '@holdfast/tune';
import { prunerOf, samplerOf, terminatorOf } from './choices.ts';

/** A clock that stands still during one operation, so that nothing runs out half-way through it. */
export class StillClock implements Clock {
  #nowMs = 0;

  now(): number {
    return this.#nowMs;
  }

  set(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
  }
}

/** What the library refuses, as a fault of the product. */
export function asFault(error: TuneFault, study: string, number?: number): Fault {
  if (error.code === 'trial_not_running') return fault('trial_not_held', study, number ?? -1);
  if (error.code === 'trial_not_found') return fault('trial_not_found', study, number ?? -1);
  if (error.code === 'space_changed' || error.code === 'bad_snapshot')
    return fault('study_changed', study, error.message);
  return fault('bad_request', error.message);
}

function checkPopulation({ objectives, pruner }: StudySettings): void {
  if (objectives.length > 1)
    throw fault('bad_request', 'sampler: pbt compares its members by one objective; name only one');
  if (pruner.name !== 'auto' && pruner.name !== 'none')
    throw fault('bad_request', 'pruner: pbt itself stops what is poor; leave the pruner out');
}

/**
 * A study of the library for stored settings; a space with defaults has them enqueued as its first trial.
 *
 * @throws Fault `bad_request` when the space or an option is not valid
 */
export function studyOf(name: string, settings: StudySettings, clock: Clock): Study {
  const { sampler, pruner, terminator, ...rest } = settings;
  if (terminator !== undefined && settings.objectives.length > 1)
    throw fault('bad_request', 'terminator: a study with several objectives has no single gain to weigh; leave it out');
  const isPopulation = sampler.name === 'pbt';
  if (isPopulation) checkPopulation(settings);
  try {
    return createStudy({
      name,
      clock,
      ...rest,
      sampler: samplerOf(sampler),
      pruner: isPopulation ? noPruner() : prunerOf(pruner),
      // A member goes on with what it has, and the sampler itself hands out again what was lost.
      ...(isPopulation && { repeats: 'allow' as const, retries: 0 }),
      ...(terminator !== undefined && { terminator: terminatorOf(terminator) }),
    });
  } catch (error) {
    if (error instanceof TuneFault) throw asFault(error, name);
    throw error;
  }
}
