import { expect, test } from 'vitest';
import { parseTritonConfig } from './triton-config.ts';

const whole = `
# A model as a user of Triton writes it.
name: "densenet"
platform: "onnxruntime_onnx"
max_batch_size : 8
input [
  { name: "data_0" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 224, 224 ] }
]
output {
  name: "fc6_1", data_type: TYPE_FP32; dims: 1000
  label_filename: 'labels' '.txt'
}
version_policy: { latest { num_versions: 2 } }
dynamic_batching { preferred_batch_size: [4, 8] max_queue_delay_microseconds: 1500 }
instance_group [ { count: 2 kind: KIND_CPU }, < count: 1 > ]
model_warmup [{
  name: "first" batch_size: 4 count: 3
  inputs { key: "data_0" value: { data_type: TYPE_FP32 dims: [3, 224, 224] random_data: true } }
}]
optimization { graph { level: -1 } }
`;

test.each(['constructor', 'toString', '__proto__'])('the field %s is not known', name => {
  expect(() => parseTritonConfig(`${name}: 1`)).toThrow(`field "${name}" is not known`);
});

test('all that a Triton user writes for an ONNX model is read', () => {
  const { notes, ...config } = parseTritonConfig(whole);
  expect(config).toEqual({
    name: 'densenet',
    versions: { latest: 2 },
    maximumBatch: 8,
    batching: { maximumDelayMs: 1.5, preferredRows: [4, 8] },
    inputs: [{ name: 'data_0', datatype: 'FP32', dims: [3, 224, 224] }],
    outputs: [{ name: 'fc6_1', datatype: 'FP32', dims: [1000] }],
    labelFiles: new Map([['fc6_1', 'labels.txt']]),
    instances: 3,
    warmUp: [{ rows: 4, count: 3, inputs: { data_0: { values: 'random', shape: [4, 3, 224, 224] } } }],
    fileName: 'model.onnx',
    ensemble: undefined,
  });
  expect(notes).toEqual([
    expect.stringContaining('line 7: field "input.format"'),
    expect.stringContaining('line 20: field "optimization"'),
  ]);
});

test('an ensemble is read with its steps and maps', () => {
  const { ensemble } = parseTritonConfig(`platform: "ensemble" ensemble_scheduling { step [
    { model_name: "a" model_version: -1 input_map { key: "x" value: "RAW" } output_map { key: "y" value: "MID" } },
    { model_name: "b" model_version: 3 input_map: { key: "x", value: "MID" } output_map { key: "y" value: "OUT" } }
  ] }`);
  expect(ensemble).toEqual([
    { model: 'a', version: undefined, inputs: new Map([['x', 'RAW']]), outputs: new Map([['y', 'MID']]) },
    { model: 'b', version: 3, inputs: new Map([['x', 'MID']]), outputs: new Map([['y', 'OUT']]) },
  ]);
});

test('priorities and queue policies are read', () => {
  const { batching } =
    parseTritonConfig(`max_batch_size: 4 dynamic_batching { priority_levels: 2 default_priority_level: 2
    default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 2500 allow_timeout_override: true max_queue_size: 9 }
    priority_queue_policy { key: 1 value: { default_timeout_microseconds: 100 } } }`);
  expect(batching).toEqual({
    priorityLevels: 2,
    defaultPriority: 2,
    queuePolicy: { timeoutMs: 2.5, onTimeout: 'delay', allowTimeoutOverride: true, maximumRequests: 9 },
    queuePolicies: { 1: { timeoutMs: 0.1, onTimeout: 'reject', allowTimeoutOverride: false } },
  });
});

test.each([
  ['version_policy { specific { versions: [1, 3] } }', { specific: [1, 3] }],
  ['version_policy: { all {} }', 'all'],
  ['version_policy {}', { latest: 1 }],
  ['', undefined],
])('the version policy of "%s"', (text, expected) => {
  expect(parseTritonConfig(text).versions).toEqual(expected);
});

test.each([
  ['max_batch_size: 8\nmax_bach: 2', 'line 2: field "max_bach" is not known'],
  ['\ninput { name: "x" dtype: TYPE_FP32 }', 'line 2: field "input.dtype" is not known'],
  ['max_batch_size: "8"', 'line 1: field "max_batch_size" must be a whole number'],
  ['max_batch_size: -2', 'line 1: field "max_batch_size" must be 0 or more, not -2'],
  ['max_batch_size: 1 max_batch_size: 2', 'line 1: field "max_batch_size" is given twice'],
  ['input {\n name: "x"', 'line 2: the message that began on line 1 is not closed with "}"'],
  ['name "x"', 'line 1: ":" or "{" is expected after "name"'],
  ['name: "x', 'line 1: a string does not end on its line'],
  ['platform: "pytorch_libtorch"', 'line 1: field "platform" is "pytorch_libtorch"'],
  ['\n\nsequence_batching {}', 'line 3: field "sequence_batching" is not served'],
  ['input { name: "x" reshape { shape: [1] } }', 'line 1: field "input.reshape" is not served'],
  ['input { name: "x" data_type: TYPE_BF16 }', 'field "input.data_type" has the type TYPE_BF16'],
  ['output { name: "y" label_filename: "../../etc/passwd" }', 'must be the name of a file inside the folder'],
  ['model_transaction_policy { decoupled: True }', 'is not served'],
  ['max_batch_size: 2 dynamic_batching { preferred_batch_size: 4 }', 'is 4, but max_batch_size 2'],
  ['dynamic_batching { priority_levels: 1 default_priority_level: 3 }', 'must be one of the 1 priority_levels'],
  ['name: @', 'line 1: "@" is not expected here'],
  [`${'a {'.repeat(40)}`, 'more than 32 messages inside one another'],
])('%j is refused with line and field', (text, message) => {
  expect(() => parseTritonConfig(text)).toThrow(message);
});
