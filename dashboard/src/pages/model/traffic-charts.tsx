import type { TrafficResponse } from '@holdfast/api';
import { useMemo } from 'preact/hooks';
import { format, language, messages } from '../../app/language.ts';
import type { ChartLine, ChartSpec } from '../../charts/chart-spec.ts';
import { versionColour } from '../../charts/colours.ts';
import { TimeChart } from '../../charts/time-chart.tsx';
import { rateUnitOf, type TrafficLines, trafficLines } from '../../charts/traffic-lines.ts';
import { type ChartContext, commonSpec } from './chart-context.ts';

const empty = { levels: [], breaches: [], floor: 'zero' } as const;

function throughputSpec(lines: TrafficLines, context: ChartContext): ChartSpec {
  const m = messages.value;
  const f = format.value;
  const { perStep } = rateUnitOf(lines);
  const drawn: ChartLine[] = [...lines.rows].map(([version, values]) => ({
    label: m.version(version),
    colour: versionColour(version),
    kind: 'area',
    scale: 'y',
    values: values.map(value => (value === null ? null : value * perStep)),
    text: f.rate,
  }));
  return { ...empty, ...commonSpec(context, m.version), xsMs: lines.startsMs, lines: drawn, axisText: f.compact };
}

function latencySpec(lines: TrafficLines, context: ChartContext): ChartSpec {
  const f = format.value;
  const line = (label: string, colour: ChartLine['colour'], kind: ChartLine['kind'], values: ChartLine['values']) =>
    ({ label, colour, kind, values, scale: 'y', text: f.ms }) as const;
  return {
    ...empty,
    ...commonSpec(context, messages.value.version),
    xsMs: lines.startsMs,
    lines: [
      line('p50', 'series-1', 'area', lines.p50Ms),
      line('p90', 'series-2', 'line', lines.p90Ms),
      line('p99', 'series-3', 'line', lines.p99Ms),
    ],
    axisText: f.ms,
  };
}

function errorSpec(lines: TrafficLines, context: ChartContext): ChartSpec {
  const m = messages.value;
  const f = format.value;
  return {
    ...empty,
    ...commonSpec(context, m.version),
    xsMs: lines.startsMs,
    leastTop: 0.01,
    lines: [{ label: m.errors, colour: 'bad', kind: 'area', scale: 'y', values: lines.errorShare, text: f.percent }],
    axisText: f.percent,
  };
}

/** Throughput, latency and errors over the shared range. */
export function TrafficCharts({
  context,
  traffic,
}: {
  readonly context: ChartContext;
  readonly traffic: TrafficResponse;
}) {
  const m = messages.value;
  const { version, detail, markers, shown } = context;
  const lines = useMemo(
    () => trafficLines(traffic, { version, ...(detail.span !== null && { endMs: detail.span.toMs }) }),
    [traffic, version, detail.span?.toMs],
  );
  const specs = useMemo(
    () => ({
      throughput: throughputSpec(lines, context),
      latency: latencySpec(lines, context),
      errors: errorSpec(lines, context),
    }),
    [lines, markers, shown.fromMs, shown.toMs, language.value],
  );
  const { onZoom, onReset } = context;
  const common = { syncKey: context.name, onZoom, onReset };
  return (
    <>
      <TimeChart title={m.throughput} unit={m.rowsPer[rateUnitOf(lines).unit]} spec={specs.throughput} {...common} />
      <TimeChart title={m.latency} spec={specs.latency} {...common} />
      <TimeChart title={m.errors} unit={m.errorShare} spec={specs.errors} {...common} />
    </>
  );
}
