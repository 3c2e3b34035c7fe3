import {
  type createStudySchema,
  fault,
  type Importances,
  type ImportancesQuery,
  type ModelName,
  type StudyDetail,
  type StudySettings,
  type StudySummary,
  type StudyTrials,
  studyNameSchema,
  studySettingsSchema,
  type Trial,
} from '@holdfast/api';
import { bestOf, compareSpaces, lineagesOf, type TrialRecord } from '@holdfast/tune';
import type { Kysely, Selectable } from 'kysely';
import { z } from 'zod';
import { importancesOf } from './importances-of.ts';
import type { TuningTables } from './schema.ts';
import { SharedStudy } from './shared-study.ts';
import type { Studies } from './studies.ts';
import { addEvent, readEvents } from './study-events.ts';
import type { StudyHandle } from './study-handle.ts';
import { StillClock, studyOf } from './study-of.ts';
import { transact } from './transact.ts';
import { changedTrials, writeTrials } from './trial-rows.ts';

type StudyRow = Selectable<TuningTables['study']>;
type OpenStudy = z.output<typeof createStudySchema>;

function settingsOf(row: Pick<StudyRow, 'settings_json'>): StudySettings {
  return studySettingsSchema.parse(JSON.parse(row.settings_json));
}

/** What must not change between two runs of a study, as sentences; with `evolve`, only what would void its trials. */
function differences(stored: StudySettings, wanted: StudySettings, evolve: boolean): string[] {
  const inSpace = compareSpaces(stored.space, wanted.space)
    .filter(difference => !evolve || difference.breaking)
    .map(difference => difference.what);
  const differs = (key: 'objectives' | 'sampler' | 'pruner' | 'seed'): boolean =>
    JSON.stringify(stored[key]) !== JSON.stringify(wanted[key]);
  const others = (evolve ? (['objectives'] as const) : (['objectives', 'sampler', 'pruner', 'seed'] as const))
    .filter(differs)
    .map(key => `its ${key} ${key === 'objectives' ? 'were' : 'was'} ${JSON.stringify(stored[key])}`);
  return [...inSpace, ...others];
}

function countStates(trials: readonly TrialRecord[]): StudySummary['counts'] {
  const counts = { waiting: 0, running: 0, paused: 0, complete: 0, pruned: 0, failed: 0, lost: 0 };
  for (const trial of trials) counts[trial.state]++;
  return counts;
}

function summaryOf(row: StudyRow, trials: readonly TrialRecord[]): StudySummary {
  const settings = settingsOf(row);
  const best = bestOf(trials, settings.objectives).map(trial => trial.number);
  const counts = countStates(trials);
  const [first] = best;
  const value = first === undefined ? undefined : trials[first]?.values?.[0];
  const isFinished = row.finished_because !== null;
  return {
    name: studyNameSchema.parse(row.name),
    state:
      counts.running > 0
        ? 'running'
        : isFinished
          ? 'finished'
          : trials.length === counts.waiting
            ? 'waiting'
            : 'stopped',
    finishedBecause: row.finished_because,
    objectives: settings.objectives,
    sampler: settings.sampler.name,
    pruner: settings.pruner.name,
    counts,
    budget: settings.budget,
    best:
      settings.objectives.length > 1 || first === undefined || value === undefined ? null : { number: first, value },
    frontSize: settings.objectives.length > 1 ? best.length : 0,
    createdAtMs: row.created_at_ms,
    changedAtMs: row.changed_at_ms,
    revision: row.revision,
  };
}

/** Trials with their place in a population, where the study has one. */
function withLineage(trials: readonly TrialRecord[], row: StudyRow): Trial[] {
  if (settingsOf(row).sampler.name !== 'pbt') return [...trials];
  const lineages = lineagesOf(z.json().parse(JSON.parse(row.sampler_state_json)));
  return trials.map(trial => {
    const lineage = lineages.get(trial.number);
    return lineage === undefined ? trial : { ...trial, lineage };
  });
}

/** Every study of one database. */
export class StudyBook implements Studies {
  readonly #db: Kysely<TuningTables>;
  readonly #now: () => number;
  readonly #open = new Map<string, SharedStudy>();
  readonly #trials = new Map<
    string,
    { revision: number; readonly createdAtMs: number; readonly trials: TrialRecord[] }
  >();

  constructor(db: Kysely<TuningTables>, now: () => number) {
    this.#db = db;
    this.#now = now;
  }

  /**
   * Starts a study, or goes on with the one of this name. Budget, lease and retries may differ from the last time.
   *
   * @throws Fault `bad_request` for a space or option that cannot be; `study_changed` for another space, other
   *   objectives, or (without evolve) another sampler, pruner or seed
   */
  async openStudy({ name, settings, evolve, note }: OpenStudy): Promise<StudyDetail> {
    const clock = new StillClock();
    clock.set(this.#now());
    const fresh = studyOf(name, settings, clock);
    const atMs = clock.now();
    await transact(this.#db, async writer => {
      const added = await writer
        .insertInto('study')
        .values({
          name,
          settings_json: JSON.stringify(settings),
          settings_version: 1,
          note,
          sampler_state_json: JSON.stringify(fresh.options.sampler.save()),
          pruner_state_json: JSON.stringify(fresh.options.pruner.save()),
          revision: fresh.revision,
          parallelism: fresh.parallelism,
          started_at_ms: null,
          finished_because: null,
          created_at_ms: atMs,
          changed_at_ms: atMs,
          proposer: null,
          proposer_until_ms: 0,
          proposer_fence: 0,
        })
        .onConflict(conflict => conflict.column('name').doNothing())
        .returning('name')
        .executeTakeFirst();
      if (added !== undefined) {
        await writeTrials(
          writer,
          name,
          fresh.trials.map(record => ({ record, worker: null, claim: 0 })),
        );
        await addEvent(writer, name, { atMs, kind: 'created', trial: null, text: 'The study was created.' });
        return;
      }
      const row = await writer
        .updateTable('study')
        .set({ note, changed_at_ms: atMs })
        .where('name', '=', name)
        .returningAll()
        .executeTakeFirstOrThrow();
      const stored = settingsOf(row);
      if (JSON.stringify(stored) === JSON.stringify(settings)) return;
      const refused = differences(stored, settings, evolve);
      if (refused.length > 0) throw fault('study_changed', name, refused.join('; '));
      const change = {
        settings_json: JSON.stringify(settings),
        settings_version: row.settings_version + 1,
        // The next ask says whether it still is.
        finished_because: null,
      };
      const samplerState = { sampler_state_json: JSON.stringify(fresh.options.sampler.save()) };
      const prunerState = { pruner_state_json: JSON.stringify(fresh.options.pruner.save()) };
      await writer
        .updateTable('study')
        .set({
          ...change,
          ...(JSON.stringify(stored.sampler) !== JSON.stringify(settings.sampler) && samplerState),
          ...(JSON.stringify(stored.pruner) !== JSON.stringify(settings.pruner) && prunerState),
        })
        .where('name', '=', name)
        .execute();
      const isEvolved = differences(stored, settings, false).length > 0;
      const text = isEvolved ? differences(stored, settings, false).join('; ') : 'The budget or the limits changed.';
      await addEvent(writer, name, { atMs, kind: isEvolved ? 'evolved' : 'resumed', trial: null, text });
    });
    return this.read(name);
  }

  /** The study, to ask and tell. It need not exist yet: operations on it say so. */
  study(name: string): StudyHandle {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const opened = new SharedStudy(this.#db, name, this.#now);
    this.#open.set(name, opened);
    return opened;
  }

  /** Studies by the time of their last change, newest first. */
  async list(): Promise<StudySummary[]> {
    const rows = await this.#db
      .selectFrom('study')
      .selectAll()
      .orderBy('changed_at_ms', 'desc')
      .orderBy('name')
      .execute();
    return Promise.all(rows.map(async row => summaryOf(row, await this.#trialsOf(row))));
  }

  /** Name and revision of every study: what has changed since somebody last looked. */
  revisions(): Promise<{ readonly name: string; readonly revision: number }[]> {
    return this.#db.selectFrom('study').select(['name', 'revision']).execute();
  }

  /** @throws Fault `study_not_found` */
  async read(name: string): Promise<StudyDetail> {
    const row = await this.#row(name);
    const trials = await this.#trialsOf(row);
    const settings = settingsOf(row);
    return {
      summary: summaryOf(row, trials),
      settings,
      note: row.note,
      best: bestOf(trials, settings.objectives).map(trial => trial.number),
      events: await readEvents(this.#db, name),
    };
  }

  /** Trials that changed after a revision. @throws Fault `study_not_found` */
  async trials(name: string, sinceRevision: number): Promise<StudyTrials> {
    const row = await this.#row(name);
    const trials = await this.#trialsOf(row);
    const known = this.#trials.get(name)?.revision ?? row.revision;
    const changed = trials.filter(trial => trial.revision > sinceRevision);
    return { revision: known, trials: withLineage(changed, row) };
  }

  /** @throws Fault `study_not_found`, `bad_request` */
  async importances(name: string, query: ImportancesQuery): Promise<Importances> {
    const row = await this.#row(name);
    return importancesOf(name, settingsOf(row), await this.#trialsOf(row), query);
  }

  /** Removes a study with its trials. @throws Fault `study_not_found` */
  async remove(name: string): Promise<void> {
    const removed = await transact(this.#db, writer =>
      writer.deleteFrom('study').where('name', '=', name).returning('name').executeTakeFirst(),
    );
    if (removed === undefined) throw fault('study_not_found', name);
    this.#open.delete(name);
    this.#trials.delete(name);
  }

  /** Notes that a trial's model became a version. @throws Fault `study_not_found` */
  async noteRegistration(
    name: string,
    { trial, model, version }: { readonly trial: number; readonly model: ModelName; readonly version: number },
  ): Promise<void> {
    await transact(this.#db, async writer => {
      const atMs = this.#now();
      const row = await writer
        .updateTable('study')
        .set({ changed_at_ms: atMs })
        .where('name', '=', name)
        .returning('name')
        .executeTakeFirst();
      if (row === undefined) throw fault('study_not_found', name);
      const text = `Registered as ${model} version ${version}.`;
      await addEvent(writer, name, { atMs, kind: 'registered', trial, text });
    });
  }

  async #row(name: string): Promise<StudyRow> {
    const row = await this.#db.selectFrom('study').selectAll().where('name', '=', name).executeTakeFirst();
    if (row === undefined) throw fault('study_not_found', name);
    return row;
  }

  /** Every trial by its number; only what changed since the last look is read. */
  async #trialsOf(row: StudyRow): Promise<readonly TrialRecord[]> {
    let known = this.#trials.get(row.name);
    // A study that was removed and started again counts its revisions from the beginning.
    if (known === undefined || known.createdAtMs !== row.created_at_ms) {
      known = { revision: 0, createdAtMs: row.created_at_ms, trials: [] };
      this.#trials.set(row.name, known);
    }
    const { trials, revision } = known;
    const changed = await changedTrials(this.#db, row.name, revision, number => trials[number]?.reports ?? []);
    for (const { record } of changed) {
      trials[record.number] = record;
      known.revision = Math.max(known.revision, record.revision);
    }
    return trials;
  }
}
