/**
 * Every error that Holdfast tells a user, in one table: code, HTTP status, gRPC status and the sentence. Protocol
 * adapters translate the code to their protocol's status and body; `docs/reference/errors.md` is generated from here.
 */
export const faults = {
  bad_request: { http: 400, grpc: 3, say: (why: string): string => why },
  bad_model_name: {
    http: 400,
    grpc: 3,
    say: (name: string): string =>
      `"${name}" is not a model name: use 1 to 63 of a-z, 0-9, ".", "_" and "-", starting with a letter or digit.`,
  },
  bad_alias: {
    http: 400,
    grpc: 3,
    say: (alias: string): string =>
      `"${alias}" is not an alias: use 1 to 63 of a-z, 0-9, "_" and "-", starting with a letter.`,
  },
  bad_configuration: { http: 400, grpc: 3, say: (where: string, why: string): string => `${where}: ${why}` },
  model_not_found: { http: 404, grpc: 5, say: (name: string): string => `No model is named "${name}".` },
  version_not_found: {
    http: 404,
    grpc: 5,
    say: (name: string, version: string | number): string => `Model "${name}" has no version ${version}.`,
  },
  alias_not_found: {
    http: 404,
    grpc: 5,
    say: (name: string, alias: string): string => `Model "${name}" has no alias "${alias}".`,
  },
  artifact_not_found: {
    http: 404,
    grpc: 5,
    say: (digest: string): string => `No artifact ${digest} was uploaded; upload it first with POST /api/v1/artifacts.`,
  },
  study_not_found: { http: 404, grpc: 5, say: (name: string): string => `No study is named "${name}".` },
  trial_not_found: {
    http: 404,
    grpc: 5,
    say: (study: string, number: number): string => `Study "${study}" has no trial ${number}.`,
  },
  study_changed: {
    http: 409,
    grpc: 9,
    say: (name: string, why: string): string =>
      `Study "${name}" was started differently: ${why}. Evolve it where its trials keep their meaning (--evolve), or choose another name.`,
  },
  trial_not_held: {
    http: 409,
    grpc: 10,
    say: (study: string, number: number): string =>
      `Trial ${number} of "${study}" is no longer held by this worker, so nothing was counted; ask for another one.`,
  },
  job_not_started: { http: 422, grpc: 9, say: (why: string): string => `The command could not be started: ${why}` },
  route_not_found: { http: 404, grpc: 12, say: (path: string): string => `There is nothing at ${path}.` },
  not_found: { http: 404, grpc: 5, say: (what: string): string => `${what} was not found.` },
  version_exists: {
    http: 409,
    grpc: 6,
    say: (name: string, version: number): string =>
      `Model "${name}" already has a version ${version} with other contents; versions are immutable, choose another number.`,
  },
  version_in_use: {
    http: 409,
    grpc: 9,
    say: (name: string, version: number, alias: string): string =>
      `Version ${version} of "${name}" is the ${alias}; move the alias first.`,
  },
  version_deployed: {
    http: 409,
    grpc: 9,
    say: (name: string, version: number): string =>
      `Version ${version} of "${name}" has a part in the deployment or a rollout; end that first.`,
  },
  rollout_running: {
    http: 409,
    grpc: 9,
    say: (name: string, id: number): string =>
      `Rollout ${id} of "${name}" is under way; abort it first, or start the new one with supersede.`,
  },
  rollout_refused: { http: 409, grpc: 9, say: (why: string): string => `The rollout was refused: ${why}` },
  no_rollout: { http: 409, grpc: 9, say: (name: string): string => `No rollout of "${name}" is under way.` },
  alias_moved: {
    http: 409,
    grpc: 10,
    say: (alias: string): string =>
      `The alias "${alias}" was moved by somebody else meanwhile; read it again and retry.`,
  },
  no_previous_version: {
    http: 409,
    grpc: 9,
    say: (name: string): string => `Model "${name}" has no earlier champion to roll back to.`,
  },
  control_disabled: {
    http: 403,
    grpc: 7,
    say: (): string =>
      'Explicit model load / unload and changed settings are not allowed here; start Holdfast with --model-control explicit to allow them.',
  },
  load_failed: { http: 400, grpc: 3, say: (name: string, why: string): string => `failed to load '${name}', ${why}` },
  model_rejected: { http: 422, grpc: 3, say: (why: string): string => `The model was refused: ${why}` },
  baseline_rejected: { http: 422, grpc: 3, say: (why: string): string => `The baseline was refused: ${why}` },
  version_not_ready: {
    http: 503,
    grpc: 14,
    say: (name: string, version: number): string => `Version ${version} of "${name}" is not ready to serve.`,
  },
  database_unavailable: {
    http: 503,
    grpc: 14,
    say: (): string => 'The database cannot be reached; predictions are not affected, try again in a moment.',
  },
  no_leader: {
    http: 503,
    grpc: 14,
    say: (): string => 'No machine leads the cluster at the moment; one takes over within seconds, retry then.',
  },
  not_leader: {
    http: 503,
    grpc: 14,
    say: (): string => 'Another machine leads the cluster by now, and nothing was changed; retry there.',
  },
  overloaded: { http: 503, grpc: 14, say: (retryMs: number): string => `The queue is full; retry in ${retryMs} ms.` },
  queue_timeout: { http: 503, grpc: 14, say: (): string => 'Request timeout expired' },
  rate_limited: {
    http: 429,
    grpc: 8,
    say: (retrySeconds: number): string => `This caller has used up its share of requests; retry in ${retrySeconds} s.`,
  },
  runner_lost: {
    http: 503,
    grpc: 14,
    say: (name: string): string => `The process that runs "${name}" stopped while it held this request; retry.`,
  },
  remote_unavailable: {
    http: 503,
    grpc: 14,
    say: (name: string, why: string): string => `The server that runs "${name}" ${why}; retry.`,
  },
  starting: {
    http: 503,
    grpc: 14,
    say: (): string => 'The server is starting and does not know its models yet; retry in a moment.',
  },
  draining: { http: 503, grpc: 14, say: (): string => 'The server is shutting down; retry on another instance.' },
  deadline_exceeded: { http: 504, grpc: 4, say: (ms: number): string => `No answer within the deadline of ${ms} ms.` },
  too_large: {
    http: 413,
    grpc: 8,
    say: (bytes: number, limit: number): string => `The body has ${bytes} bytes; at most ${limit} are accepted.`,
  },
  storage_full: {
    http: 507,
    grpc: 8,
    say: (): string => 'The disk is full, so this could not be stored; free space and retry.',
  },
  inference_failed: { http: 500, grpc: 13, say: (why: string): string => `The model failed on this input: ${why}` },
  forbidden_origin: {
    http: 403,
    grpc: 7,
    say: (): string => 'This request comes from another site; open the console from its own address.',
  },
  misdirected: {
    http: 421,
    grpc: 3,
    say: (host: string): string =>
      `This server does not answer for the host "${host}"; add it to \`hosts\` in holdfast.yaml.`,
  },
  internal: {
    http: 500,
    grpc: 13,
    say: (id: string): string => `Something failed inside the server; its log has the cause under id ${id}.`,
  },
} as const;

export type FaultCode = keyof typeof faults;

/** An error with a stable code from the table; its message tells the user what to do. */
export class Fault<C extends FaultCode = FaultCode> extends Error {
  override readonly name = 'Fault';
  readonly code: C;

  constructor(code: C, why: Parameters<(typeof faults)[C]['say']>, options?: ErrorOptions) {
    const say: (...args: never[]) => string = faults[code].say;
    super(Reflect.apply(say, undefined, why), options);
    this.code = code;
  }

  get httpStatus(): number {
    return faults[this.code].http;
  }

  get grpcStatus(): number {
    return faults[this.code].grpc;
  }

  /** The body of the control API for this fault. */
  toJSON(): { readonly error: { readonly code: FaultCode; readonly message: string } } {
    return { error: { code: this.code, message: this.message } };
  }
}

/** A fault of the table: `throw fault('model_not_found', name)`; the arguments are checked against the row. */
export function fault<C extends FaultCode>(code: C, ...why: Parameters<(typeof faults)[C]['say']>): Fault<C> {
  return new Fault(code, why);
}

export function isFault(error: unknown): error is Fault {
  return error instanceof Fault;
}
