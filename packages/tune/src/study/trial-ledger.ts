import { TuneFault } from '../fault.ts';
import type { FlatParams } from '../space/space.ts';
import type { Clock } from './clock.ts';
import type { Outcome, TrialRecord } from './trial.ts';

/** A record that its study may change. */
export type OpenRecord = { -readonly [K in keyof TrialRecord]: TrialRecord[K] };

export interface TrialLedgerOptions {
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly objectives: readonly unknown[];
  readonly onChange?: (trial: TrialRecord) => void;
}

/** The records of a study's trials, and the ways from one state to the next. Every change gets the next revision. */
export class TrialLedger {
  readonly #options: TrialLedgerOptions;
  #records: OpenRecord[] = [];
  #revision = 0;

  constructor(options: TrialLedgerOptions) {
    this.#options = options;
  }

  get records(): readonly OpenRecord[] {
    return this.#records;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Takes over what was stored, whole or in part. */
  replace(records: readonly TrialRecord[], revision: number): void {
    for (const record of records) {
      if (record.number > this.#records.length)
        throw new TuneFault('bad_snapshot', `trial ${this.#records.length} is missing`);
      this.#records[record.number] = { ...record };
    }
    this.#revision = revision;
  }

  countRunning(): number {
    return this.#records.filter(t => t.state === 'running').length;
  }

  /** @throws TuneFault 'trial_not_found' */
  find(number: number): OpenRecord {
    const trial = this.#records[number];
    if (!trial) throw new TuneFault('trial_not_found', number);
    return trial;
  }

  /** @throws TuneFault 'trial_not_found', 'trial_not_running' */
  running(number: number): OpenRecord {
    const trial = this.find(number);
    if (trial.state !== 'running') throw new TuneFault('trial_not_running', number, trial.state);
    return trial;
  }

  add(params: FlatParams, origin: string): OpenRecord {
    const trial: OpenRecord = {
      number: this.#records.length,
      state: 'waiting',
      params,
      origin,
      reports: [],
      retries: 0,
      createdAtMs: this.#options.clock.now(),
      revision: 0,
    };
    this.#records.push(trial);
    this.changed(trial);
    return trial;
  }

  /** Hands a trial out. */
  start(trial: OpenRecord): void {
    trial.state = 'running';
    trial.startedAtMs ??= this.#options.clock.now();
    this.renewLease(trial);
    this.changed(trial);
  }

  /** Adds the values of a step; one that is not finite becomes the reason of the trial. Answers whether all are finite. */
  report(trial: OpenRecord, step: number, values: readonly number[]): boolean {
    this.renewLease(trial);
    const broken = values.find(v => !Number.isFinite(v));
    if (broken === undefined) trial.reports = [...trial.reports, { step, values }];
    else trial.reason = `A value at step ${step} is ${broken}, not a finite number.`;
    this.changed(trial);
    return broken === undefined;
  }

  /** @throws TuneFault 'bad_values' */
  end(trial: OpenRecord, told: Outcome): void {
    if (told.kind === 'complete') this.#complete(trial, told);
    else {
      trial.state = told.kind;
      if (told.kind === 'failed') trial.reason = told.reason;
      if (told.kind === 'pruned' && told.constraints) trial.constraints = [...told.constraints];
    }
    if (told.cost !== undefined) trial.cost = (trial.cost ?? 0) + told.cost;
    trial.finishedAtMs = this.#options.clock.now();
    delete trial.leaseUntilMs;
    this.changed(trial);
  }

  lose(trial: OpenRecord): void {
    trial.state = 'lost';
    trial.reason = 'No heartbeat before the lease ended.';
    trial.finishedAtMs = this.#options.clock.now();
    delete trial.leaseUntilMs;
    this.changed(trial);
  }

  /** Gives a trial back: it waits, with its reports. */
  release(trial: OpenRecord): void {
    trial.state = 'waiting';
    delete trial.leaseUntilMs;
    this.changed(trial);
  }

  renewLease(trial: OpenRecord): void {
    const { clock, leaseMs } = this.#options;
    if (Number.isFinite(leaseMs)) trial.leaseUntilMs = clock.now() + leaseMs;
  }

  changed(trial: OpenRecord): void {
    trial.revision = ++this.#revision;
    this.#options.onChange?.(trial);
  }

  #complete(trial: OpenRecord, told: Extract<Outcome, { kind: 'complete' }>): void {
    const count = this.#options.objectives.length;
    if (told.values.length !== count)
      throw new TuneFault('bad_values', `${count} values are needed, not ${told.values.length}`);
    const broken = [...told.values, ...(told.constraints ?? [])].find(v => !Number.isFinite(v));
    if (broken === undefined) {
      trial.state = 'complete';
      trial.values = [...told.values];
      if (told.constraints) trial.constraints = [...told.constraints];
    } else {
      // NaN and Infinity do not survive JSON; the reason keeps what was told.
      trial.state = 'failed';
      trial.reason = `A value is ${broken}, not a finite number.`;
    }
  }
}
