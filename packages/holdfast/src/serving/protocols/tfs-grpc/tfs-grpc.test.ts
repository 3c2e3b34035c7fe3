import { status } from '@grpc/grpc-js';
import { type Datatype, datatypes, type Signature } from '@holdfast/api';
import { expect, test } from 'vitest';
import type { ControlDoor, Question } from '../../control-door.ts';
import { addition, addModel, echoModel, FakeGateway, type FakeReply } from '../../fake-gateway.ts';
import type { FakeModel } from '../../fake-runner.ts';
import { TestClient } from '../../grpc/test-client.ts';

/** A gateway with a client of one service of TensorFlow Serving. */
async function started(
  service: 'PredictionService' | 'ModelService' = 'PredictionService',
  control?: ControlDoor,
): Promise<{ fake: FakeGateway; client: TestClient } & AsyncDisposable> {
  const fake = await FakeGateway.start({}, { hasGrpc: true, ...(control !== undefined && { control }) });
  await fake.serve('add', fake.version(addition, addModel, { version: 3 }));
  const address = `127.0.0.1:${fake.gateway.grpcPort}`;
  const client = new TestClient(address, 'tensorflow_serving.proto', `tensorflow.serving.${service}`);
  return {
    fake,
    client,
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await fake[Symbol.asyncDispose]();
    },
  };
}

const shape = (...sizes: number[]): object => ({ dim: sizes.map(size => ({ size })) });
const float = (sizes: number[], values: number[]): object => ({
  dtype: 'DT_FLOAT',
  tensor_shape: shape(...sizes),
  float_val: values,
});
const ab = { a: float([1, 2], [1, 2]), b: float([1, 2], [10, 20]) };
const predict = { model_spec: { name: 'add' }, inputs: ab };

async function refused(call: Promise<unknown>): Promise<unknown> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { code: Reflect.get(Object(error), 'code'), details: Reflect.get(Object(error), 'details') };
}

test('predict answers with the version and its signature, and is recorded', async () => {
  await using it = await started();
  const { message, metadata } = await it.client.call('Predict', predict, { metadata: { 'x-holdfast-key': 'k1' } });
  expect(message).toMatchObject({
    outputs: { sum: { dtype: 'DT_FLOAT', tensor_shape: { dim: [{ size: '1' }, { size: '2' }] }, float_val: [11, 22] } },
    model_spec: { name: 'add', version: { value: '3' }, signature_name: 'serving_default' },
  });
  expect(it.fake.sink.answers).toMatchObject([{ id: metadata.get('x-holdfast-prediction-id')[0], key: 'k1', rows: 1 }]);
});

test('a tensor may come as bytes, a single value fills its shape, and no value is zero', async () => {
  await using it = await started();
  const content = {
    dtype: 'DT_FLOAT',
    tensor_shape: shape(1, 2),
    tensor_content: Buffer.from(Float32Array.of(5, 6).buffer),
  };
  const answer = async (b: object): Promise<unknown> =>
    (await it.client.call('Predict', { ...predict, inputs: { a: content, b } })).message.outputs;
  expect(await answer(float([1, 2], [100]))).toMatchObject({ sum: { float_val: [105, 106] } });
  expect(await answer(float([1, 2], []))).toMatchObject({ sum: { float_val: [5, 6] } });
});

/** Two rows of two values of each type, as its field has them. */
const samples: Readonly<Record<Datatype, { readonly dtype: string; readonly values: object }>> = {
  BOOL: { dtype: 'DT_BOOL', values: { bool_val: [true, false, false, true] } },
  INT8: { dtype: 'DT_INT8', values: { int_val: [-128, -1, 0, 127] } },
  INT16: { dtype: 'DT_INT16', values: { int_val: [-32768, -1, 0, 32767] } },
  INT32: { dtype: 'DT_INT32', values: { int_val: [-2147483648, -1, 0, 2147483647] } },
  INT64: { dtype: 'DT_INT64', values: { int64_val: ['-9223372036854775808', '-1', '0', '9223372036854775807'] } },
  UINT8: { dtype: 'DT_UINT8', values: { int_val: [0, 1, 254, 255] } },
  UINT16: { dtype: 'DT_UINT16', values: { int_val: [0, 1, 2, 65535] } },
  UINT32: { dtype: 'DT_UINT32', values: { uint32_val: [0, 1, 2, 4294967295] } },
  UINT64: { dtype: 'DT_UINT64', values: { uint64_val: ['0', '1', '2', '18446744073709551615'] } },
  FP16: { dtype: 'DT_HALF', values: { half_val: [0x3c00, 0x7c00, 0x7e00, 1] } },
  FP32: { dtype: 'DT_FLOAT', values: { float_val: [Number.NaN, Infinity, -0, 0.125] } },
  FP64: { dtype: 'DT_DOUBLE', values: { double_val: [Number.NaN, 5e-324, -0, 0.1] } },
  BYTES: { dtype: 'DT_STRING', values: { string_val: ['', 'a', 'é\n', '日本'].map(text => Buffer.from(text)) } },
};

test.each(datatypes)('%s goes through unchanged', async datatype => {
  await using it = await started();
  const signature = {
    inputs: [{ name: 'x', datatype, shape: [-1, 2], optional: false }],
    outputs: [{ name: 'y', datatype, shape: [-1, 2], optional: false }],
  };
  await it.fake.serve('echo', it.fake.version(signature, echoModel(signature)));
  const { dtype, values } = samples[datatype];
  const inputs = { x: { dtype, tensor_shape: shape(2, 2), ...values } };
  const { message } = await it.client.call('Predict', { model_spec: { name: 'echo' }, inputs });
  expect(message.outputs).toMatchObject({ y: { dtype, ...values } });
});

test.each([
  [
    'a missing input',
    { ...predict, inputs: { a: ab.a } },
    status.INVALID_ARGUMENT,
    'input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}.',
  ],
  [
    'another signature',
    { ...predict, model_spec: { name: 'add', signature_name: 'S' } },
    status.FAILED_PRECONDITION,
    'Serving signature key "S" not found.',
  ],
  [
    'an unknown model',
    { ...predict, model_spec: { name: 'nope' } },
    status.NOT_FOUND,
    'Servable not found for request: Latest(nope)',
  ],
  [
    'an unknown version',
    { ...predict, model_spec: { name: 'add', version: { value: 99 } } },
    status.NOT_FOUND,
    'Servable not found for request: Specific(add, 99)',
  ],
  [
    'an unknown label',
    { ...predict, model_spec: { name: 'add', version_label: 'L' } },
    status.INVALID_ARGUMENT,
    'Unrecognized servable version label: L',
  ],
  [
    'an unknown output',
    { ...predict, output_filter: ['z'] },
    status.INVALID_ARGUMENT,
    'output tensor alias not found in signature: z',
  ],
  ['no model', { inputs: ab }, status.INVALID_ARGUMENT, 'ModelSpec has no name specified'],
  [
    'more values than the shape holds',
    { ...predict, inputs: { ...ab, b: float([1, 2], [1, 2, 3]) } },
    status.INVALID_ARGUMENT,
    'has 3 values, but its shape holds 2',
  ],
  [
    'one value for a huge tensor',
    { ...predict, inputs: { ...ab, b: float([100_000, 100_000], [1]) } },
    status.INVALID_ARGUMENT,
    'has 1 values for',
  ],
])('%s is refused', async (_, request, code, details) => {
  await using it = await started();
  expect(await refused(it.client.call('Predict', request))).toEqual({
    code,
    details: expect.stringContaining(details),
  });
});

/** f1, f2 and a text in; a class out, with the score of each of three classes. */
const classifier: Signature = {
  inputs: [
    { name: 'features', datatype: 'FP32', shape: [-1, 2], optional: false },
    { name: 'plan', datatype: 'BYTES', shape: [-1, 1], optional: false },
  ],
  outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 3], optional: false }],
  columns: [
    { name: 'f1', role: 'input', tensor: 'features', index: 0, kind: 'numeric', pii: false },
    { name: 'f2', role: 'input', tensor: 'features', index: 1, kind: 'numeric', pii: false },
    { name: 'plan', role: 'input', tensor: 'plan', index: 0, kind: 'categorical', pii: false },
    ...['s0', 's1', 's2'].map((name, index) => ({
      name,
      role: 'output' as const,
      tensor: 'scores',
      index,
      kind: 'numeric' as const,
      pii: false,
    })),
  ],
  task: { kind: 'multiclass', scores: ['s0', 's1', 's2'], classes: ['cat', 'dog', 'owl'] },
};
const classify: FakeModel = ([features]) => {
  const rows = features?.shape[0] ?? 0;
  const data = Float32Array.from(
    { length: 3 * rows },
    (_, i) => Number(features?.data[2 * Math.floor(i / 3)]) + (i % 3),
  );
  return [{ name: 'scores', datatype: 'FP32', shape: [rows, 3], data }];
};

async function withClassifier(): ReturnType<typeof started> {
  const it = await started();
  const one = it.fake.version(classifier, classify, { signature: classifier });
  const two = it.fake.version(classifier, classify, {
    version: 2,
    signature: { ...classifier, task: { kind: 'regression', value: 's1' } },
  });
  await it.fake.route({ name: 'pets', aliases: { champion: 1, size: 2 }, versions: [one, two] });
  return it;
}

const feature = (f1: number): object => ({
  features: { feature: { f1: { float_list: { value: [f1] } }, f2: { int64_list: { value: [0] } } } },
});
const context = { features: { feature: { plan: { bytes_list: { value: [Buffer.from('basic')] } } } } };
const input = { example_list_with_context: { examples: [feature(1), feature(5)], context } };

test('classify gives each example its classes and scores', async () => {
  await using it = await withClassifier();
  const { message } = await it.client.call('Classify', { model_spec: { name: 'pets' }, input });
  const row = (...scores: number[]): object => ({
    classes: scores.map((score, i) => ({ label: ['cat', 'dog', 'owl'][i], score })),
  });
  expect(message).toMatchObject({
    result: { classifications: [row(1, 2, 3), row(5, 6, 7)] },
    model_spec: { name: 'pets', version: { value: '1' } },
  });
  expect(it.fake.sink.answers).toMatchObject([{ rows: 2 }]);
});

test('regress gives each example its value', async () => {
  await using it = await withClassifier();
  const { message } = await it.client.call('Regress', { model_spec: { name: 'pets', version_label: 'size' }, input });
  expect(message).toMatchObject({ result: { regressions: [{ value: 2 }, { value: 6 }] } });
});

test('multi-inference does several tasks on the same examples', async () => {
  await using it = await withClassifier();
  const tasks = [
    { model_spec: { name: 'pets' }, method_name: 'tensorflow/serving/classify' },
    { model_spec: { name: 'pets', version: { value: 2 } }, method_name: 'tensorflow/serving/regress' },
  ];
  const { message } = await it.client.call('MultiInference', { tasks, input });
  expect(message.results).toMatchObject([
    { model_spec: { version: { value: '1' } }, classification_result: { classifications: [{}, {}] } },
    { model_spec: { version: { value: '2' } }, regression_result: { regressions: [{ value: 2 }, { value: 6 }] } },
  ]);
});

test.each([
  [
    { example_list: { examples: [feature(1)] } },
    'Feature: plan (data type: string) is required but could not be found.',
  ],
  [{ example_list: { examples: [] } }, 'Input is empty.'],
  [{}, 'Input is empty.'],
  [
    { example_list: { examples: [{ features: { feature: { features: { float_list: { value: [1] } } } } }] } },
    'Number of float values != expected',
  ],
])('examples that do not fit are refused: %j', async (wrong, text) => {
  await using it = await withClassifier();
  expect(await refused(it.client.call('Classify', { model_spec: { name: 'pets' }, input: wrong }))).toEqual({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining(text),
  });
});

test('a model of another task says which method it has', async () => {
  await using it = await withClassifier();
  expect(await refused(it.client.call('Regress', { model_spec: { name: 'pets' }, input }))).toEqual({
    code: status.INVALID_ARGUMENT,
    details:
      'Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/predict',
  });
});

test('classify and regress over REST give what gRPC gives', async () => {
  await using it = await withClassifier();
  const post = (path: string, body: object): Promise<FakeReply> =>
    it.fake.call(`/v1/models/pets${path}`, { body: JSON.stringify(body) });
  const examples = [
    { f1: 1, f2: 0 },
    { f1: [5], f2: 0, plan: 'plus' },
  ];
  const plan = { plan: { b64: Buffer.from('basic').toString('base64') } };
  const classified = await post(':classify', { examples, context: plan });
  expect([classified.status, classified.text]).toEqual([
    200,
    '{"results":[[["cat",1.0],["dog",2.0],["owl",3.0]],[["cat",5.0],["dog",6.0],["owl",7.0]]]}',
  ]);
  expect((await post('/labels/size:regress', { examples, context: plan })).text).toBe('{"results":[2.0,6.0]}');
  for (const [body, text] of [
    [{ instances: [] }, "key 'examples' is expected"],
    [{ examples: 1 }, "Value of key 'examples' is not a list"],
    [{ examples: [1] }, 'Example: 0 must be a JSON object'],
    [{ examples, signature_name: 'S' }, 'Serving signature name: "S" not found in signature def'],
  ] as const) {
    const reply = await post(':classify', body);
    expect([reply.status, reply.text]).toEqual([400, expect.stringContaining(JSON.stringify(text).slice(1, -1))]);
  }
});

test('model metadata is the signature in TensorFlow Serving form', async () => {
  await using it = await started();
  const { message } = await it.client.call('GetModelMetadata', {
    model_spec: { name: 'add' },
    metadata_field: ['signature_def'],
  });
  expect(message).toMatchObject({ model_spec: { name: 'add', version: { value: '3' } } });
  const any: unknown = Reflect.get(Object(message.metadata), 'signature_def');
  expect(JSON.stringify(any)).toContain('SignatureDefMap');
  expect(await refused(it.client.call('GetModelMetadata', { model_spec: { name: 'add' } }))).toMatchObject({
    code: status.INVALID_ARGUMENT,
  });
});

test('model status tells each version; reload loads, labels and unloads', async () => {
  const asked: Question[] = [];
  await using it = await started('ModelService', {
    ask: async question => {
      asked.push(question);
      return [];
    },
  });
  const version = (): ReturnType<FakeGateway['version']> => it.fake.version(addition, addModel, { version: 3 });
  await it.fake.route(
    { name: 'add', aliases: { champion: 3 }, versions: [version()] },
    { name: 'old', aliases: { champion: 3 }, versions: [version()] },
  );
  expect((await it.client.call('GetModelStatus', { model_spec: { name: 'add' } })).message).toEqual({
    model_version_status: [{ version: '3', state: 'AVAILABLE', status: { error_code: 0, error_message: '' } }],
  });
  expect(await refused(it.client.call('GetModelStatus', { model_spec: { name: 'nope' } }))).toEqual({
    code: status.NOT_FOUND,
    details: 'Could not find any versions of model nope',
  });
  const config = (name: string, labelled: number): object => ({
    config: { model_config_list: { config: [{ name, base_path: '/models', version_labels: { stable: labelled } }] } },
  });
  await it.client.call('HandleReloadConfigRequest', config('add', 3));
  expect(asked).toEqual([
    { kind: 'load', model: 'add', batching: {}, files: [] },
    { kind: 'label', model: 'add', labels: { stable: 3 } },
    { kind: 'unload', model: 'old' },
  ]);
  for (const wrong of [config('nope', 1), config('add', 9)]) {
    expect(await refused(it.client.call('HandleReloadConfigRequest', wrong))).toMatchObject({ code: status.NOT_FOUND });
  }
  expect(asked).toHaveLength(3);
});
