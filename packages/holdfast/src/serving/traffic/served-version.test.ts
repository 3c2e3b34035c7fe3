import { expect, test } from 'vitest';
import { createLog, MetricRegistry } from '../../telemetry/index.ts';
import { systemClock } from '../clock.ts';
import { addition, addModel, fakeSignature } from '../fake-gateway.ts';
import { FakeRunner } from '../fake-runner.ts';
import { ServingMetrics } from '../metrics.ts';
import { Refusal } from '../refusal.ts';
import type { RoutedVersion } from '../routing.ts';
import { ServedVersion } from './served-version.ts';

const routed: RoutedVersion = {
  version: 1,
  state: 'ready',
  reason: undefined,
  signature: fakeSignature(addition),
  sockets: ['/first'],
  batching: { maximumRows: 4, maximumDelayMs: 0 },
  hangTimeoutMs: 1000,
};

test('the end of an earlier table closes no link that the next one is opening', async () => {
  const second = Promise.withResolvers<FakeRunner>();
  const served = new ServedVersion('add', routed, {
    connect: async socket => (socket === '/first' ? new FakeRunner(addModel) : second.promise),
    metrics: new ServingMetrics(new MetricRegistry()),
    clock: systemClock,
    log: createLog('test', 'silent'),
    find: () => undefined,
  });
  await served.prepare(routed);
  served.enter();
  const stopped: RoutedVersion = { ...routed, state: 'unloaded', sockets: [] };
  served.take(stopped);
  const stopping = served.apply(stopped);
  const next = { ...routed, sockets: ['/second'] };
  const preparing = served.prepare(next);
  served.leave();
  await stopping;
  second.resolve(new FakeRunner(addModel));
  await preparing;
  served.take(next);
  await served.apply(next);
  const input = (name: string) => ({ name, datatype: 'FP32' as const, shape: [1, 2], data: Float32Array.of(1, 2) });
  const { result } = served.submit({
    inputs: [input('a'), input('b')],
    rows: 1,
    batchKey: '',
    deadlineMs: systemClock.monotonicMs() + 1000,
    expired: () => new Refusal('deadline_exceeded', 'no runner'),
  });
  expect((await result).outputs[0]?.data).toEqual(Float32Array.of(2, 4));
  await served.close();
});
