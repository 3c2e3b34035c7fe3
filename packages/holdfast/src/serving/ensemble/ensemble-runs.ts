import type { Ensemble, EnsembleStep, Tensor } from '@holdfast/api';
import type { RunRequest, RunResult, RunTimes, Ticket } from '../batching/run-request.ts';
import type { ServingClock } from '../clock.ts';
import { asRefusal, Refusal } from '../refusal.ts';
import { ResponseCache } from '../response-cache.ts';
import type { ServedVersion } from '../traffic/served-version.ts';
import { holds, pickRows, placeRows } from './row-choice.ts';

/** The version that a step means now. */
export type FindPart = (model: string, version: number | string) => ServedVersion | undefined;

export interface EnsembleRunsOptions {
  readonly model: string;
  readonly ensemble: Ensemble;
  /** What is answered, by name. */
  readonly outputs: readonly string[];
  /** Whether the first dimension of every tensor is the batch. */
  readonly hasRows: boolean;
  readonly find: FindPart;
  readonly clock: Pick<ServingClock, 'monotonicMs'>;
  /** Told after each answered request. */
  readonly executed: (rows: number, times: RunTimes) => void;
}

/** A tensor of the ensemble, of which each writer gives some rows. */
interface Column {
  readonly parts: readonly { readonly tensor: Tensor; readonly indices: readonly number[] }[];
}

/** Answers requests of one ensemble by those of its models: each step waits in the queue of its own version. */
export class EnsembleRuns {
  readonly #options: EnsembleRunsOptions;
  #pending = 0;

  constructor(options: EnsembleRunsOptions) {
    this.#options = options;
  }

  /** Requests that are not answered yet. */
  get pending(): number {
    return this.#pending;
  }

  submit(request: RunRequest): Ticket {
    const run = new EnsembleRun(this.#options, request);
    this.#pending++;
    const result = run.answer().finally(() => this.#pending--);
    return { result, cancel: reason => run.cancel(reason) };
  }
}

/** One request on its way through the steps. */
class EnsembleRun {
  readonly #options: EnsembleRunsOptions;
  readonly #request: RunRequest;
  readonly #steps: readonly EnsembleStep[];
  /** All steps of a request are answered by the versions that were meant when it came. */
  readonly #served: readonly ServedVersion[];
  readonly #columns = new Map<string, Promise<Column>>();
  readonly #indices = new Map<number, Promise<readonly number[]>>();
  readonly #outputs = new Map<number, Promise<readonly Tensor[]>>();
  readonly #tickets = new Set<Ticket>();
  readonly #used = new Set<number>();
  readonly #rows: number;
  #stopped: Error | undefined;
  #times = { queueUs: 0, joinUs: 0, inferUs: 0, splitUs: 0 };

  constructor(options: EnsembleRunsOptions, request: RunRequest) {
    this.#options = options;
    this.#request = request;
    this.#steps = options.ensemble.steps;
    this.#rows = options.hasRows ? request.rows : 1;
    this.#served = this.#steps.map((step, index) => this.#find(step, index));
    for (const { name, ...tensor } of request.inputs) {
      const column = { parts: [{ tensor: { name, ...tensor }, indices: this.#all() }] };
      this.#columns.set(name, Promise.resolve(column));
    }
  }

  #all(): readonly number[] {
    return Array.from({ length: this.#rows }, (_, row) => row);
  }

  /** @throws Refusal `version_not_ready` that names the step */
  #find({ model, version }: EnsembleStep, index: number): ServedVersion {
    const served = this.#options.find(model, version);
    if (served !== undefined) return served;
    const text = `Step ${index + 1} of "${this.#options.model}" needs "${model}" (${version}), which is not ready to serve.`;
    throw new Refusal('version_not_ready', text, { retryAfterSeconds: 1 });
  }

  async answer(): Promise<RunResult> {
    for (const served of this.#served) served.enter();
    try {
      const outputs = await Promise.all(this.#options.outputs.map(name => this.#whole(name)));
      this.#options.executed(this.#request.rows, this.#times);
      const parts = [...this.#used].sort((a, b) => a - b).map(step => this.#served[step]!);
      return { outputs, ...this.#times, parts: parts.map(({ model, version }) => `${model}/${version}`).join('+') };
    } catch (error) {
      this.cancel(error instanceof Error ? error : new Error('a step failed', { cause: error }));
      throw this.#stopped ?? error;
    } finally {
      // Steps beside the one that failed may still be inside their versions.
      void Promise.allSettled(this.#outputs.values()).then(() => {
        for (const served of this.#served) served.leave();
      });
    }
  }

  /** Nobody waits any more: what queues leaves its queue, and no further step begins. */
  cancel(reason: Error): void {
    this.#stopped ??= reason;
    for (const ticket of this.#tickets) ticket.cancel(reason);
  }

  #column(tensor: string): Promise<Column> {
    const known = this.#columns.get(tensor);
    if (known !== undefined) return known;
    const column = this.#gather(tensor);
    this.#columns.set(tensor, column);
    return column;
  }

  #nameInside(step: number, tensor: string): string | undefined {
    const { outputs } = this.#steps[step]!;
    const mapped = Object.entries(outputs).find(([, name]) => name === tensor)?.[0];
    const isGiven = this.#served[step]!.signature.outputs.some(({ name }) => name === (mapped ?? tensor));
    return mapped ?? (Object.keys(outputs).length === 0 && isGiven ? tensor : undefined);
  }

  async #gather(tensor: string): Promise<Column> {
    const writers = [...this.#steps.keys()].filter(step => this.#nameInside(step, tensor) !== undefined);
    const parts = await Promise.all(
      writers.map(async step => {
        const inside = this.#nameInside(step, tensor);
        const [indices, outputs] = await Promise.all([this.#rowsOf(step), this.#run(step)]);
        const given = outputs.find(({ name }) => name === inside);
        return given === undefined ? [] : [{ tensor: { ...given, name: tensor }, indices }];
      }),
    );
    return { parts: parts.flat() };
  }

  /** The rows that a step runs for: those of its condition that no earlier giver of one of its tensors has taken. */
  #rowsOf(step: number): Promise<readonly number[]> {
    const known = this.#indices.get(step);
    if (known !== undefined) return known;
    const indices = this.#chooseRows(step);
    this.#indices.set(step, indices);
    return indices;
  }

  async #chooseRows(step: number): Promise<readonly number[]> {
    const { when } = this.#steps[step]!;
    const names = this.#givenBy(step);
    const rivals = [...this.#steps.keys()].filter(
      other => other < step && [...this.#givenBy(other)].some(name => names.has(name)),
    );
    const taken = new Set((await Promise.all(rivals.map(rival => this.#rowsOf(rival)))).flat());
    const free = this.#all().filter(row => !taken.has(row));
    if (when === undefined) return free;
    const tensor = await this.#whole(when.tensor);
    return free.filter(row => holds(when, tensor, row));
  }

  #givenBy(step: number): Set<string> {
    const { outputs } = this.#steps[step]!;
    const mapped = Object.values(outputs);
    return new Set(mapped.length > 0 ? mapped : this.#served[step]!.signature.outputs.map(({ name }) => name));
  }

  /** A tensor with all its rows. @throws Refusal when no step gave one of them */
  #whole(tensor: string): Promise<Tensor> {
    return this.#rowsFrom(tensor, undefined);
  }

  async #rowsFrom(tensor: string, wanted: readonly number[] | undefined): Promise<Tensor> {
    const { parts } = await this.#column(tensor);
    const [only] = parts;
    const isComplete = parts.length === 1 && only !== undefined && only.indices.length === this.#rows;
    if (isComplete && (wanted === undefined || wanted.length === this.#rows || !this.#options.hasRows))
      return only.tensor;
    const given = new Set(parts.flatMap(({ indices }) => indices));
    const missing = (wanted ?? this.#all()).find(row => !given.has(row));
    if (missing !== undefined || only === undefined) {
      const text = `"${tensor}" of "${this.#options.model}" is given by no step for row ${missing ?? 0}: none of the conditions holds`;
      throw new Refusal('inference_failed', text);
    }
    const running = parts.filter(({ indices }) => indices.length > 0);
    if (!this.#options.hasRows) return running[0]!.tensor;
    const whole = running.length === 1 && isComplete ? only.tensor : placeRows(running, this.#rows);
    return wanted === undefined ? whole : pickRows(whole, wanted);
  }

  #run(step: number): Promise<readonly Tensor[]> {
    const known = this.#outputs.get(step);
    if (known !== undefined) return known;
    const outputs = this.#runStep(step);
    this.#outputs.set(step, outputs);
    return outputs;
  }

  async #runStep(step: number): Promise<readonly Tensor[]> {
    const indices = await this.#rowsOf(step);
    if (indices.length === 0) return [];
    const { inputs: map } = this.#steps[step]!;
    const served = this.#served[step]!;
    const wanted = served.signature.inputs.flatMap(spec => {
      const tensor = map[spec.name] ?? (spec.optional ? undefined : spec.name);
      return tensor === undefined ? [] : [{ name: spec.name, tensor }];
    });
    const inputs = await Promise.all(
      wanted.map(async ({ name, tensor }) => ({ ...(await this.#rowsFrom(tensor, indices)), name })),
    );
    if (this.#stopped !== undefined) throw this.#stopped;
    this.#used.add(step);
    return this.#ask(served, inputs, indices.length);
  }

  async #ask(served: ServedVersion, given: readonly Tensor[], rows: number): Promise<readonly Tensor[]> {
    const { clock, hasRows, model } = this.#options;
    const { priority, queueTimeoutMs, caller, deadlineMs, expired } = this.#request;
    const startedMs = clock.monotonicMs();
    let ticket: Ticket | undefined;
    try {
      const { inputs, rows: admitted, batchKey } = served.gate.admit(given);
      // A step may well give no rows at all (found objects, say); native code is not asked about nothing.
      if (admitted === 0) return served.gate.emptyOutputs();
      const cache = served.sequences === undefined ? served.cache : undefined;
      const cacheKey = cache && ResponseCache.keyOf(inputs);
      const remembered = cacheKey === undefined ? undefined : cache?.get(cacheKey);
      if (remembered !== undefined) {
        served.numbers.succeeded(admitted, (clock.monotonicMs() - startedMs) * 1000, 'remembered');
        return remembered;
      }
      ticket = served.submit({
        inputs,
        rows: admitted,
        batchKey,
        priority,
        queueTimeoutMs,
        caller,
        deadlineMs,
        expired,
      });
      this.#tickets.add(ticket);
      const result = await ticket.result;
      const outputs = result.outputs;
      const isShort = hasRows && rows !== this.#rows && outputs.some(({ shape }) => shape[0] !== rows);
      if (isShort)
        throw new Refusal('inference_failed', `"${served.model}" does not answer row by row, as "${model}" needs`);
      this.#times.queueUs += result.queueUs;
      this.#times.joinUs += result.joinUs;
      this.#times.inferUs += result.inferUs;
      this.#times.splitUs += result.splitUs;
      const tookUs = (clock.monotonicMs() - startedMs) * 1000;
      served.numbers.succeeded(admitted, tookUs, result);
      if (cacheKey !== undefined) {
        cache?.set(cacheKey, outputs);
        served.numbers.cacheMissed(tookUs);
      }
      return outputs;
    } catch (error) {
      const tookUs = (clock.monotonicMs() - startedMs) * 1000;
      if (this.#stopped === error) served.numbers.canceled(tookUs);
      else served.numbers.failed(asRefusal(error, '').code, tookUs);
      throw error;
    } finally {
      if (ticket !== undefined) this.#tickets.delete(ticket);
    }
  }
}
