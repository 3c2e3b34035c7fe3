import { fault } from '@holdfast/api';
import { z } from 'zod';
import type { ControlDoor, Question, UploadedFile } from '../../control-door.ts';
import { badRequest } from '../../refusal.ts';
import { type StatisticDuration, sumOfStatistics, type VersionStatistics } from '../../statistics.ts';
import { parseSelector, type Traffic } from '../../traffic/traffic.ts';
import { findVersion } from './find-version.ts';
import { unsupported } from './parameters.ts';

export interface OipControlOptions {
  readonly traffic: Traffic;
  readonly control: ControlDoor;
  /** Whether clients may load and unload models and change settings. */
  readonly mayControl: boolean;
}

/** One line of the repository index. */
export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: string;
  readonly reason: string;
}

/** The parameters of a load request: text, or the bytes of a file. */
export type LoadParameters = ReadonlyMap<string, string | number | boolean | Uint8Array>;

/** Whole numbers may be written as text, as protobuf's JSON form does. */
const wholeSchema = z.preprocess(value => (typeof value === 'string' ? Number(value) : value), z.int().min(0));

const configSchema = z.object({
  name: z.string().optional(),
  max_batch_size: wholeSchema.optional(),
  dynamic_batching: z.object({ max_queue_delay_microseconds: wholeSchema.optional() }).optional(),
});

const filePattern = /^file:(?:\.\/)?([1-9][0-9]{0,8})\/model\.onnx$/;

/** The settings of the log, in Triton's words. */
export interface LogSettings {
  readonly log_file: string;
  readonly log_info: boolean;
  readonly log_warning: boolean;
  readonly log_error: boolean;
  readonly log_verbose_level: number;
  readonly log_format: string;
}

const logSettingsSchema = z.strictObject({
  log_file: z.string().optional(),
  log_info: z.boolean().optional(),
  log_warning: z.boolean().optional(),
  log_error: z.boolean().optional(),
  log_verbose_level: z.int().min(0).optional(),
  log_format: z.enum(['default', 'ISO8601']).optional(),
});

/** What tracing is set to: there is none to turn on. */
const traceSettings = {
  trace_level: ['OFF'],
  trace_rate: ['1000'],
  trace_count: ['-1'],
  log_frequency: ['0'],
  trace_file: [''],
  trace_mode: ['triton'],
} as const;

function levelOf({ log_info, log_warning, log_error, log_verbose_level }: LogSettings): string {
  if (log_verbose_level > 1) return 'trace';
  if (log_verbose_level === 1) return 'debug';
  if (log_info) return 'info';
  if (log_warning) return 'warn';
  return log_error ? 'error' : 'silent';
}

function statistic({ count, ns }: StatisticDuration): { readonly count: number; readonly ns: number } {
  return { count, ns };
}

function describe(one: VersionStatistics): object {
  return {
    name: one.model,
    version: String(one.version),
    last_inference: one.lastInferenceMs,
    inference_count: one.inferenceCount,
    execution_count: one.executionCount,
    inference_stats: {
      success: statistic(one.success),
      fail: statistic(one.fail),
      queue: statistic(one.queue),
      compute_input: statistic(one.computeInput),
      compute_infer: statistic(one.computeInfer),
      compute_output: statistic(one.computeOutput),
      cache_hit: statistic(one.cacheHit),
      cache_miss: statistic(one.cacheMiss),
    },
    response_stats: {},
    batch_stats: one.batches.map(({ batchSize, computeInput, computeInfer, computeOutput }) => ({
      batch_size: batchSize,
      compute_input: statistic(computeInput),
      compute_infer: statistic(computeInfer),
      compute_output: statistic(computeOutput),
    })),
    memory_usage: [],
  };
}

/** @throws Refusal 501 for any name: there is one repository, and nobody can choose another */
export function checkRepository(name: string): void {
  if (name !== '') throw unsupported("'repository_name' specification");
}

/** The calls of the Open Inference Protocol that tell about models or change what is served, whatever the transport. */
export class OipControl {
  readonly #options: OipControlOptions;
  #log: LogSettings = {
    log_file: '',
    log_info: true,
    log_warning: true,
    log_error: true,
    log_verbose_level: 0,
    log_format: 'ISO8601',
  };

  constructor(options: OipControlOptions) {
    this.#options = options;
  }

  /** Of all versions that are loaded, of those of one model, or of one version. */
  async statistics(name: string | undefined, version: string | undefined): Promise<{ readonly model_stats: object[] }> {
    const { traffic, control } = this.#options;
    const wanted =
      name === undefined || version === undefined
        ? undefined
        : findVersion(traffic, name, parseSelector(version)).served.version;
    if (name !== undefined && wanted === undefined) findVersion(traffic, name, { kind: 'default' });
    const known = new Map(
      sumOfStatistics(await control.ask({ kind: 'statistics' })).map(one => [`${one.model}/${one.version}`, one]),
    );
    const stats: object[] = [];
    for (const served of traffic.versions()) {
      const { model, version: number, state, numbers } = served;
      const isAsked = (name === undefined || model === name) && (wanted === undefined || number === wanted);
      if (!isAsked || (wanted === undefined && state !== 'ready')) continue;
      stats.push(describe(known.get(`${model}/${number}`) ?? numbers.statistics.read(model, number)));
    }
    return { model_stats: stats };
  }

  index(isReadyOnly: boolean): IndexEntry[] {
    const entries: IndexEntry[] = [];
    for (const { model: name, version, state: routedState, routed, away } of this.#options.traffic.versions()) {
      const state = away === undefined ? routedState : 'failed';
      if (isReadyOnly && state !== 'ready') continue;
      const isKnown = state === 'ready' || state === 'loading';
      entries.push({
        name,
        version: String(version),
        state: state === 'ready' ? 'READY' : state === 'loading' ? 'LOADING' : 'UNAVAILABLE',
        reason: isKnown ? '' : (away ?? routed.reason ?? 'unloaded'),
      });
    }
    return entries.toSorted((a, b) => a.name.localeCompare(b.name) || Number(a.version) - Number(b.version));
  }

  /** @throws Refusal, Fault */
  async load(repository: string, name: string, parameters: LoadParameters): Promise<void> {
    this.#check(repository, name);
    const config = this.#configOf(name, parameters);
    const files = this.#filesOf(name, parameters);
    if (files.length > 0 && config === undefined) {
      throw badRequest(`failed to load '${name}', files can only be given together with the parameter 'config'`);
    }
    const maximumRows = config?.max_batch_size;
    const delayUs = config?.dynamic_batching?.max_queue_delay_microseconds;
    const batching = {
      ...(maximumRows !== undefined && { maximumRows: Math.max(1, maximumRows) }),
      ...(delayUs !== undefined && { maximumDelayMs: delayUs / 1000 }),
    };
    await this.#ask({ kind: 'load', model: name, batching, files });
  }

  /** @throws Refusal, Fault */
  async unload(repository: string, name: string): Promise<void> {
    this.#check(repository, name);
    await this.#ask({ kind: 'unload', model: name });
  }

  #check(repository: string, name: string): void {
    checkRepository(repository);
    if (name.trim() === '') throw badRequest('Model name cannot be empty. Please enter a valid name to deploy.');
    if (name.includes('/') || name.includes('\\') || name.includes('..')) {
      throw badRequest('model name must not contain path traversal characters');
    }
    this.#checkMayControl();
  }

  #checkMayControl(): void {
    if (!this.#options.mayControl) throw fault('control_disabled');
  }

  #configOf(name: string, parameters: LoadParameters): z.output<typeof configSchema> | undefined {
    const text = parameters.get('config');
    if (text === undefined) return undefined;
    try {
      return configSchema.parse(JSON.parse(typeof text === 'string' ? text : ''));
    } catch {
      throw badRequest(`failed to load '${name}', the parameter 'config' is no model configuration in JSON`);
    }
  }

  #filesOf(name: string, parameters: LoadParameters): UploadedFile[] {
    const files: UploadedFile[] = [];
    for (const [key, value] of parameters) {
      if (key === 'config') continue;
      const version = Number(filePattern.exec(key)?.[1]);
      const isFile = Number.isSafeInteger(version) && (typeof value === 'string' || value instanceof Uint8Array);
      if (!isFile) {
        throw badRequest(
          `failed to load '${name}', parameter '${key.slice(0, 80)}' is not known; a file is given as 'file:VERSION/model.onnx'`,
        );
      }
      files.push({ version, bytes: typeof value === 'string' ? Buffer.from(value, 'base64') : value });
    }
    return files.toSorted((a, b) => a.version - b.version);
  }

  async #ask(question: Question): Promise<void> {
    await this.#options.control.ask(question);
  }

  /** The settings of the log after `changes`. @throws Refusal, 501 for a log file */
  async logSettings(changes: object | undefined): Promise<LogSettings> {
    if (changes === undefined || Object.keys(changes).length === 0) return this.#log;
    const parsed = logSettingsSchema.safeParse(changes);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw badRequest(`log setting '${issue?.path.join('.') ?? ''}': ${issue?.message ?? 'is not known'}`);
    }
    if (parsed.data.log_file !== undefined) throw unsupported('changing log_file');
    this.#checkMayControl();
    const given = Object.entries(parsed.data).filter(([, value]) => value !== undefined);
    const next: LogSettings = { ...this.#log, ...Object.fromEntries(given) };
    await this.#ask({ kind: 'log', level: levelOf(next) });
    this.#log = next;
    return next;
  }

  /** The settings of tracing. @throws Refusal 501 when they would turn it on, or `model_not_found` */
  traceSettings(
    model: string | undefined,
    changes: ReadonlyMap<string, readonly string[]>,
  ): Record<string, readonly string[]> {
    if (model !== undefined) findVersion(this.#options.traffic, model, { kind: 'default' });
    for (const [name, values] of changes) {
      const now = Object.entries(traceSettings).find(([key]) => key === name)?.[1];
      if (now === undefined) throw badRequest(`trace setting '${name.slice(0, 80)}' is not known`);
      const isSame = values.length === 0 || values.join() === now.join();
      if (!isSame) throw unsupported(`tracing ('${name}')`);
    }
    return { ...traceSettings };
  }
}
