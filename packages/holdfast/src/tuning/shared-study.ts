import { setTimeout as pause } from 'node:timers/promises';
import { type AskAnswer, fault, isFault, type PruneAnswer, type ScalarValue, studySettingsSchema } from '@holdfast/api';
import { type Json, type Lineage, type Study, TuneFault } from '@holdfast/tune';
import type { Kysely, Selectable, Transaction } from 'kysely';
import { z } from 'zod';
import { Turns } from '../storage/index.ts';
import { describeFinish } from './finish-reason.ts';
import type { TuningTables } from './schema.ts';
import { addEvent } from './study-events.ts';
import type { StudyHandle, TrialOutcome } from './study-handle.ts';
import { asFault, StillClock, studyOf } from './study-of.ts';
import { transact } from './transact.ts';
import { evaluationOf } from './trial-folder.ts';
import { changedTrials, writeReport, writeTrials } from './trial-rows.ts';
import { isGone } from './worker-id.ts';

type StudyRow = Selectable<TuningTables['study']>;
type StudyChange = Partial<StudyRow>;
type Writer = Transaction<TuningTables>;

/** Longest time that one suggestion may take before another worker may take the turn. */
const turnMs = 60_000;
const turnPollMs = 15;
/** A suggestion that takes no longer is worked out inside one transaction: two would cost more than the others wait. */
const quickMs = 3;

/** This process's copy of the study, as of a revision of the store. */
interface Replica {
  readonly study: Study;
  readonly retries: number;
  readonly settingsVersion: number;
  /** Why the stored study is finished; null while it is not. */
  finishedBecause: string | null;
  readonly holders: Map<number, { readonly worker: string | null; readonly claim: number }>;
  revision: number;
  samplerText: string | undefined;
  prunerText: string | undefined;
}

const paramsSchema = z.record(z.string(), z.json());

function jsonOf(text: string): Json {
  return z.json().parse(JSON.parse(text));
}

function mustHold({ study, holders }: Replica, number: number, claim: number): void {
  const trial = study.trials[number];
  if (trial === undefined) throw fault('trial_not_found', study.options.name, number);
  if (trial.state !== 'running' || holders.get(number)?.claim !== claim)
    throw fault('trial_not_held', study.options.name, number);
}

/**
 * A study in a database. Every process keeps a replica and brings it up to date from rows that changed, so an operation
 * costs the same however long the study is. Reports and outcomes are one short transaction each. A suggestion can take
 * long to work out, so that happens outside: a process takes the turn (one transaction, with a fence), thinks, and
 * writes (another one) unless its turn has run out meanwhile.
 */
export class SharedStudy implements StudyHandle {
  readonly name: string;
  readonly #db: Kysely<TuningTables>;
  readonly #now: () => number;
  readonly #clock = new StillClock();
  #replica: Replica | undefined;
  /** One operation of this process after the other: they share the replica. */
  readonly #turns = new Turns();
  /** What the latest suggestion took; unknown before the first. */
  #proposalMs = Number.POSITIVE_INFINITY;

  constructor(db: Kysely<TuningTables>, name: string, now: () => number) {
    this.#db = db;
    this.name = name;
    this.#now = now;
  }

  async ask(worker: string, signal?: AbortSignal): Promise<AskAnswer> {
    return this.#inTurn(
      worker,
      replica => {
        const ask = hasBeenTerminated(replica) ? terminated : replica.study.ask();
        if (ask.kind !== 'trial') return ask;
        const claim = (replica.holders.get(ask.trial.number)?.claim ?? 0) + 1;
        replica.holders.set(ask.trial.number, { worker, claim });
        const { trials, options } = replica.study;
        const repeats = evaluationOf(ask.trial.number, trials);
        const lineage = options.sampler.lineage?.(ask.trial.number);
        return {
          kind: 'trial',
          claim,
          ...ask.trial,
          ...(repeats !== ask.trial.number && { repeats }),
          ...(lineage !== undefined && continuationOf(lineage, trials)),
          ...(ask.trial.resumeFrom !== undefined && { resumeFrom: ask.trial.resumeFrom }),
          params: paramsSchema.parse(ask.trial.params),
          flat: { ...ask.trial.flat },
        };
      },
      signal,
    );
  }

  report(number: number, claim: number, step: number, values: readonly number[]): Promise<PruneAnswer> {
    return this.#change(number, replica => {
      mustHold(replica, number, claim);
      const last = replica.study.trials[number]?.reports.at(-1);
      if (last !== undefined && step <= last.step) return { kind: 'continue' };
      return replica.study.report(number, step, values);
    });
  }

  async tell(number: number, claim: number, outcome: TrialOutcome): Promise<void> {
    await this.#change(number, replica => {
      // A trial that has ended already is left to the study, which ignores the same outcome told again.
      if (replica.study.trials[number]?.state === 'running') mustHold(replica, number, claim);
      replica.study.tell(number, outcome);
    });
  }

  async heartbeat(number: number, claim: number): Promise<void> {
    await this.#change(number, replica => {
      mustHold(replica, number, claim);
      replica.study.heartbeat(number);
    });
  }

  async release(number: number, claim: number): Promise<void> {
    await this.#change(number, replica => {
      mustHold(replica, number, claim);
      replica.study.release(number);
    });
  }

  enqueue(params: Readonly<Record<string, ScalarValue>>): Promise<number> {
    return this.#inTurn('enqueue', ({ study }) => study.enqueueFlat(params).number);
  }

  /** A transaction whose work changes the replica: a second attempt starts from the store again. */
  #transact<T>(work: (writer: Writer) => Promise<T>): Promise<T> {
    let isRepeated = false;
    return transact(this.#db, writer => {
      if (isRepeated) this.#replica = undefined;
      isRepeated = true;
      return work(writer);
    });
  }

  /** Locks the study's row for this transaction, reads it, and brings the replica up to date. */
  async #follow(writer: Writer): Promise<{ readonly row: StudyRow; readonly replica: Replica }> {
    this.#clock.set(this.#now());
    const row = await writer
      .updateTable('study')
      .set({ changed_at_ms: this.#clock.now() })
      .where('name', '=', this.name)
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) throw fault('study_not_found', this.name);
    const replica = this.#replicaFor(row);
    const { study } = replica;
    if (row.revision !== replica.revision || replica.samplerText === undefined) {
      const trials = await changedTrials(writer, this.name, replica.revision, n => study.trials[n]?.reports ?? []);
      for (const { record, worker, claim } of trials) replica.holders.set(record.number, { worker, claim });
      study.merge({
        trials: trials.map(trial => trial.record),
        revision: row.revision,
        parallelism: row.parallelism,
        ...(row.started_at_ms !== null && { startedAtMs: row.started_at_ms }),
        ...(row.sampler_state_json !== replica.samplerText && { sampler: jsonOf(row.sampler_state_json) }),
        ...(row.pruner_state_json !== replica.prunerText && { pruner: jsonOf(row.pruner_state_json) }),
      });
      replica.revision = row.revision;
      replica.samplerText = row.sampler_state_json;
      replica.prunerText = row.pruner_state_json;
    }
    replica.finishedBecause = row.finished_because;
    this.#replica = replica;
    return { row, replica };
  }

  #replicaFor(row: StudyRow): Replica {
    const known = this.#replica;
    if (known?.settingsVersion === row.settings_version) return known;
    const settings = studySettingsSchema.parse(JSON.parse(row.settings_json));
    return {
      study: studyOf(this.name, settings, this.#clock),
      retries: settings.retries,
      finishedBecause: row.finished_because,
      settingsVersion: row.settings_version,
      holders: new Map(),
      revision: -1,
      samplerText: undefined,
      prunerText: undefined,
    };
  }

  /**
   * Writes what an operation has changed since `before`, a revision of the replica. When others wrote meanwhile, the
   * rows get later revisions than the replica counted, and the next operation reads them again.
   *
   * @returns false when `fence` is given and the turn has been lost; then nothing is written
   */
  async #write(
    writer: Writer,
    replica: Replica,
    before: number,
    options: { readonly change?: StudyChange; readonly fence?: number; readonly reported?: number },
  ): Promise<boolean> {
    const { study, holders } = replica;
    const grown = study.revision - before;
    const prunerText = JSON.stringify(study.options.pruner.save());
    let update = writer
      .updateTable('study')
      .set(({ eb }) => ({
        revision: eb('revision', '+', grown),
        parallelism: study.parallelism,
        pruner_state_json: prunerText,
        ...options.change,
      }))
      .where('name', '=', this.name);
    if (options.fence !== undefined) update = update.where('proposer_fence', '=', options.fence);
    const row = await update.returning('revision').executeTakeFirst();
    if (row === undefined) return false;
    const offset = row.revision - study.revision;
    const changed = study.changedSince(before).map(record => ({
      record: { ...record, revision: record.revision + offset },
      worker: holders.get(record.number)?.worker ?? null,
      claim: holders.get(record.number)?.claim ?? 0,
    }));
    await writeTrials(writer, this.name, changed);
    const reported = changed.find(trial => trial.record.number === options.reported)?.record;
    const report = reported?.reports.at(-1);
    if (reported !== undefined && report !== undefined)
      await writeReport(writer, this.name, reported, report, this.#clock.now());
    replica.prunerText = prunerText;
    if (offset === 0) replica.revision = row.revision;
    return true;
  }

  /** Runs one operation on a trial in one transaction. */
  #change<T>(number: number, operate: (replica: Replica) => T): Promise<T> {
    return this.#turns.take(() =>
      this.#orForget(number, () =>
        this.#transact(async writer => {
          const { replica } = await this.#follow(writer);
          const before = replica.study.revision;
          const answer = operate(replica);
          if (replica.study.revision !== before) await this.#write(writer, replica, before, { reported: number });
          return answer;
        }),
      ),
    );
  }

  /** A failed operation may have left the replica ahead of the store: the next one starts from the store. */
  async #orForget<T>(number: number | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const isUnchanged = this.#replica?.study.revision === this.#replica?.revision;
      if (!isUnchanged || !(isFault(error) || error instanceof TuneFault)) this.#replica = undefined;
      throw error instanceof TuneFault ? asFault(error, this.name, number) : error;
    }
  }

  /** Runs an operation that adds trials; only one worker at a time does that. */
  async #inTurn<T>(worker: string, operate: (replica: Replica) => T, signal?: AbortSignal): Promise<T> {
    for (;;) {
      signal?.throwIfAborted();
      const done = await this.#turns.take(() =>
        this.#orForget(undefined, async () => {
          if (this.#proposalMs <= quickMs) return this.#operateAtOnce(worker, operate);
          const turn = await this.#takeTurn(worker);
          return turn === undefined ? undefined : this.#operateInTurn(turn, operate);
        }),
      );
      if (done !== undefined) return done.answer;
      await pause(turnPollMs * (0.5 + Math.random()), undefined, signal === undefined ? {} : { signal });
    }
  }

  #isTaken(row: StudyRow, worker: string): boolean {
    const isOthers = row.proposer !== null && row.proposer !== worker && row.proposer_until_ms > this.#clock.now();
    return isOthers && !isGone(row.proposer ?? '');
  }

  /** Takes the turn, operates and writes in one transaction. */
  #operateAtOnce<T>(worker: string, operate: (replica: Replica) => T): Promise<{ readonly answer: T } | undefined> {
    return this.#transact(async writer => {
      const { row, replica } = await this.#follow(writer);
      if (this.#isTaken(row, worker)) return undefined;
      const before = replica.study.revision;
      await this.#recover(writer, replica);
      const answer = this.#timed(() => operate(replica));
      const state = stateAfter(replica.study, answer);
      // The fence moves on, so that whoever had the turn before cannot write any more.
      await this.#write(writer, replica, before, { change: { ...state, proposer_fence: row.proposer_fence + 1 } });
      await this.#announceEnd(writer, replica, state.finished_because);
      replica.samplerText = state.sampler_state_json;
      return { answer };
    });
  }

  #timed<T>(work: () => T): T {
    const startedAt = performance.now();
    const result = work();
    this.#proposalMs = performance.now() - startedAt;
    return result;
  }

  #takeTurn(worker: string): Promise<{ readonly fence: number; readonly replica: Replica } | undefined> {
    return this.#transact(async writer => {
      const { row, replica } = await this.#follow(writer);
      if (this.#isTaken(row, worker)) return undefined;
      const before = replica.study.revision;
      await this.#recover(writer, replica);
      const fence = row.proposer_fence + 1;
      const change = { proposer: worker, proposer_until_ms: this.#clock.now() + turnMs, proposer_fence: fence };
      await this.#write(writer, replica, before, { change });
      return { fence, replica };
    });
  }

  /** Gives back the trials of processes that ended, and marks those as lost whose worker is silent for too long. */
  async #recover(writer: Writer, { study, holders, retries }: Replica): Promise<void> {
    const atMs = this.#clock.now();
    for (const { number, state } of study.trials) {
      const holder = holders.get(number);
      if (state !== 'running' || holder === undefined || holder.worker === null || !isGone(holder.worker)) continue;
      if (holder.claim <= retries) {
        study.release(number);
        const text = `The worker ${holder.worker} ended; the trial waits for another one.`;
        await addEvent(writer, this.name, { atMs, kind: 'recovered', trial: number, text });
      } else study.tell(number, { kind: 'failed', reason: `Its worker ended ${holder.claim} times before telling.` });
    }
    for (const { number } of study.recoverLost()) {
      const text = `No sign of life from ${holders.get(number)?.worker ?? 'its worker'} before the lease ended.`;
      await addEvent(writer, this.name, { atMs, kind: 'lost', trial: number, text });
    }
  }

  async #announceEnd(writer: Writer, replica: Replica, because: string | null): Promise<void> {
    if (because === null || because === replica.finishedBecause) return;
    const text = `The study is finished: ${describeFinish(because)}.`;
    await addEvent(writer, this.name, { atMs: this.#clock.now(), kind: 'finished', trial: null, text });
  }

  async #operateInTurn<T>(
    { fence, replica }: { readonly fence: number; readonly replica: Replica },
    operate: (replica: Replica) => T,
  ): Promise<{ readonly answer: T } | undefined> {
    const { study } = replica;
    const before = study.revision;
    let answer: T;
    try {
      answer = this.#timed(() => operate(replica));
    } catch (error) {
      await this.#db
        .updateTable('study')
        .set({ proposer: null })
        .where('name', '=', this.name)
        .where('proposer_fence', '=', fence)
        .execute();
      throw error;
    }
    const state = stateAfter(study, answer);
    const isWritten = await transact(this.#db, async writer => {
      const written = await this.#write(writer, replica, before, { fence, change: state });
      if (written) await this.#announceEnd(writer, replica, state.finished_because);
      return written;
    });
    if (!isWritten) {
      this.#replica = undefined;
      return undefined;
    }
    replica.samplerText = state.sampler_state_json;
    return { answer };
  }
}

/** What a trial of a population is told about its beginning and its end. */
function continuationOf({ startTrial, fromStep, toStep }: Lineage, trials: Study['trials']) {
  if (startTrial === undefined) return { untilStep: toStep };
  const startFrom = { trial: startTrial, folder: evaluationOf(startTrial, trials), step: fromStep };
  return { untilStep: toStep, resumeFrom: fromStep, startFrom };
}

const terminated = { kind: 'finished', because: 'terminator' } as const;

/**
 * The terminator's word is final until the settings change: it looks at the trials of the moment, and those that were under
 * way when it spoke would let it take its word back.
 */
function hasBeenTerminated({ finishedBecause, study }: Replica): boolean {
  return finishedBecause === 'terminator' && !study.trials.some(trial => trial.state === 'waiting');
}

/** What the study's row says after an operation in turn. */
function stateAfter(study: Study, answer: unknown) {
  return {
    proposer: null,
    sampler_state_json: JSON.stringify(study.options.sampler.save()),
    started_at_ms: study.startedAtMs ?? null,
    finished_because: finishedBecause(answer) ?? null,
  };
}

/** Why an ask gave no trial. */
function finishedBecause(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null || !('kind' in answer)) return undefined;
  if (answer.kind === 'exhausted') return 'exhausted';
  return answer.kind === 'finished' && 'because' in answer ? String(answer.because) : undefined;
}
