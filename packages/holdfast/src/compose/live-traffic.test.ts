import { expect, test } from 'vitest';
import type { GatewayReport } from '../serving/index.ts';
import { Histogram } from '../telemetry/index.ts';
import { LiveTrafficMeter } from './live-traffic.ts';

function reportOf(requests: number, latencyUs = 1000): GatewayReport {
  const latency = new Histogram();
  latency.record(latencyUs, 100);
  return {
    recordedTotal: requests,
    droppedTotal: 0,
    labelsTotal: 0,
    lastSyncedMs: 5,
    arms: [],
    counts: [
      {
        model: 'm',
        version: 1,
        requests,
        rows: 2 * requests,
        errors: 0,
        inFlight: 0,
        latency: latency.toSparse(),
        latencySum: latency.sum,
      },
    ],
  };
}

test('rates are differences of totals over the last ten seconds', () => {
  let now = 0;
  const meter = new LiveTrafficMeter(() => now);
  for (let second = 1; second <= 20; second++) {
    now = second * 1000;
    meter.report('gateway-1', reportOf(second * 50));
  }
  expect(meter.of('m')).toMatchObject({ requestsPerSecond: 50, rowsPerSecond: 100, errorsPerSecond: 0 });
  expect(meter.of('m').p50Ms).toBeCloseTo(1, 1);
  expect(meter.of('other').requestsPerSecond).toBe(0);
});

test('a gateway that restarts counts from zero without a negative rate or a lost total', () => {
  const meter = new LiveTrafficMeter(() => 1000);
  meter.report('gateway-1', reportOf(500));
  meter.forget('gateway-1');
  meter.report('gateway-1', reportOf(10));
  expect(meter.of('m').requestsPerSecond).toBe(51);
  expect(meter.recording().recordedTotal).toBe(510);
});
