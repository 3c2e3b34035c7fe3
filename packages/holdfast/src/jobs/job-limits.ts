import type { JobEnd, JobSpec } from './job.ts';

/** Ends a job that takes or is silent for too long; the first reason to stop is the one that counts. */
export class JobLimits implements Disposable {
  readonly #spec: Pick<JobSpec, 'timeoutMs' | 'silenceMs'>;
  readonly #stop: () => void;
  readonly #timeout: NodeJS.Timeout;
  #silence: NodeJS.Timeout | undefined;
  #because: JobEnd | undefined;

  /** @param stop called at most once, when the job is to be stopped */
  constructor(spec: Pick<JobSpec, 'timeoutMs' | 'silenceMs'>, stop: () => void) {
    this.#spec = spec;
    this.#stop = stop;
    // Timers take 32 bits; a limit of more than 24 days is none.
    const timeoutMs = Math.min(spec.timeoutMs, 2 ** 31 - 1);
    this.#timeout = setTimeout(() => this.end({ kind: 'timed-out', afterMs: timeoutMs }), timeoutMs);
    this.sawProgress();
  }

  /** Why the job was stopped; undefined when nobody stopped it. */
  get because(): JobEnd | undefined {
    return this.#because;
  }

  end(because: JobEnd): void {
    if (this.#because !== undefined) return;
    this.#because = because;
    this[Symbol.dispose]();
    this.#stop();
  }

  sawProgress(): void {
    clearTimeout(this.#silence);
    const { silenceMs } = this.#spec;
    if (silenceMs === undefined || this.#because !== undefined) return;
    this.#silence = setTimeout(() => this.end({ kind: 'silent', afterMs: silenceMs }), silenceMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timeout);
    clearTimeout(this.#silence);
  }
}
