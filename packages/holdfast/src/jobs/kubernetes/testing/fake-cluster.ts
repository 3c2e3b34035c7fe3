import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RunningContainer } from './fake-node.ts';
import { type KubeObject, ObjectStore, type StoredJob, type StoredPod } from './object-store.ts';
import { deleteOptionsSchema, patchSchema, sentJobSchema } from './sent-objects.ts';

const reasons: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  410: 'Expired',
  422: 'Invalid',
  500: 'InternalError',
};

/** An answer that is not a success, as a Status object. */
class Refusal extends Error {
  readonly code: number;
  readonly reason: string;
  constructor(code: number, message: string, reason = reasons[code] ?? 'Unknown') {
    super(message);
    this.code = code;
    this.reason = reason;
  }

  get status() {
    const { code, reason, message } = this;
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
  }
}

const now = (): string => `${new Date().toISOString().slice(0, 19)}Z`;

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : JSON.parse(text);
}

function send(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/**
 * A Kubernetes API server for tests: the endpoints of jobs, pods and pod logs that Holdfast calls, answering as the API
 * reference says, with a job controller and one node that runs the commands as local processes. No scheduler, no images, no
 * admission: what it cannot show is how a real cluster differs from its reference.
 */
export class FakeCluster implements AsyncDisposable {
  readonly namespace = 'tuning';
  readonly token = 'secret-token';
  readonly jobs = new ObjectStore<StoredJob>();
  readonly pods = new ObjectStore<StoredPod>();
  /** Every call as `METHOD path`, without the query. */
  readonly calls: string[] = [];
  /** Verbs on resources that the role does not grant: `create jobs`. */
  readonly denied = new Set<string>();
  /** A pod whose image contains this cannot pull it. */
  missingImage = 'no-such-image';
  readonly #containers = new Map<string, RunningContainer>();
  readonly #streams = new Set<ServerResponse>();
  readonly #volumesFolder: string;
  readonly #server: Server;
  #deadlines = new Set<NodeJS.Timeout>();

  private constructor(volumesFolder: string) {
    this.#volumesFolder = volumesFolder;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        const refusal = error instanceof Refusal ? error : new Refusal(500, String(error));
        if (!response.headersSent) send(response, refusal.code, refusal.status);
        else response.destroy();
      });
    });
  }

  /** @param volumesFolder local folder that stands for the volumes; a claim is a folder of its name in it */
  static async start(volumesFolder: string): Promise<FakeCluster> {
    const cluster = new FakeCluster(volumesFolder);
    await new Promise<void>(resolve => cluster.#server.listen(0, '127.0.0.1', resolve));
    return cluster;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** A kubeconfig for it, as JSON (which is YAML). */
  kubeconfig(token = this.token): string {
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'fake',
      clusters: [{ name: 'fake', cluster: { server: this.url } }],
      users: [{ name: 'tuner', user: { token } }],
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'tuner', namespace: this.namespace } }],
    });
  }

  /** Breaks every watch and every log that is being followed, as a restarted API server does. */
  cutStreams(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  /** `kubectl delete pod`: the pod gets its time of grace, and its Job fails. */
  deletePod(name: string): void {
    const pod = this.pods.get(name);
    if (pod === undefined) return;
    pod.metadata.deletionTimestamp = now();
    this.pods.put(pod);
    this.#endContainer(pod);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#deadlines) clearTimeout(timer);
    for (const container of this.#containers.values()) container.signal('SIGKILL');
    this.#server.closeAllConnections();
    await new Promise<void>(resolve => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.url);
    const method = request.method ?? 'GET';
    this.calls.push(`${method} ${url.pathname}`);
    if (request.headers.authorization !== `Bearer ${this.token}`) throw new Refusal(401, 'Unauthorized');
    const match = /^\/(?:api\/v1|apis\/batch\/v1)\/namespaces\/([^/]+)\/(jobs|pods)(?:\/([^/]+))?(\/log)?$/.exec(
      url.pathname,
    );
    if (match === null) throw new Refusal(404, 'the server could not find the requested resource');
    const [, namespace = '', resource = '', name, log] = match;
    this.#authorize(method, resource, namespace, log, name !== undefined);
    const store = resource === 'jobs' ? this.jobs : this.pods;
    if (log !== undefined) return this.#log(name ?? '', url.searchParams, response);
    if (method === 'POST') return send(response, 201, this.#create(await bodyOf(request)));
    if (name === undefined) {
      if (url.searchParams.get('watch') === 'true') return this.#watch(store, url.searchParams, response);
      const items = store.list().filter(selects(url.searchParams));
      return send(response, 200, { kind: 'List', metadata: { resourceVersion: String(store.version) }, items });
    }
    const found = store.get(name);
    if (found === undefined)
      throw new Refusal(404, `${resource}${resource === 'jobs' ? '.batch' : ''} "${name}" not found`);
    const job = resource === 'jobs' ? this.jobs.get(name) : undefined;
    if (job !== undefined && method === 'PATCH') this.#patch(job, await bodyOf(request));
    if (job !== undefined && method === 'DELETE') this.#deleteJob(job, await bodyOf(request));
    send(response, 200, found);
  }

  #authorize(method: string, resource: string, namespace: string, log: string | undefined, isOne: boolean): void {
    const verbs: Record<string, string> = {
      POST: 'create',
      PATCH: 'patch',
      DELETE: 'delete',
      GET: isOne ? 'get' : 'list',
    };
    const what = log === undefined ? resource : 'pods/log';
    const verb = verbs[method] ?? method;
    if (namespace === this.namespace && !this.denied.has(`${verb} ${what}`)) return;
    const group = resource === 'jobs' ? 'batch' : '';
    const kind = resource === 'jobs' ? 'jobs.batch' : resource;
    throw new Refusal(
      403,
      `${kind} is forbidden: User "system:serviceaccount:${this.namespace}:tuner" cannot ${verb} resource "${what}" in API group "${group}" in the namespace "${namespace}"`,
    );
  }

  #create(sent: unknown): StoredJob {
    const manifest = sentJobSchema.parse(sent);
    const { name, labels, annotations } = manifest.metadata;
    if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name))
      throw new Refusal(422, `Job.batch "${name}" is invalid: metadata.name: Invalid value`);
    const { restartPolicy } = manifest.spec.template.spec;
    if (restartPolicy !== 'Never' && restartPolicy !== 'OnFailure')
      throw new Refusal(422, `Job.batch "${name}" is invalid: spec.template.spec.restartPolicy: Required value`);
    for (const [key, value] of Object.entries(labels))
      if (!/^([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?$/.test(value))
        throw new Refusal(422, `Job.batch "${name}" is invalid: metadata.labels: Invalid value: ${key}`);
    if (this.jobs.get(name) !== undefined)
      throw new Refusal(409, `jobs.batch "${name}" already exists`, 'AlreadyExists');
    const job = this.jobs.put({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name,
        namespace: this.namespace,
        uid: randomUUID(),
        resourceVersion: '',
        creationTimestamp: now(),
        labels,
        annotations,
      },
      spec: manifest.spec,
      status: {},
    });
    this.#startPod(job);
    const deadline = setTimeout(() => this.#exceedDeadline(job), manifest.spec.activeDeadlineSeconds * 1000);
    this.#deadlines.add(deadline);
    return structuredClone(job);
  }

  #patch(job: StoredJob, sent: unknown): void {
    const { resourceVersion, annotations } = patchSchema.parse(sent).metadata;
    if (resourceVersion !== undefined && resourceVersion !== job.metadata.resourceVersion)
      throw new Refusal(
        409,
        `Operation cannot be fulfilled on jobs.batch "${job.metadata.name}": the object has been modified; please apply your changes to the latest version and try again`,
        'Conflict',
      );
    Object.assign(job.metadata.annotations, annotations);
    this.jobs.put(job);
  }

  #deleteJob(job: StoredJob, sent: unknown): void {
    const options = deleteOptionsSchema.parse(sent);
    const { name, uid, resourceVersion } = job.metadata;
    for (const [key, actual] of [
      ['uid', uid],
      ['resourceVersion', resourceVersion],
    ] as const) {
      const wanted = options.preconditions[key];
      if (wanted !== undefined && wanted !== actual)
        throw new Refusal(
          409,
          `Operation cannot be fulfilled on jobs.batch "${name}": Precondition failed: ${key} in precondition: ${wanted}, ${key} in object meta: ${actual}`,
          'Conflict',
        );
    }
    const pods = this.pods.list().filter(pod => pod.metadata.labels['job-name'] === name);
    if (options.propagationPolicy === 'Foreground' && pods.length > 0) {
      job.metadata.deletionTimestamp ??= now();
      job.metadata.finalizers = ['foregroundDeletion'];
      this.jobs.put(job);
    } else this.jobs.remove(name);
    for (const pod of pods) {
      const container = this.#containers.get(pod.metadata.name);
      if (container === undefined || container.isOver) this.#removePod(pod);
      else this.deletePod(pod.metadata.name);
    }
  }

  #startPod(job: StoredJob): void {
    const { metadata, spec } = job.spec.template;
    const { name } = job.metadata;
    const labels = { ...metadata?.labels, 'job-name': name, 'batch.kubernetes.io/job-name': name };
    const pod = this.pods.put({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `${name}-${randomUUID().slice(0, 5)}`,
        namespace: this.namespace,
        uid: randomUUID(),
        resourceVersion: '',
        creationTimestamp: now(),
        labels,
        annotations: metadata?.annotations ?? {},
        finalizers: ['batch.kubernetes.io/job-tracking'],
      },
      spec,
      status: { phase: 'Pending' },
    });
    this.#setState(pod, 'Pending', { waiting: { reason: 'ContainerCreating' } });
    if (spec.containers[0].image.includes(this.missingImage)) {
      const message = `Back-off pulling image "${spec.containers[0].image}"`;
      this.#setState(pod, 'Pending', { waiting: { reason: 'ImagePullBackOff', message } });
      return;
    }
    setImmediate(() => this.#runPod(job, pod));
  }

  #runPod(job: StoredJob, pod: StoredPod): void {
    if (this.pods.get(pod.metadata.name) === undefined) return;
    const container = new RunningContainer(pod, this.#volumesFolder);
    this.#containers.set(pod.metadata.name, container);
    this.#setState(pod, 'Running', { running: { startedAt: now() } });
    job.status = { active: 1, startTime: now() };
    if (this.jobs.get(job.metadata.name) === job) this.jobs.put(job);
    void container.exited.then(exit => {
      this.#setState(pod, exit.exitCode === 0 ? 'Succeeded' : 'Failed', { terminated: exit });
      const isDeleted = pod.metadata.deletionTimestamp !== undefined;
      if (isDeleted) this.#removePod(pod);
      if (this.jobs.get(job.metadata.name) !== job || job.metadata.deletionTimestamp !== undefined) return;
      if (exit.exitCode === 0 && !isDeleted)
        this.#finish(job, [{ type: 'Complete', status: 'True', reason: 'CompletionsReached' }]);
      else
        this.#finish(job, [
          {
            type: 'Failed',
            status: 'True',
            reason: 'BackoffLimitExceeded',
            message: 'Job has reached the specified backoff limit',
          },
        ]);
    });
  }

  #finish(job: StoredJob, conditions: object[]): void {
    if ((job.status.conditions ?? []).length > 0) return;
    job.status = { ...job.status, active: 0, conditions };
    this.jobs.put(job);
  }

  #exceedDeadline(job: StoredJob): void {
    if (this.jobs.get(job.metadata.name) !== job) return;
    this.#finish(job, [
      {
        type: 'Failed',
        status: 'True',
        reason: 'DeadlineExceeded',
        message: 'Job was active longer than specified deadline',
      },
    ]);
    for (const pod of this.pods.list())
      if (pod.metadata.labels['job-name'] === job.metadata.name) this.deletePod(pod.metadata.name);
  }

  #setState(pod: StoredPod, phase: string, state: object): void {
    pod.status = { ...pod.status, phase, containerStatuses: [{ name: pod.spec.containers[0].name, state }] };
    if (this.pods.get(pod.metadata.name) === pod) this.pods.put(pod);
  }

  #endContainer(pod: StoredPod): void {
    const container = this.#containers.get(pod.metadata.name);
    if (container === undefined) {
      this.#removePod(pod);
      return;
    }
    container.signal('SIGTERM');
    const kill = setTimeout(() => container.signal('SIGKILL'), pod.spec.terminationGracePeriodSeconds * 1000);
    void container.exited.then(() => clearTimeout(kill));
  }

  #removePod(pod: StoredPod): void {
    this.pods.remove(pod.metadata.name);
    const job = this.jobs.get(pod.metadata.labels['job-name'] ?? '');
    if (job?.metadata.deletionTimestamp !== undefined) this.jobs.remove(job.metadata.name);
  }

  #watch(
    store: Pick<ObjectStore<KubeObject>, 'oldestVersion' | 'follow'>,
    query: URLSearchParams,
    response: ServerResponse,
  ): void {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const since = Number(query.get('resourceVersion'));
    const write = (type: string, object: object): void => void response.write(`${JSON.stringify({ type, object })}\n`);
    if (since < store.oldestVersion) {
      write('ERROR', new Refusal(410, `too old resource version: ${since} (${store.oldestVersion})`).status);
      response.end();
      return;
    }
    const isSelected = selects(query);
    const stop = store.follow(since, ({ type, object }) => {
      if (isSelected(object)) write(type, object);
    });
    const end = setTimeout(() => response.end(), Number(query.get('timeoutSeconds') ?? 1800) * 1000);
    this.#streams.add(response);
    response.once('close', () => {
      this.#streams.delete(response);
      clearTimeout(end);
      stop();
    });
  }

  async #log(name: string, query: URLSearchParams, response: ServerResponse): Promise<void> {
    const pod = this.pods.get(name);
    if (pod === undefined) throw new Refusal(404, `pods "${name}" not found`);
    const container = this.#containers.get(name);
    if (container === undefined)
      throw new Refusal(
        400,
        `container "${pod.spec.containers[0].name}" in pod "${name}" is waiting to start: ContainerCreating`,
      );
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.flushHeaders();
    this.#streams.add(response);
    response.once('close', () => this.#streams.delete(response));
    const sinceTime = query.get('sinceTime') ?? '';
    for (let next = 0; !response.destroyed; ) {
      for (; next < container.lines.length; next++) {
        const { time, text } = container.lines[next]!;
        if (time >= sinceTime.slice(0, 19)) response.write(`${time} ${text}\n`);
      }
      if (container.isOver || query.get('follow') !== 'true') break;
      await container.more();
    }
    response.end();
  }
}

/** A filter for `labelSelector` and `fieldSelector`, as far as they are equalities. */
function selects(query: URLSearchParams): (object: KubeObject) => boolean {
  const label = query.get('labelSelector')?.split('=');
  const field = query.get('fieldSelector')?.split('=');
  return ({ metadata }) =>
    (label === undefined || metadata.labels[label[0] ?? ''] === label[1]) &&
    (field === undefined || metadata.name === field[1]);
}
