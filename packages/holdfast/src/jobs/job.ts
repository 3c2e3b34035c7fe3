/** Work to be run once: a command with its limits. */
export interface JobSpec {
  /** For people and for the names of remote objects: `churn-12`. */
  readonly name: string;
  readonly command: readonly string[];
  /** Working directory. */
  readonly cwd: string;
  /** Variables besides those that the place of work has anyway. */
  readonly environment: Readonly<Record<string, string>>;
  /** The whole run may take so long. */
  readonly timeoutMs: number;
  /** Longest time without progress, as told by `sawProgress`; no limit when absent. */
  readonly silenceMs?: number | undefined;
  /** Time between the request to stop and the kill. */
  readonly graceMs: number;
  /** Memory it may allocate, bytes; no limit when absent. */
  readonly memoryBytes?: number | undefined;
  /** File that everything it prints is appended to. */
  readonly logPath: string;
  /** Its folder, relative to the data directory, for a place that mounts it: `tune/churn/trials/12`. */
  readonly folder?: string;
  /** Text that a place with mounts puts into a file. */
  readonly parameters?: string;
  /** What it belongs to, for people who look at the place: study, trial. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** How a job ended. */
export type JobEnd =
  | { readonly kind: 'exited'; readonly code: number }
  /** Ended by a signal that Holdfast did not send. */
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'timed-out'; readonly afterMs: number }
  | { readonly kind: 'silent'; readonly afterMs: number }
  | { readonly kind: 'stopped' }
  /** The place where it ran lost it: a node that went away, a pod that was evicted. */
  | { readonly kind: 'lost'; readonly why: string };

/** A job under way. */
export interface Job {
  /** What to look for: a process id, the name of a Kubernetes Job. */
  readonly id: string;
  /** Settles once, after the last line was taken; `errors` is the end of what it wrote to stderr. */
  readonly ended: Promise<{ readonly end: JobEnd; readonly errors: string }>;
  /** Starts the time of silence anew. */
  sawProgress(): void;
  /** Asks it to stop, and kills it after the time of grace. */
  stop(): void;
  /**
   * Removes what the place keeps of a job that has ended. To be called once the outcome is stored: until then another
   * process that starts the same job gets this one's output.
   */
  forget(): Promise<void>;
}

/** Where a job finds its things, when it does not see the files of this process. */
export interface JobMounts {
  readonly directory: string;
  readonly checkpoint: string;
  readonly parameters: string;
}

/** A place where jobs run. */
export interface JobBackend {
  /** Undefined when jobs see the files of this process. */
  readonly mounts?: JobMounts;
  /**
   * Starts a job.
   *
   * @param onLine takes one line of its output; the next one waits until this one is taken
   * @throws Fault `job_not_started` when there is no such command, or the place refuses it
   */
  start(spec: JobSpec, onLine: (line: string) => Promise<void>): Promise<Job>;
}

/** A clause for sentences: `it ended with exit code 1`. */
export function describeJobEnd(end: JobEnd): string {
  switch (end.kind) {
    case 'exited':
      return `it ended with exit code ${end.code}`;
    case 'killed':
      return `it was ended by signal ${end.signal}`;
    case 'timed-out':
      return `it was stopped after its time limit of ${seconds(end.afterMs)}`;
    case 'silent':
      return `it was stopped because it reported nothing for ${seconds(end.afterMs)}`;
    case 'stopped':
      return 'it was stopped';
    case 'lost':
      return `it was lost: ${end.why}`;
    default:
      return end satisfies never;
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
