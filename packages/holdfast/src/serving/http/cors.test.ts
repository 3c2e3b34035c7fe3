import { expect, test } from 'vitest';
import { addition, addModel, FakeGateway } from '../fake-gateway.ts';

const page = 'https://app.example.com';
const path = '/v2/models/add/infer';
const asks = { 'Access-Control-Request-Method': 'POST' };
const wanted = 'content-type,inference-header-content-length,x-holdfast-key';

test('without configured origins nothing is said to pages of other origins', async () => {
  await using fake = await FakeGateway.start();
  const { status, headers } = await fake.call(path, { method: 'OPTIONS', headers: { Origin: page, ...asks } });
  expect(status).toBe(405);
  expect(Object.keys(headers).filter(name => name.startsWith('access-control'))).toEqual([]);
});

test.each([[path], ['/v1/models/add:predict'], ['/models/add/invocations'], ['/v1/models/add/feedback']])(
  'a page of a listed origin may send what it asks for to %s',
  async asked => {
    await using fake = await FakeGateway.start({}, { corsOrigins: [page] });
    const { status, headers } = await fake.call(asked, {
      method: 'OPTIONS',
      headers: { Origin: page, ...asks, 'Access-Control-Request-Headers': wanted },
    });
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'access-control-allow-origin': page,
      'access-control-allow-methods': 'GET, HEAD, POST',
      'access-control-allow-headers': wanted,
      'access-control-max-age': '7200',
      vary: 'Origin',
    });
    expect(headers['access-control-allow-credentials']).toBeUndefined();
  },
);

test('a page of another origin may not', async () => {
  await using fake = await FakeGateway.start({}, { corsOrigins: [page] });
  for (const origin of ['https://evil.example.com', 'null', `${page}.evil.com`]) {
    const { headers } = await fake.call(path, { method: 'OPTIONS', headers: { Origin: origin, ...asks } });
    expect(headers['access-control-allow-origin']).toBeUndefined();
    expect(headers.vary).toBe('Origin');
  }
});

test('a page reads the answer, a refusal alike, with the headers that the client needs', async () => {
  await using fake = await FakeGateway.start({}, { corsOrigins: [page] });
  await fake.serve('add', fake.version(addition, addModel));
  for (const asked of ['/v2/models/add', '/v2/models/nobody']) {
    const { headers } = await fake.call(asked, { headers: { Origin: page } });
    expect(headers).toMatchObject({
      'access-control-allow-origin': page,
      'access-control-expose-headers':
        'Inference-Header-Content-Length, Retry-After, x-holdfast-prediction-id, x-holdfast-version',
    });
  }
  expect((await fake.call('/v2/models/add')).headers['access-control-allow-origin']).toBeUndefined();
});

test('with * every page may, and caches need not tell them apart', async () => {
  await using fake = await FakeGateway.start({}, { corsOrigins: ['*'] });
  const { headers } = await fake.call('/v2', { headers: { Origin: page } });
  expect(headers['access-control-allow-origin']).toBe('*');
  expect(headers.vary).toBeUndefined();
});
