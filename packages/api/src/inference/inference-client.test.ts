import { expect, expectTypeOf, test } from 'vitest';
import { InferenceClient, type InferenceClientOptions, InferenceError, type RetryClock, tensor } from './index.ts';

type Churn = {
  readonly inputs: { readonly tenure: 'FP32'; readonly plan?: 'BYTES' };
  readonly outputs: { readonly probability: 'FP32'; readonly label: 'INT64' };
};

const inputs = { tenure: tensor('FP32', [2], Float32Array.of(3, 40)) };
const clock: RetryClock = { nowMs: () => 0, sleep: async () => {}, random: () => 0 };

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
}

/** A client of a server that answers with these, one per request, and what it was sent. */
function clientOf(
  answers: readonly ((sent: Sent) => Response | Promise<Response>)[],
  options: InferenceClientOptions = {},
) {
  const sent: Sent[] = [];
  const client = new InferenceClient('http://server/', {
    encoding: 'json',
    clock,
    fetch: async (url, init) => {
      sent.push({ url, init });
      const answer = answers[sent.length - 1];
      if (answer === undefined) throw new Error('one request too many');
      return answer({ url, init });
    },
    ...options,
  });
  return { client, model: client.model<Churn>('churn'), sent };
}

function answer(probability: string, label = '[1,0]'): Response {
  return new Response(
    `{"model_name":"churn","model_version":"3","id":"a","parameters":{"prediction_id":"p1"},"outputs":[{"name":"probability","datatype":"FP32","shape":[2],"data":${probability}},{"name":"label","datatype":"INT64","shape":[2],"data":${label}}]}`,
  );
}

test('JSON answers keep what plain JSON would lose', async () => {
  const { model } = clientOf([() => answer('[NaN,-Infinity]', '[9007199254740993,-9223372036854775808]')]);
  const { outputs, ...rest } = await model.infer(inputs);
  expect(outputs.probability.data).toEqual(Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY));
  expect(outputs.label.data).toEqual(BigInt64Array.of(9007199254740993n, -9223372036854775808n));
  expect(rest).toMatchObject({ id: 'a', modelName: 'churn', modelVersion: '3', predictionId: 'p1' });
});

test('tensors are typed by the signature', async () => {
  const { model } = clientOf([() => answer('[1,2]')]);
  const { outputs } = await model.infer(inputs, { outputs: ['label'] });
  expectTypeOf(outputs.label.data).toEqualTypeOf<BigInt64Array>();
  // @ts-expect-error the other output was not asked for
  expect(outputs.probability).toBeDefined();
});

test('the JSON request says what the call says', async () => {
  const { client, sent } = clientOf([() => answer('[1,2]')]);
  const model = client.model<Churn>('a b', 'canary');
  const given = { ...inputs, plan: tensor('BYTES', [2], ['x', 'é"']) };
  const options = {
    id: 'r1',
    outputs: ['label'],
    priority: 1,
    timeoutMs: 250,
    headers: { 'x-holdfast-key': 'k' },
  } as const;
  await model.infer(given, options);
  expect(sent[0]?.url).toBe('http://server/v2/models/a%20b/versions/canary/infer');
  expect(sent[0]?.init.headers).toEqual({ 'content-type': 'application/json', 'x-holdfast-key': 'k' });
  expect(JSON.parse(String(sent[0]?.init.body))).toEqual({
    id: 'r1',
    parameters: { priority: 1, timeout: 250_000 },
    inputs: [
      { name: 'tenure', datatype: 'FP32', shape: [2], data: [3, 40] },
      { name: 'plan', datatype: 'BYTES', shape: [2], data: ['x', 'é"'] },
    ],
    outputs: [{ name: 'label' }],
  });
});

test.each([
  [
    'a list without the extension',
    () => Response.json({ name: 'mlserver', version: '1', extensions: [] }),
    'application/json',
  ],
  ['no metadata', () => new Response('', { status: 404 }), 'application/json'],
  [
    'the extension',
    () => Response.json({ name: 'triton', version: '2', extensions: ['binary_tensor_data'] }),
    'application/octet-stream',
  ],
])('a server that shows %s is sent the right encoding, and asked once', async (_, metadata, contentType) => {
  const { model, sent } = clientOf([metadata, () => answer('[1,2]'), () => answer('[1,2]')], { encoding: 'auto' });
  await model.infer(inputs);
  await model.infer(inputs);
  expect(sent.map(({ url }) => url.slice(13))).toEqual(['/v2', '/v2/models/churn/infer', '/v2/models/churn/infer']);
  expect(sent[2]?.init.headers).toMatchObject({ 'content-type': contentType });
});

test.each([
  [400, '{"error":"unexpected shape"}', 'invalid_request', undefined, 'unexpected shape'],
  [404, '{"error":{"code":"model_not_found","message":"No model."}}', 'not_found', 'model_not_found', 'No model.'],
  [422, '{"detail":"bad"}', 'invalid_request', undefined, 'bad'],
  [500, '<html>', 'server_error', undefined, 'The server answered 500: <html>'],
])('the answer %i %s is the error %s', async (status, body, code, serverCode, message) => {
  const { model } = clientOf([() => new Response(body, { status })]);
  const error: unknown = await model.infer(inputs).catch((why: unknown) => why);
  expect(error).toBeInstanceOf(InferenceError);
  expect(error).toMatchObject({ code, serverCode, status, message });
});

test.each([
  ['{}', 'has no outputs'],
  ['[1', 'is not JSON'],
  ['{"outputs":[{"name":"probability","datatype":"FP32","shape":[3],"data":[1]}]}', '1 elements came instead of 3'],
  ['{"outputs":[{"name":"probability","datatype":"BF16","shape":[1],"data":[1]}]}', 'unknown datatype BF16'],
  ['{"outputs":[{"name":"p","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}', 'is cut off'],
])('the answer %s is refused: %s', async (body, why) => {
  const { model } = clientOf([() => new Response(body)]);
  await expect(model.infer(inputs)).rejects.toMatchObject({
    code: 'bad_answer',
    message: expect.stringContaining(why),
  });
});

test('a refusal with 503 is tried again; one with 400 is not', async () => {
  const busy = () => new Response('{"error":"full"}', { status: 503, headers: { 'retry-after': '1' } });
  const { model } = clientOf([busy, busy, () => answer('[1,2]')]);
  expect((await model.infer(inputs)).modelVersion).toBe('3');
  const once = clientOf([busy, () => answer('[1,2]')], { retry: false });
  await expect(once.model.infer(inputs)).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 1000 });
});

/** A request that only its abortion ends. */
async function never({ init }: Sent): Promise<Response> {
  init.signal?.throwIfAborted();
  return new Promise((_, reject) => init.signal?.addEventListener('abort', () => reject(init.signal?.reason)));
}

test('the deadline of a call ends it', async () => {
  const { model } = clientOf([never]);
  await expect(model.infer(inputs, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
});

test('the signal of a call ends it', async () => {
  const { model } = clientOf([never]);
  const controller = new AbortController();
  const call = model.infer(inputs, { signal: controller.signal });
  controller.abort();
  await expect(call).rejects.toMatchObject({ code: 'cancelled' });
});

test('a hedge answers for a slow first request, which is aborted', async () => {
  const { model, sent } = clientOf([never, () => answer('[1,2]')], { hedgeAfterMs: 5 });
  expect((await model.infer(inputs)).modelVersion).toBe('3');
  expect(sent.map(({ init }) => init.signal?.aborted)).toEqual([true, true]);
});

test('a request of a sequence is not hedged: its state would take the step twice', async () => {
  const { model, sent } = clientOf([() => answer('[1,2]')], { hedgeAfterMs: 0 });
  await model.infer(inputs, { parameters: { sequence_id: 7 } });
  expect(sent).toHaveLength(1);
});

test.each([1e12, Number.POSITIVE_INFINITY])('a time-out of %d ms does not end a call at once', async timeoutMs => {
  const { model, sent } = clientOf([() => new Promise(resolve => setTimeout(resolve, 20, answer('[1,2]')))]);
  await model.infer(inputs, { timeoutMs });
  expect(JSON.parse(String(sent[0]?.init.body)).parameters).toEqual({ timeout: 2_147_483_647_000 });
});

test('null is NaN in a float output; what is no number is no answer', async () => {
  const { model } = clientOf([() => answer('[null,1]'), () => answer('["x",1]'), () => answer('[{},1]')]);
  expect((await model.infer(inputs)).outputs.probability.data).toEqual(Float32Array.of(Number.NaN, 1));
  for (const _ of [1, 2]) await expect(model.infer(inputs)).rejects.toMatchObject({ code: 'bad_answer' });
});

test('an error whose body is cut off is still told by its status', async () => {
  const cut = new ReadableStream({ start: controller => controller.error(new TypeError('terminated')) });
  const { model } = clientOf([() => new Response(cut, { status: 400 })]);
  await expect(model.infer(inputs)).rejects.toMatchObject({ name: 'InferenceError', status: 400 });
});

test('without the option nothing is hedged', async () => {
  const { model, sent } = clientOf([never]);
  await expect(model.infer(inputs, { timeoutMs: 20 })).rejects.toThrow();
  expect(sent).toHaveLength(1);
});

test('models are listed by the index, or by the list where there is none', async () => {
  const indexed = clientOf([() => Response.json([{ name: 'a', version: '1', state: 'READY' }])]);
  expect(await indexed.client.models()).toEqual([{ name: 'a', version: '1', state: 'READY' }]);
  const listed = clientOf([() => new Response('', { status: 404 }), () => Response.json({ models: ['a'] })]);
  expect(await listed.client.models()).toEqual([{ name: 'a', version: undefined, state: undefined }]);
});

test('a tensor of another size than its shape is refused before it is sent', () => {
  expect(() => tensor('FP32', [2, 2], new Float32Array(3))).toThrow('A tensor of shape [2,2] has 4 elements, not 3.');
});

test('FP16 cannot go as JSON', async () => {
  const { client } = clientOf([]);
  const half = tensor('FP16', [1], Uint16Array.of(0x3c00));
  await expect(client.model('m').infer({ x: half })).rejects.toMatchObject({ code: 'invalid_request' });
});
