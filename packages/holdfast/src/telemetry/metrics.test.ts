import { expect, test } from 'vitest';
import { MetricRegistry } from './metrics.ts';

test('counters exist from the start at 0 and render with escaped labels', () => {
  const registry = new MetricRegistry();
  const requests = registry.counter('holdfast_requests_total', 'Requests.');
  requests.labels({ model: 'a"b\\c\nd' });
  requests.labels({ model: 'x' }).add(2);
  expect(registry.render()).toBe(
    [
      '# HELP holdfast_requests_total Requests.',
      '# TYPE holdfast_requests_total counter',
      'holdfast_requests_total{model="a\\"b\\\\c\\nd"} 0',
      'holdfast_requests_total{model="x"} 2',
      '',
    ].join('\n'),
  );
});

test('a histogram shows cumulative buckets in seconds that end at the count', () => {
  const registry = new MetricRegistry();
  const latency = registry.histogram('holdfast_latency_seconds', 'Latency.', [0.001, 0.01]).labels();
  latency.record(500);
  latency.record(5000);
  latency.record(50_000);
  const lines = registry.render().split('\n');
  expect(lines).toContain('holdfast_latency_seconds_bucket{le="0.001"} 1');
  expect(lines).toContain('holdfast_latency_seconds_bucket{le="0.01"} 2');
  expect(lines).toContain('holdfast_latency_seconds_bucket{le="+Inf"} 3');
  expect(lines).toContain('holdfast_latency_seconds_sum 0.0555');
});

test('the children of a removed model are no longer shown', () => {
  const registry = new MetricRegistry();
  const gauge = registry.gauge('g', 'G.');
  gauge.labels({ model: 'a', version: 1 });
  gauge.labels({ model: 'b', version: 1 });
  gauge.remove({ model: 'a' });
  expect(registry.render()).not.toContain('model="a"');
});
