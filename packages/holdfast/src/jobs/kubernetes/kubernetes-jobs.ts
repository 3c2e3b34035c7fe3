import { randomUUID } from 'node:crypto';
import { fault } from '@holdfast/api';
import { z } from 'zod';
import type { Job, JobBackend, JobEnd, JobSpec } from '../job.ts';
import { JobLimits } from '../job-limits.ts';
import { JobLog } from '../job-log.ts';
import { JobClaim } from './job-claim.ts';
import { jobManifest, jobNameOf, podMounts } from './job-manifest.ts';
import { endOfJob, endOfPod, hasEnded, hasLog, whyNotRun, whyStuck } from './job-outcome.ts';
import { KubeClient, KubeError } from './kube-client.ts';
import { connectionOf } from './kube-connection.ts';
import { jobSchema, type KubeJob, type KubePod, podSchema } from './objects.ts';
import { followLog } from './pod-log.ts';
import type { KubernetesSettings } from './settings.ts';
import { watchUntil } from './watch.ts';

const maxErrorCharacters = 2000;
/** The cluster ends a Job at its deadline; only a cluster that does not is helped after this much more. */
const deadlineMarginMs = 300_000;
const lookAgainMs = 240_000;
/** A log that the node does not end holds up the end of the job for so long. */
const drainMs = 15_000;
/** An API server that does not answer keeps a stop waiting for so long beyond the time of grace. */
const stopMs = 60_000;

const podListSchema = z.looseObject({ items: z.array(podSchema) });

function newestOf(pods: readonly KubePod[]): KubePod | undefined {
  return pods.toSorted((a, b) => b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp))[0];
}

type Ending = 'complete' | 'deadline' | 'failed' | 'gone' | 'taken-over';

/** One Job under way. */
class AttendedJob {
  readonly #client: KubeClient;
  readonly #claim: JobClaim;
  readonly #spec: JobSpec;
  readonly #startTimeoutMs: number;
  readonly #limits: JobLimits;
  /** Ends every wait of this job. */
  readonly #over = new AbortController();
  #pod: KubePod | undefined;
  #isRunning = false;
  #errors = '';

  constructor(client: KubeClient, claim: JobClaim, spec: JobSpec, startTimeoutMs: number) {
    this.#client = client;
    this.#claim = claim;
    this.#spec = spec;
    this.#startTimeoutMs = startTimeoutMs;
    const isRunning = (): boolean => this.#isRunning;
    this.#limits = new JobLimits(
      {
        timeoutMs: spec.timeoutMs + deadlineMarginMs,
        get silenceMs() {
          return isRunning() ? spec.silenceMs : undefined;
        },
      },
      () => void this.#remove(),
    );
  }

  sawProgress(): void {
    this.#limits.sawProgress();
  }

  stop(because: JobEnd): void {
    this.#limits.end(because);
  }

  async attend(onLine: (line: string) => Promise<void>, isTakenOver: boolean) {
    const log = new JobLog(this.#spec.logPath);
    if (isTakenOver) log.write(Buffer.from('[taken over from another process; from its beginning:]\n'));
    const read = new AbortController();
    let drain: NodeJS.Timeout | undefined;
    const take = async (line: string): Promise<void> => {
      log.write(Buffer.from(`${line}\n`));
      this.#errors = `${this.#errors}${line}\n`.slice(-maxErrorCharacters);
      await onLine(line);
      drain?.refresh();
    };
    const reading = this.#read(take, AbortSignal.any([read.signal, this.#over.signal]));
    // Nobody takes its lines any more, or it cannot start: there is nothing to wait for.
    reading.catch(() => this.#limits.end({ kind: 'stopped' }));
    try {
      const ending = await this.#ending();
      const isElsewhere = this.#limits.because === undefined && (ending === 'gone' || ending === 'taken-over');
      drain = setTimeout(() => read.abort(), isElsewhere ? 0 : drainMs);
      await reading;
      if (ending === 'failed') this.#pod = await this.#lastPod();
      return { end: this.#endOf(ending), errors: this.#errors };
    } catch (error) {
      if (error instanceof KubeError) throw fault('job_not_started', `Kubernetes: ${error.message} (${error.status})`);
      throw error;
    } finally {
      clearTimeout(drain);
      this.#over.abort();
      this.#limits[Symbol.dispose]();
      await log[Symbol.asyncDispose]();
    }
  }

  /** Waits for the end of the Job, or gives it up when it was to be stopped and the cluster does not answer. */
  async #ending(): Promise<Ending> {
    try {
      return await watchUntil<KubeJob, Ending>(
        this.#client,
        {
          path: this.#claim.path,
          selector: { fieldSelector: `metadata.name=${this.#claim.name}` },
          schema: jobSchema,
          lookAgainMs,
        },
        ([job]) => {
          if (job === undefined) return 'gone';
          return this.#claim.isOwner(job) ? endOfJob(job) : 'taken-over';
        },
        this.#over.signal,
      );
    } catch (error) {
      if (this.#limits.because !== undefined && this.#over.signal.aborted) return 'gone';
      throw error;
    }
  }

  get #pods() {
    return {
      path: `/api/v1/namespaces/${this.#client.namespace}/pods`,
      selector: { labelSelector: `job-name=${this.#claim.name}` },
      schema: podSchema,
      lookAgainMs: Math.min(lookAgainMs, this.#startTimeoutMs),
    };
  }

  /** The pod as it is now that its Job has failed; undefined when it is gone. */
  async #lastPod(): Promise<KubePod | undefined> {
    const { path, selector } = this.#pods;
    const listed = await this.#client.callPatiently({ path, query: selector, signal: this.#over.signal });
    return newestOf(podListSchema.parse(listed).items);
  }

  /** Finds the pod, waits until it runs, and reads its log to the end. */
  async #read(take: (line: string) => Promise<void>, signal: AbortSignal): Promise<void> {
    let stuckSinceMs: number | undefined;
    const look = (pods: readonly KubePod[]): KubePod | undefined => {
      const pod = newestOf(pods);
      if (pod === undefined) return undefined;
      const stuck = whyStuck(pod);
      stuckSinceMs = stuck === undefined ? undefined : (stuckSinceMs ?? performance.now());
      if (stuck !== undefined && performance.now() - (stuckSinceMs ?? 0) >= this.#startTimeoutMs)
        throw fault('job_not_started', `the pod does not start: ${stuck}`);
      return hasLog(pod) || hasEnded(pod) ? pod : undefined;
    };
    const pod = await watchUntil(this.#client, this.#pods, look, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    if (pod === undefined) return;
    this.#pod = pod;
    this.#isRunning = true;
    this.#limits.sawProgress();
    const path = `${this.#pods.path}/${pod.metadata.name}`;
    const hasPodEnded = async (): Promise<boolean> => {
      this.#pod = podSchema.parse(await this.#client.callPatiently({ path, signal }));
      return hasEnded(this.#pod);
    };
    await followLog(this.#client, pod.metadata.name, take, hasPodEnded, signal);
    const notRun = whyNotRun(this.#pod);
    if (notRun !== undefined) throw fault('job_not_started', `the pod cannot run it: ${notRun}`);
  }

  /** Stops the Job and waits until its pod has ended; the watch sees it. */
  async #remove(): Promise<void> {
    const enough = setTimeout(() => this.#over.abort(), this.#spec.graceMs + stopMs);
    try {
      await this.#claim.remove('Foreground', this.#over.signal);
    } catch {
      this.#over.abort();
    } finally {
      if (this.#over.signal.aborted) clearTimeout(enough);
    }
    this.#over.signal.addEventListener('abort', () => clearTimeout(enough), { once: true });
  }

  #endOf(ending: Ending): JobEnd {
    if (this.#limits.because !== undefined) return this.#limits.because;
    switch (ending) {
      case 'complete':
        return { kind: 'exited', code: 0 };
      case 'deadline':
        return { kind: 'timed-out', afterMs: this.#spec.timeoutMs };
      case 'failed':
        return endOfPod(this.#pod);
      case 'gone':
        return { kind: 'lost', why: 'its Job was deleted' };
      case 'taken-over':
        return { kind: 'stopped' };
      default:
        return ending satisfies never;
    }
  }
}

/**
 * Jobs as Kubernetes Jobs. They outlive the process that started them: a job of the same name and work that is still there
 * is taken over with its log from the beginning, so its lines may come a second time.
 *
 * @param scope sets apart jobs of the same name: of another study of that name, in another database
 * @throws Fault `bad_configuration` when no cluster is configured
 */
export function kubernetesJobs(settings: KubernetesSettings, scope: string): JobBackend & Disposable {
  const connection = connectionOf(settings);
  const client = new KubeClient(connection, settings.namespace ?? connection.namespace);
  return {
    mounts: podMounts,
    async start(spec, onLine): Promise<Job> {
      const manifest = jobManifest(spec, settings, jobNameOf(spec.name, scope), randomUUID());
      const claim = new JobClaim(client, manifest);
      const { isTakenOver } = await claim.open();
      const job = new AttendedJob(client, claim, spec, settings.startTimeout);
      const ended = job.attend(onLine, isTakenOver);
      ended.catch(() => {});
      return {
        id: claim.name,
        ended,
        sawProgress: () => job.sawProgress(),
        stop: () => job.stop({ kind: 'stopped' }),
        forget: () => claim.remove('Background', AbortSignal.timeout(stopMs)).catch(() => {}),
      };
    },
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}
