import type { JobSpec, PodSpec } from './sent-objects.ts';

/** An object of Kubernetes as it is stored and sent. */
export interface KubeObject<Spec = unknown, State = unknown> {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    resourceVersion: string;
    creationTimestamp: string;
    labels: Record<string, string>;
    annotations: Record<string, string>;
    deletionTimestamp?: string;
    finalizers?: string[];
  };
  spec: Spec;
  status: State;
}

export interface JobState {
  active?: number;
  startTime?: string;
  conditions?: readonly object[];
}
export type StoredJob = KubeObject<JobSpec, JobState>;

interface PodState {
  phase: string;
  containerStatuses?: readonly object[];
}
export type StoredPod = KubeObject<PodSpec, PodState>;

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly version: number;
  readonly object: KubeObject;
}

/** Objects of one kind with one history, of which old parts can be forgotten as etcd compacts them. */
export class ObjectStore<Stored extends KubeObject> {
  readonly #objects = new Map<string, Stored>();
  readonly #listeners = new Set<(event: WatchEvent) => void>();
  #history: WatchEvent[] = [];
  #version = 1000;
  #oldest = 1000;

  get version(): number {
    return this.#version;
  }

  /** Watches from versions before this one are refused. */
  get oldestVersion(): number {
    return this.#oldest;
  }

  get(name: string): Stored | undefined {
    return this.#objects.get(name);
  }

  list(): Stored[] {
    return [...this.#objects.values()];
  }

  put(object: Stored): Stored {
    const type = this.#objects.has(object.metadata.name) ? 'MODIFIED' : 'ADDED';
    this.#objects.set(object.metadata.name, object);
    this.#announce(type, object);
    return object;
  }

  remove(name: string): void {
    const object = this.#objects.get(name);
    if (object === undefined) return;
    this.#objects.delete(name);
    this.#announce('DELETED', object);
  }

  /** Events after a version, and then those to come until the returned function is called. */
  follow(since: number, listener: (event: WatchEvent) => void): () => void {
    for (const event of this.#history) if (event.version > since) listener(event);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  forgetHistory(): void {
    this.#history = [];
    this.#oldest = this.#version;
  }

  #announce(type: WatchEvent['type'], object: Stored): void {
    object.metadata.resourceVersion = String(++this.#version);
    const event = { type, version: this.#version, object: structuredClone(object) };
    this.#history.push(event);
    for (const listener of [...this.#listeners]) listener(event);
  }
}
