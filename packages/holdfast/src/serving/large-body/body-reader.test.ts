import { afterAll, expect, test } from 'vitest';
import { echoModel, FakeGateway } from '../fake-gateway.ts';
import { BodyReader } from './body-reader.ts';
import { packText, unpackText } from './packed-text.ts';

const reader = new BodyReader();
afterAll(() => reader[Symbol.asyncDispose]());

const padding = ' '.repeat(1_100_000);

test('texts survive packing, more of them than fit a turn too', async () => {
  const texts = Array.from({ length: 20_000 }, (_, i) => (i % 3 === 0 ? '' : `é${i}`));
  expect(await unpackText(packText(texts))).toEqual(texts);
});

test('a large infer request is read as a small one is', async () => {
  const json =
    '{"id":"x","inputs":[{"name":"n","shape":[2],"datatype":"INT64","data":[9007199254740993,-1]},' +
    '{"name":"s","shape":[2],"datatype":"BYTES","data":["é",""]},' +
    '{"name":"f","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}],"outputs":[{"name":"o"}]}';
  const tail = Buffer.from(Float32Array.of(1.5).buffer);
  const read = (head: string) => reader.infer(Buffer.concat([Buffer.from(head), tail]), head.length + 1, 'm');
  const small = read(json);
  const large = read(json + padding);
  expect(small).not.toBeInstanceOf(Promise);
  expect(large).toBeInstanceOf(Promise);
  expect(await large).toEqual(await small);
});

test('a large predict request and large feedback are read as small ones are', async () => {
  const signature = { inputs: [{ name: 's', datatype: 'BYTES' as const, shape: [-1], optional: false }] };
  const predict = '{"instances":["a","b"]}';
  expect(await reader.predict(Buffer.from(predict + padding), signature)).toEqual(
    reader.predict(Buffer.from(predict), signature),
  );
  const labels = '{"labels":[{"key":"k","value":1.5},{"prediction_id":"p","value":"x","event_time":7}]}';
  expect(await reader.labels(Buffer.from(labels + padding), false, 3)).toEqual(
    await reader.labels(Buffer.from(labels), false, 3),
  );
});

test('a large body is refused in the same words', async () => {
  const refused = reader.infer(Buffer.from(`{"inputs":}${padding}`), 1_100_011, 'm');
  await expect(refused).rejects.toMatchObject({
    name: 'Refusal',
    code: 'bad_request',
    status: 400,
    message: 'failed to parse the request JSON buffer: Invalid value. at 10',
  });
});

test('while a large body is read, written and answered, small requests are answered', async () => {
  const signature = {
    inputs: [{ name: 'i', datatype: 'FP32' as const, shape: [-1, 1000], optional: false }],
    outputs: [{ name: 'o', datatype: 'FP32' as const, shape: [-1, 1000], optional: false }],
  };
  await using fake = await FakeGateway.start();
  await fake.serve('wide', fake.version(signature, echoModel(signature)));
  const data = Array.from({ length: 400_000 }, (_, i) => (i % 1000) / 8);
  const body = Buffer.from(JSON.stringify({ inputs: [{ name: 'i', shape: [400, 1000], datatype: 'FP32', data }] }));
  let isAnswered = false;
  const large = fake.call('/v2/models/wide/infer', { body }).finally(() => {
    isAnswered = true;
  });
  let meanwhile = 0;
  for (; !isAnswered; meanwhile++) await fake.call('/v2/health/live');
  expect((await large).text.slice(-20)).toContain('124.875');
  expect(meanwhile).toBeGreaterThan(10);
});
