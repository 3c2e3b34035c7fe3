import { setTimeout as pause } from 'node:timers/promises';
import { fault } from '@holdfast/api';
import type { jobManifest } from './job-manifest.ts';
import { identityAnnotation, ownerAnnotation } from './job-manifest.ts';
import { isKubeError, type KubeClient, KubeError } from './kube-client.ts';
import { jobSchema, type KubeJob } from './objects.ts';

/** A Job that is being deleted may take so long beyond its time of grace, on a node that does not answer. */
const removalMs = 120_000;
const pollMs = 500;
/** Calls that fail because nobody answers are made so often before a start is given up: about a quarter of a minute. */
const startAttempts = 8;

type Manifest = ReturnType<typeof jobManifest>;

/**
 * One Job, attended to by one process: the owner that stands in an annotation. A process that takes over writes its own
 * name there, and nobody deletes a Job that is not (or no longer) theirs.
 */
export class JobClaim {
  readonly #client: KubeClient;
  readonly #manifest: Manifest;
  readonly name: string;
  readonly owner: string;

  constructor(client: KubeClient, manifest: Manifest) {
    this.#client = client;
    this.#manifest = manifest;
    this.name = manifest.metadata.name;
    this.owner = manifest.metadata.annotations[ownerAnnotation] ?? '';
  }

  get path(): string {
    return `/apis/batch/v1/namespaces/${this.#client.namespace}/jobs`;
  }

  isOwner(job: KubeJob): boolean {
    return job.metadata.annotations[ownerAnnotation] === this.owner;
  }

  /**
   * Creates the Job, or takes over the one that another process has left running.
   *
   * @returns whether it was taken over
   * @throws Fault `job_not_started` with what the API server says
   */
  async open(): Promise<{ readonly isTakenOver: boolean }> {
    try {
      return await this.#openOrThrow();
    } catch (error) {
      if (error instanceof KubeError)
        throw fault('job_not_started', `Kubernetes: ${error.message} (${error.status} ${error.reason})`);
      if (error instanceof Error && 'code' in error)
        throw fault('job_not_started', `Kubernetes cannot be reached: ${error.message || String(error.code)}`);
      throw error;
    }
  }

  async #openOrThrow(): Promise<{ readonly isTakenOver: boolean }> {
    const graceMs = this.#manifest.spec.template.spec.terminationGracePeriodSeconds * 1000;
    const endAt = performance.now() + graceMs + removalMs;
    for (;;) {
      try {
        await this.#client.callPatiently({ method: 'POST', path: this.path, body: this.#manifest }, startAttempts);
        return { isTakenOver: false };
      } catch (error) {
        if (!isKubeError(error, 409)) throw error;
      }
      const found = await this.#read();
      if (found === undefined) continue;
      const isLeaving = found.metadata.deletionTimestamp !== undefined;
      const isSame =
        found.metadata.annotations[identityAnnotation] === this.#manifest.metadata.annotations[identityAnnotation];
      if (!isLeaving && isSame && (await this.#takeOver(found))) return { isTakenOver: true };
      if (!isLeaving && !isSame) await this.#delete(found, 'Foreground');
      if (performance.now() > endAt)
        throw fault('job_not_started', `Kubernetes: the Job ${this.name} of an earlier run does not go away`);
      await pause(pollMs);
    }
  }

  /** Deletes the Job unless another process has taken it over; its pods get their time of grace. */
  async remove(propagation: 'Foreground' | 'Background', signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      const job = await this.#read(signal);
      if (job === undefined || !this.isOwner(job)) return;
      if (await this.#delete(job, propagation)) return;
      await this.#client.rest(attempt, signal);
    }
  }

  async #read(signal?: AbortSignal): Promise<KubeJob | undefined> {
    try {
      return jobSchema.parse(await this.#client.callPatiently({ path: `${this.path}/${this.name}`, signal }));
    } catch (error) {
      if (isKubeError(error, 404)) return undefined;
      throw error;
    }
  }

  /** False when the Job has changed since it was read. */
  async #takeOver({ metadata: { resourceVersion } }: KubeJob): Promise<boolean> {
    const body = { metadata: { resourceVersion, annotations: { [ownerAnnotation]: this.owner } } };
    return this.#unlessChanged({ method: 'PATCH', path: `${this.path}/${this.name}`, body });
  }

  async #delete({ metadata: { uid, resourceVersion } }: KubeJob, propagationPolicy: string): Promise<boolean> {
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      propagationPolicy,
      preconditions: { uid, resourceVersion },
    };
    return this.#unlessChanged({ method: 'DELETE', path: `${this.path}/${this.name}`, body });
  }

  async #unlessChanged(call: Parameters<KubeClient['call']>[0]): Promise<boolean> {
    try {
      await this.#client.callPatiently(call);
      return true;
    } catch (error) {
      if (isKubeError(error, 404)) return true;
      if (isKubeError(error, 409)) return false;
      throw error;
    }
  }
}
