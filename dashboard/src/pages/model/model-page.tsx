import type { ModelDetail } from '@holdfast/api';
import { useMemo, useState } from 'preact/hooks';
import { language, messages } from '../../app/language.ts';
import { place, replaceQuery } from '../../app/router.ts';
import { server } from '../../app/server.ts';
import { type Range, rangeOf, resolve, type Span, writeRange } from '../../charts/range.ts';
import { markersOfHistory, markersOfPoints } from '../../charts/version-markers.ts';
import { Empty, ErrorNote, Skeleton } from '../../components/note.tsx';
import { fleet } from '../../live/live-feed.ts';
import { useLoaded } from '../../live/loaded.ts';
import { concernsModel, useRefresh } from '../../live/refresh.ts';
import { AlertsSection } from './alerts-section.tsx';
import { type ChartContext, keyOf } from './chart-context.ts';
import { DriftSection } from './drift-section.tsx';
import { ModelHead } from './model-head.tsx';
import { PerformanceChart } from './performance-chart.tsx';
import { PredictionsSection } from './predictions-section.tsx';
import { RangeBar } from './range-bar.tsx';
import { RolloutSection } from './rollout-section.tsx';
import { TrafficCharts } from './traffic-charts.tsx';
import { VersionsSection } from './versions-section.tsx';

/** Steps asked for: as many as a chart of half the page can show apart. */
const chartPoints = (): number => (innerWidth < 640 ? 160 : 320);
/** Every how many refreshes of the charts the table of predictions is read again. */
const predictionsEvery = 4;

const chooseRange = (range: Range): void => replaceQuery(query => writeRange(query, range));
const resetRange = (): void => chooseRange({ kind: 'all' });

/** What is asked for a range: a stretch that follows live is asked anew from its moving start. */
function queryOf(range: Range, shown: Span): ChartContext['query'] {
  switch (range.kind) {
    case 'all':
      return {};
    case 'last':
      return { fromMs: shown.fromMs };
    case 'fixed':
      return { fromMs: range.fromMs, toMs: range.toMs };
    default:
      return range satisfies never;
  }
}

function Charts({ base }: { readonly base: ChartContext }) {
  const m = messages.value;
  const { name, query, tick, detail } = base;
  const params = { model: name };
  const traffic = useLoaded(
    keyOf(base, 'traffic'),
    signal => server.call('traffic', { params, query: { ...query, points: chartPoints() }, signal }),
    tick,
    { subject: `traffic ${name}` },
  );
  const performance = useLoaded(
    keyOf(base, 'performance'),
    async signal => {
      const [response, verdicts] = await Promise.all([
        server.call('performance', { params, query, signal }),
        server.call('verdicts', { params, query: { ...query, monitor: 'performance', limit: 2000 }, signal }),
      ]);
      return { response, verdicts };
    },
    tick,
    { subject: `performance ${name}` },
  );
  const markers = useMemo(
    () => (detail.clock === 'wall' ? markersOfHistory(detail.history) : markersOfPoints(traffic.value?.points ?? [])),
    [detail, traffic.value],
  );
  const context: ChartContext = { ...base, markers };
  return (
    <div class="charts">
      {traffic.error !== undefined && <ErrorNote sentence={traffic.error} onRetry={traffic.reload} />}
      {traffic.value === undefined && traffic.error === undefined && (
        <>
          <Skeleton height="19rem" />
          <Skeleton height="19rem" />
          <Skeleton height="19rem" />
        </>
      )}
      {traffic.value !== undefined && <TrafficCharts context={context} traffic={traffic.value} />}
      {performance.error !== undefined && <ErrorNote sentence={performance.error} onRetry={performance.reload} />}
      {performance.value === undefined && performance.error === undefined && <Skeleton height="19rem" />}
      {performance.value !== undefined && (
        <PerformanceChart
          context={context}
          performance={performance.value.response}
          verdicts={performance.value.verdicts}
        />
      )}
      <p class="hint charts-hint">{m.zoomHint}</p>
    </div>
  );
}

interface WatchedProps {
  readonly name: string;
  readonly detail: ModelDetail;
  readonly span: Span;
  readonly tick: number;
}

function Watched({ name, detail, span, tick }: WatchedProps) {
  const [version, setVersion] = useState<number | undefined>(undefined);
  const { query: address } = place.value;
  const range = useMemo(() => rangeOf(address), [address]);
  const shown = resolve(range, span);
  const isEventTime = detail.clock === 'event';
  const timeZone = isEventTime ? 'UTC' : undefined;
  const context: ChartContext = {
    name,
    detail,
    range,
    shown,
    query: queryOf(range, shown),
    version,
    markers: [],
    timeZone,
    locale: language.value,
    tick,
    onZoom: chooseRange,
    onReset: resetRange,
  };
  return (
    <>
      <RangeBar
        range={range}
        shown={shown}
        whole={span}
        isEventTime={isEventTime}
        timeZone={timeZone}
        versions={detail.versions.map(each => each.version).sort((a, b) => a - b)}
        version={version}
        onRange={chooseRange}
        onVersion={setVersion}
      />
      <Charts base={context} />
      <DriftSection context={context} />
      <AlertsSection context={context} />
      <PredictionsSection context={context} tick={Math.floor(tick / predictionsEvery)} />
    </>
  );
}

/** Everything about one model. */
export function ModelPage({ name }: { readonly name: string }) {
  const m = messages.value;
  const tick = useRefresh(concernsModel(name), name);
  const detail = useLoaded(
    `model ${name}`,
    signal => server.call('readModel', { params: { model: name }, signal }),
    tick,
  );
  const value = detail.value;
  const summary = fleet.value?.find(model => model.name === name) ?? value?.summary;
  return (
    <>
      <ModelHead name={name} summary={summary} />
      {detail.error !== undefined && <ErrorNote sentence={detail.error} onRetry={detail.reload} />}
      {value === undefined && detail.error === undefined && <Skeleton height="40rem" />}
      {value !== undefined && <RolloutSection name={name} onChanged={detail.reload} />}
      {value !== undefined && value.span === null && (
        <div class="card">
          <Empty title={m.noTrafficYet}>
            <p>{m.noTrafficYetHint}</p>
          </Empty>
        </div>
      )}
      {value !== undefined && value.span !== null && (
        <Watched name={name} detail={value} span={value.span} tick={tick} />
      )}
      {value !== undefined && <VersionsSection detail={value} onChanged={detail.reload} />}
    </>
  );
}
