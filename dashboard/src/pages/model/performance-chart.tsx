import type { PerformanceResponse, Verdict } from '@holdfast/api';
import { useMemo, useState } from 'preact/hooks';
import { format, language, messages } from '../../app/language.ts';
import type { ChartLine, ChartSpec, Level } from '../../charts/chart-spec.ts';
import { versionColour } from '../../charts/colours.ts';
import { toleratedLimit } from '../../charts/limits.ts';
import { metricNames, middleOf, performanceLines } from '../../charts/performance-lines.ts';
import { TimeChart } from '../../charts/time-chart.tsx';
import { Empty } from '../../components/note.tsx';
import { type ChartContext, commonSpec } from './chart-context.ts';

interface PerformanceChartProps {
  readonly context: ChartContext;
  readonly performance: PerformanceResponse;
  readonly verdicts: readonly Verdict[];
}

function levelsOf(response: PerformanceResponse, verdicts: readonly Verdict[], metric: string): readonly Level[] {
  const m = messages.value;
  const text = format.value.metric;
  const baseline = response.baseline[metric];
  if (baseline === undefined) return [];
  const limit = toleratedLimit(verdicts, metric, baseline);
  const level = (label: string, value: number, colour: Level['colour'], dash: readonly number[]): Level => ({
    label,
    value,
    colour,
    dash,
    text,
  });
  return [
    level(m.baseline, baseline, 'muted', [5, 4]),
    ...(limit === undefined ? [] : [level(m.tolerance, limit, 'bad', [2, 3])]),
  ];
}

function specOf({ context, performance, verdicts }: PerformanceChartProps, metric: string): ChartSpec {
  const m = messages.value;
  const f = format.value;
  const points = performance.points.filter(point => context.version === undefined || point.version === context.version);
  const { middlesMs, byVersion, coverage } = performanceLines(points, metric);
  const lines: ChartLine[] = [
    { label: m.coverage, colour: 'series-quiet', kind: 'bars', scale: 'share', values: coverage, text: f.percent },
    ...[...byVersion].map(
      ([version, values]): ChartLine => ({
        label: m.version(version),
        colour: versionColour(version),
        kind: 'line',
        scale: 'y',
        values,
        text: f.metric,
      }),
    ),
  ];
  const breached = new Set(
    verdicts
      .filter(verdict => verdict.subject === metric && verdict.outcome === 'breached')
      .map(verdict => `${verdict.version} ${verdict.windowStartMs}`),
  );
  return {
    ...commonSpec(context, m.version),
    xsMs: middlesMs,
    lines,
    levels: levelsOf(performance, verdicts, metric),
    breaches: points.flatMap(point => {
      const value = point.metrics[metric];
      const isBreached = breached.has(`${point.version} ${point.windowStartMs}`);
      return isBreached && value !== undefined ? [{ atMs: middleOf(point), value }] : [];
    }),
    floor: 'fit',
    axisText: f.rate,
  };
}

/** Realised performance against the baseline, with the share of predictions whose truth is known. */
export function PerformanceChart(props: PerformanceChartProps) {
  const m = messages.value;
  const { context, performance, verdicts } = props;
  const [chosen, setChosen] = useState<string | undefined>(undefined);
  const names = metricNames(performance, context.detail.summary.leadingMetric?.name);
  const metric = chosen !== undefined && names.includes(chosen) ? chosen : names[0];
  const spec = useMemo(
    () => (metric === undefined ? undefined : specOf(props, metric)),
    [
      performance,
      verdicts,
      metric,
      context.version,
      context.markers,
      context.shown.fromMs,
      context.shown.toMs,
      language.value,
    ],
  );
  if (spec === undefined) {
    return (
      <section class="card chart-card" aria-label={m.performance}>
        <div class="chart-head">
          <h3>{m.performance}</h3>
        </div>
        <Empty title={m.noPerformance}>
          <p>{m.noPerformanceHint}</p>
        </Empty>
      </section>
    );
  }
  return (
    <TimeChart
      title={m.performance}
      spec={spec}
      syncKey={context.name}
      onZoom={context.onZoom}
      onReset={context.onReset}
      extra={
        <select aria-label={m.metricChoice} value={metric} onChange={event => setChosen(event.currentTarget.value)}>
          {names.map(name => (
            <option key={name} value={name}>
              {m.metricName(name)}
            </option>
          ))}
        </select>
      }
    />
  );
}
