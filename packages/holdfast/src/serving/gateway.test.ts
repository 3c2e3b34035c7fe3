import { expect, test } from 'vitest';
import { addition, addModel, FakeGateway } from './fake-gateway.ts';

const body = JSON.stringify({
  id: 'r1',
  inputs: [
    { name: 'a', shape: [2, 2], datatype: 'FP32', data: [1, 2, 3, 4] },
    {
      name: 'b',
      shape: [2, 2],
      datatype: 'FP32',
      data: [
        [10, 20],
        [30, 40],
      ],
    },
  ],
});

test('a prediction is answered with its id and version, and the sink hears of it', async () => {
  await using fake = await FakeGateway.start();
  await fake.serve('add', fake.version(addition, addModel, { version: 3 }));
  const reply = await fake.call('/v2/models/add/infer', {
    body,
    headers: { 'x-holdfast-tags': 'region=eu', 'x-holdfast-event-time': '2001-02-03T04:05:06Z' },
  });
  expect(reply.status).toBe(200);
  const id = reply.headers['x-holdfast-prediction-id'];
  expect(reply.json()).toEqual({
    id: 'r1',
    model_name: 'add',
    model_version: '3',
    parameters: { prediction_id: id },
    outputs: [{ name: 'sum', datatype: 'FP32', shape: [2, 2], data: [11, 22, 33, 44] }],
  });
  expect(reply.headers['x-holdfast-version']).toBe('3');
  expect(fake.sink.answers).toEqual([
    expect.objectContaining({
      model: 'add',
      version: 3,
      id,
      rows: 2,
      key: 'r1',
      tags: 'region=eu',
      eventMs: Date.UTC(2001, 1, 3, 4, 5, 6),
      receivedMs: 1_000_000,
    }),
  ]);
  expect(fake.sink.answers[0]!.inputs.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(fake.sink.answers[0]!.outputs[0]!.data).toEqual(Float32Array.of(11, 22, 33, 44));
});
