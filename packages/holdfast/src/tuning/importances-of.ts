import type { Importances, ImportancesQuery, StudySettings } from '@holdfast/api';
import {
  fanova,
  type Importance,
  type ImportanceSource,
  pedAnova,
  permutationImportance,
  Space,
  type TrialRecord,
  TuneFault,
} from '@holdfast/tune';
import { asFault } from './study-of.ts';

/** Small enough that the process, which may serve models, is held up for a fraction of a second at most. */
const forestOfPage = { trees: 16, maxTrials: 200, backgrounds: 64 };

const methods: Readonly<
  Record<ImportancesQuery['method'], (source: ImportanceSource, objective: number) => readonly Importance[]>
> = {
  'ped-anova': (source, objective) => pedAnova(source, { objective }),
  fanova: (source, objective) => fanova(source, { ...forestOfPage, objective }),
  permutation: (source, objective) => permutationImportance(source, { ...forestOfPage, objective }),
};

/**
 * How much each parameter of a stored study matters.
 *
 * @throws Fault `bad_request` while too few trials are complete, or when there is no such objective
 */
export function importancesOf(
  study: string,
  { space, objectives }: Pick<StudySettings, 'space' | 'objectives'>,
  trials: readonly TrialRecord[],
  { method, objective }: ImportancesQuery,
): Importances {
  try {
    const source = { space: new Space(space), trials, objectives };
    const importances = methods[method](source, objective).map(({ parameter, share }) => ({ parameter, share }));
    const complete = trials.filter(trial => trial.state === 'complete').length;
    return { method, objective: objectives[objective]?.name ?? '', trials: complete, importances };
  } catch (error) {
    if (error instanceof TuneFault) throw asFault(error, study);
    throw error;
  }
}
