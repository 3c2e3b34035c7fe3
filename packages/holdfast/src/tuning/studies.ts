import type {
  createStudySchema,
  Importances,
  ImportancesQuery,
  noteRegistrationSchema,
  StudyDetail,
  StudySummary,
  StudyTrials,
} from '@holdfast/api';
import type { z } from 'zod';
import type { StudyHandle } from './study-handle.ts';

/** Studies, wherever they are stored: in a database, or behind the control API of a running Holdfast. */
export interface Studies {
  /**
   * Starts a study, or goes on with the one of this name.
   *
   * @throws Fault `bad_request` for a space or option that cannot be; `study_changed` when the stored one differs
   */
  openStudy(request: z.output<typeof createStudySchema>): Promise<StudyDetail>;
  /** The study, to ask and tell. It need not exist yet: operations on it say so. */
  study(name: string): StudyHandle;
  /** Studies by the time of their last change, newest first. */
  list(): Promise<StudySummary[]>;
  /** @throws Fault `study_not_found` */
  read(name: string): Promise<StudyDetail>;
  /** Trials that changed after a revision. @throws Fault `study_not_found` */
  trials(name: string, sinceRevision: number): Promise<StudyTrials>;
  /**
   * How much each parameter matters.
   *
   * @throws Fault `study_not_found`; `bad_request` while too few trials are complete, or without such an objective
   */
  importances(name: string, query: ImportancesQuery): Promise<Importances>;
  /** Removes a study with its trials. @throws Fault `study_not_found` */
  remove(name: string): Promise<void>;
  /** Notes that a trial's model became a version. @throws Fault `study_not_found` */
  noteRegistration(name: string, registration: z.output<typeof noteRegistrationSchema>): Promise<void>;
}
