import { type Datatype, datatypes } from '@holdfast/api';
import type { BatchingConfig, QueuePolicy, VersionPolicy, WarmUpConfig } from '../config/index.ts';
import { parseTextFormat } from './text-format.ts';
import { TextReader } from './text-reader.ts';

/** A tensor as a configuration describes it; with batching the first dimension is left out. */
export interface ConfiguredTensor {
  readonly name: string;
  readonly datatype: Datatype | undefined;
  readonly dims: readonly number[];
}

/** One step of an ensemble: a model, and how the ensemble's tensors are named inside it. */
export interface ConfiguredStep {
  readonly model: string;
  /** Undefined follows the model's champion. */
  readonly version: number | undefined;
  /** From the name inside the model to the name in the ensemble. */
  readonly inputs: ReadonlyMap<string, string>;
  readonly outputs: ReadonlyMap<string, string>;
}

/** What a `config.pbtxt` asks for. */
export interface TritonConfig {
  readonly name: string | undefined;
  readonly versions: VersionPolicy | undefined;
  /** 0: the model has no batch dimension. Undefined when the file does not say. */
  readonly maximumBatch: number | undefined;
  /** What `dynamic_batching` says. */
  readonly batching: Partial<BatchingConfig>;
  readonly inputs: readonly ConfiguredTensor[];
  readonly outputs: readonly ConfiguredTensor[];
  /** Files with one class per line, by output. */
  readonly labelFiles: ReadonlyMap<string, string>;
  readonly instances: number | undefined;
  /** Files are names inside the model's folder `warmup`. */
  readonly warmUp: readonly WarmUpConfig[];
  readonly fileName: string;
  /** Undefined for a model of its own. */
  readonly ensemble: readonly ConfiguredStep[] | undefined;
  /** Valid fields that do nothing here, one sentence each. */
  readonly notes: readonly string[];
}

const tuning = 'is not used: it only says how another server runs the model';

const ignoredInModel = {
  runtime: tuning,
  optimization: tuning,
  metric_tags: 'is not used',
  parameters: tuning,
  cc_model_filenames: tuning,
  response_cache: 'is not used: declare a cache in holdfast.yaml',
  model_metrics: 'is not used',
} as const;

type Batching = Partial<BatchingConfig>;

function queuePolicyOf(reader: TextReader): QueuePolicy {
  const action = reader.word('timeout_action') ?? 'REJECT';
  if (action !== 'REJECT' && action !== 'DELAY') throw reader.refusal('timeout_action', 'must be REJECT or DELAY');
  const timeoutUs = reader.whole('default_timeout_microseconds', 0) ?? 0;
  const maximumRequests = reader.whole('max_queue_size', 0) ?? 0;
  const policy = {
    timeoutMs: timeoutUs / 1000,
    onTimeout: action === 'DELAY' ? ('delay' as const) : ('reject' as const),
    allowTimeoutOverride: reader.flag('allow_timeout_override') ?? false,
    ...(maximumRequests > 0 && { maximumRequests }),
  };
  reader.end();
  return policy;
}

function dynamicBatching(reader: TextReader | undefined, maximumBatch: number | undefined): Batching {
  if (reader === undefined) return {};
  const delayUs = reader.whole('max_queue_delay_microseconds', 0);
  const preferredRows = [...reader.wholes('preferred_batch_size', 1)];
  const tooLarge = preferredRows.find(rows => maximumBatch !== undefined && rows > maximumBatch);
  if (tooLarge !== undefined)
    throw reader.refusal('preferred_batch_size', `is ${tooLarge}, but max_batch_size ${maximumBatch}`);
  const priorityLevels = reader.whole('priority_levels', 0) ?? 0;
  const defaultPriority = reader.whole('default_priority_level', 0) ?? 0;
  if (defaultPriority > priorityLevels || (priorityLevels > 0 && defaultPriority === 0))
    throw reader.refusal('default_priority_level', `must be one of the ${priorityLevels} priority_levels`);
  const policy = reader.message('default_queue_policy');
  const policies = [...reader.numbered('priority_queue_policy')].map(([level, one]) => {
    if (level < 1 || level > priorityLevels)
      throw one.refusal('key', `is ${level}, which is none of the ${priorityLevels} priority_levels`);
    return [String(level), queuePolicyOf(one)] as const;
  });
  const batching = {
    ...(delayUs !== undefined && { maximumDelayMs: delayUs / 1000 }),
    ...(preferredRows.length > 0 && { preferredRows }),
    ...(priorityLevels > 0 && { priorityLevels, defaultPriority }),
    ...(policy !== undefined && { queuePolicy: queuePolicyOf(policy) }),
    ...(policies.length > 0 && { queuePolicies: Object.fromEntries(policies) }),
  };
  reader.end({ preserve_ordering: 'is not used: every request is answered on its own' });
  return batching;
}

/** @throws TextFormatError */
function datatypeOf(reader: TextReader, name: string): Datatype | undefined {
  const word = reader.word(name);
  if (word === undefined) return undefined;
  const short = word === 'TYPE_STRING' ? 'BYTES' : word.replace(/^TYPE_/, '');
  const datatype = datatypes.find(known => known === short);
  if (datatype === undefined || !word.startsWith('TYPE_'))
    throw reader.refusal(name, `has the type ${word}, which is not served`);
  return datatype;
}

function tensorOf(reader: TextReader, labelFiles: Map<string, string>): ConfiguredTensor {
  const name = reader.string('name');
  if (name === undefined || name === '') throw reader.refusal('name', 'is missing');
  reader.refuse('reshape', 'is not served: give the model the shape that clients send');
  reader.refuse('is_shape_tensor', 'is not served');
  reader.refuse('is_non_linear_format_io', 'is not served');
  if (reader.flag('allow_ragged_batch') === true) throw reader.refusal('allow_ragged_batch', 'is not served');
  const labels = reader.string('label_filename');
  if (labels !== undefined && labels !== '') labelFiles.set(name, safeName(reader, 'label_filename', labels));
  const tensor = { name, datatype: datatypeOf(reader, 'data_type'), dims: reader.wholes('dims', -1) };
  reader.flag('optional');
  reader.end({ format: 'is not used: the model fixes the order of the dimensions' });
  return tensor;
}

/** A file inside the model's folder. @throws TextFormatError for a path that may lead elsewhere */
function safeName(reader: TextReader, field: string, name: string): string {
  if (/^[^/\\\0]+$/.test(name) && name !== '.' && name !== '..') return name;
  throw reader.refusal(field, 'must be the name of a file inside the folder of the model');
}

function policyOf(reader: TextReader | undefined): VersionPolicy | undefined {
  if (reader === undefined) return undefined;
  const [latest, all, specific] = [reader.message('latest'), reader.message('all'), reader.message('specific')];
  reader.end();
  const count = [latest, all, specific].filter(choice => choice !== undefined).length;
  if (count > 1) throw reader.refusal('latest', 'stands beside another policy; give one of latest, all and specific');
  if (all !== undefined) {
    all.end();
    return 'all';
  }
  if (specific !== undefined) {
    const versions = specific.wholes('versions', 1);
    specific.end();
    if (versions.length === 0) throw reader.refusal('specific', 'names no versions');
    return { specific: [...versions] };
  }
  const number = latest?.whole('num_versions', 1) ?? 1;
  latest?.end();
  return { latest: number };
}

function instancesOf(groups: readonly TextReader[]): number | undefined {
  let sum = 0;
  for (const group of groups) {
    group.string('name');
    const kind = group.word('kind') ?? 'KIND_AUTO';
    if (!['KIND_AUTO', 'KIND_CPU', 'KIND_MODEL', 'KIND_GPU'].includes(kind))
      throw group.refusal('kind', `cannot be ${kind}`);
    if (kind === 'KIND_GPU') group.note('kind', 'is KIND_GPU: the instances run on the CPU');
    sum += group.whole('count', 1) ?? 1;
    group.end({
      gpus: tuning,
      rate_limiter: tuning,
      profile: tuning,
      passive: tuning,
      secondary_devices: tuning,
      host_policy: tuning,
    });
  }
  return sum === 0 ? undefined : sum;
}

function warmUpOf(reader: TextReader): WarmUpConfig {
  reader.string('name');
  const batch = reader.whole('batch_size', 0) ?? 0;
  const count = reader.whole('count', 0) ?? 0;
  const inputs: WarmUpConfig['inputs'] = {};
  for (const [name, input] of reader.entries('inputs')) {
    datatypeOf(input, 'data_type');
    const dims = input.wholes('dims', 1);
    const file = input.string('input_data_file');
    const isZero = input.flag('zero_data') === true;
    const isRandom = input.flag('random_data') === true;
    if (Number(isZero) + Number(isRandom) + Number(file !== undefined) !== 1)
      throw input.refusal('zero_data', 'or one of random_data and input_data_file must be given, and only one');
    input.end();
    inputs[name] = {
      values: isRandom ? 'random' : 'zero',
      shape: batch > 0 ? [batch, ...dims] : [...dims],
      ...(file !== undefined && { file: safeName(input, 'input_data_file', file) }),
    };
  }
  reader.end();
  return { rows: Math.max(1, batch), count: Math.max(1, count), inputs };
}

function stepsOf(reader: TextReader | undefined): readonly ConfiguredStep[] | undefined {
  if (reader === undefined) return undefined;
  const steps = reader.messages('step').map(step => {
    const model = step.string('model_name');
    if (model === undefined || model === '') throw step.refusal('model_name', 'is missing');
    const version = step.whole('model_version', -1) ?? -1;
    step.refuse('model_namespace', 'is not served');
    const one = {
      model,
      version: version < 1 ? undefined : version,
      inputs: step.texts('input_map'),
      outputs: step.texts('output_map'),
    };
    step.end();
    return one;
  });
  reader.end();
  if (steps.length === 0) throw reader.refusal('step', 'is missing: an ensemble has one or more');
  return steps;
}

function checkBackend(reader: TextReader, isEnsemble: boolean): void {
  const platform = reader.string('platform') ?? '';
  const backend = reader.string('backend') ?? '';
  const fits = isEnsemble ? ['', 'ensemble'] : ['', 'onnxruntime_onnx'];
  if (!fits.includes(platform))
    throw reader.refusal(
      'platform',
      `is "${platform.slice(0, 40)}"; ONNX models are served here, and ensembles of them`,
    );
  if (backend !== '' && backend !== 'onnxruntime')
    throw reader.refusal('backend', `is "${backend.slice(0, 40)}"; only "onnxruntime" is served here`);
  if (platform === 'ensemble' && !isEnsemble)
    throw reader.refusal('platform', 'is "ensemble", but there is no ensemble_scheduling');
}

/**
 * Reads a `config.pbtxt`. A valid field that cannot change an answer is noted; one that can, and is not served, is an
 * error.
 *
 * @throws TextFormatError with line and field
 */
export function parseTritonConfig(source: string): TritonConfig {
  const reader = new TextReader(parseTextFormat(source));
  const labelFiles = new Map<string, string>();
  const name = reader.string('name');
  const ensemble = stepsOf(reader.message('ensemble_scheduling'));
  checkBackend(reader, ensemble !== undefined);
  for (const [field, what] of [
    ['sequence_batching', 'is not served from a model repository'],
    ['batch_input', 'is not served'],
    ['batch_output', 'is not served'],
    ['model_operations', 'is not served: operators of a library of your own cannot be loaded'],
    ['model_repository_agents', 'is not served'],
  ] as const)
    reader.refuse(field, what);
  const transaction = reader.message('model_transaction_policy');
  if (transaction?.flag('decoupled') === true)
    throw transaction.refusal('decoupled', 'is not served: each request has one answer');
  transaction?.end();
  const maximumBatch = reader.whole('max_batch_size', 0);
  const fileName = reader.string('default_model_filename') || 'model.onnx';
  const config = {
    name: name === '' ? undefined : name,
    versions: policyOf(reader.message('version_policy')),
    maximumBatch,
    batching: dynamicBatching(reader.message('dynamic_batching'), maximumBatch),
    inputs: reader.messages('input').map(input => tensorOf(input, labelFiles)),
    outputs: reader.messages('output').map(output => tensorOf(output, labelFiles)),
    labelFiles,
    instances: instancesOf(reader.messages('instance_group')),
    warmUp: reader.messages('model_warmup').map(warmUpOf),
    fileName: safeName(reader, 'default_model_filename', fileName),
    ensemble,
  };
  reader.end(ignoredInModel);
  return { ...config, notes: reader.notes };
}
