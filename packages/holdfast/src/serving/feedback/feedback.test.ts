import { labelSchema } from '@holdfast/api';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addition, addModel, FakeGateway } from '../fake-gateway.ts';
import { JsonCursor } from '../json/json-cursor.ts';
import { checkLabel, readLabels } from './labels.ts';

const nowMs = 1234;

function check(value: unknown) {
  return checkLabel(new JsonCursor(Buffer.from(JSON.stringify(value))).value(), nowMs);
}

test('a label is taken exactly when the API schema takes it', () => {
  const text = fc.oneof(fc.string({ maxLength: 5 }), fc.string({ minLength: 199, maxLength: 202 }));
  const scalar = fc.oneof(
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.constant([]),
  );
  const label = fc.record(
    {
      prediction_id: scalar,
      key: scalar,
      value: fc.oneof(scalar, fc.string({ minLength: 999, maxLength: 1002 })),
      event_time: scalar,
      other: scalar,
    },
    { requiredKeys: [] },
  );
  const likely = fc.record(
    {
      key: fc.string({ minLength: 1, maxLength: 9 }),
      value: fc.oneof(fc.boolean(), fc.string(), fc.integer()),
      event_time: fc.integer(),
    },
    { requiredKeys: ['key', 'value'] },
  );
  fc.assert(
    fc.property(fc.oneof(label, likely, fc.jsonValue()), candidate => {
      expect(check(candidate).kind === 'label').toBe(labelSchema.safeParse(candidate).success);
    }),
    { numRuns: 3000 },
  );
});

test.each([
  [{ key: 'k', value: true }, 'true'],
  [{ key: 'k', value: 3.25 }, '3.25'],
  [{ key: 'k', value: 1 }, '1'],
  [{ key: 'k', value: 'churned' }, 'churned'],
])('%j has the value %s as text, at the time of its arrival', (candidate, value) => {
  expect(check(candidate)).toEqual({
    kind: 'label',
    label: { predictionId: undefined, key: 'k', value, eventMs: nowMs },
  });
});

test('a whole number keeps all its digits', () => {
  const [label] = readLabels(
    Buffer.from('{"prediction_id":"p","value":9007199254740993,"event_time":7}'),
    false,
    nowMs,
  );
  expect(label).toEqual({ predictionId: 'p', key: undefined, value: '9007199254740993', eventMs: 7 });
});

async function withModel(): Promise<FakeGateway> {
  const fake = await FakeGateway.start();
  await fake.serve('add', fake.version(addition, addModel));
  return fake;
}

test('a list, one bare label and lines are accepted once they are stored', async () => {
  await using fake = await withModel();
  const path = '/v1/models/add/feedback';
  const label = { key: 'a', value: 1 };
  const list = await fake.call(path, {
    body: JSON.stringify({ labels: [label, { prediction_id: 'p/1', value: 'x' }] }),
  });
  expect([list.status, list.json()]).toEqual([200, { accepted: 2 }]);
  expect((await fake.call(path, { body: JSON.stringify(label) })).json()).toEqual({ accepted: 1 });
  const lines = await fake.call(path, {
    body: `${JSON.stringify(label)}\n\n${JSON.stringify(label)}\r\n`,
    headers: { 'content-type': 'application/x-ndjson; charset=utf-8' },
  });
  expect(lines.json()).toEqual({ accepted: 2 });
  expect(
    fake.sink.labels.map(({ model, label: { predictionId, key, value, eventMs } }) => [
      model,
      predictionId ?? key,
      value,
      eventMs,
    ]),
  ).toEqual([
    ['add', 'a', '1', 1_000_000],
    ['add', 'p/1', 'x', 1_000_000],
    ['add', 'a', '1', 1_000_000],
    ['add', 'a', '1', 1_000_000],
    ['add', 'a', '1', 1_000_000],
  ]);
});

test.each([
  [
    '{"labels":[{"key":"a","value":1},{"key":"b"}]}',
    'application/json',
    'labels[1]: "value" is missing. Nothing was stored.',
  ],
  ['{"labels":[]}', 'application/json', 'There is no label in the request.'],
  ['{"labels":[{"key":"a","value":1}],"more":1}', 'application/json', 'unknown field "more" beside "labels"'],
  ['{"labels":1}', 'application/json', '"labels" is a list.'],
  ['[1', 'application/json', 'The body is not JSON'],
  ['{"key":"a","value":1}\n{"key":', 'application/x-ndjson', 'labels[1]: not JSON'],
  ['{"key":"a","prediction_id":"b","value":1}', 'application/json', 'either "prediction_id" or "key"'],
])('%s is refused: %s, %s', async (body, type, message) => {
  await using fake = await withModel();
  const reply = await fake.call('/v1/models/add/feedback', { body, headers: { 'content-type': type } });
  expect([reply.status, reply.json()]).toEqual([
    400,
    { error: { code: 'bad_request', message: expect.stringContaining(message) } },
  ]);
  expect(fake.sink.labels).toEqual([]);
});

test('labels for an unknown model, a full disk and a page of another site are refused', async () => {
  await using fake = await withModel();
  const body = '{"key":"a","value":1}';
  const unknown = await fake.call('/v1/models/nope/feedback', { body });
  expect([unknown.status, unknown.json()]).toMatchObject([404, { error: { code: 'model_not_found' } }]);
  const foreign = await fake.call('/v1/models/add/feedback', { body, headers: { origin: 'http://evil.example' } });
  expect([foreign.status, foreign.json()]).toMatchObject([403, { error: { code: 'forbidden_origin' } }]);
  fake.sink.isFull = true;
  const full = await fake.call('/v1/models/add/feedback', { body });
  expect([full.status, full.json()]).toMatchObject([507, { error: { code: 'storage_full' } }]);
  expect((await fake.call('/v1/models/add/feedback')).status).toBe(405);
});
