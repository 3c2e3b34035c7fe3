import { messages } from '../../app/language.ts';
import { server } from '../../app/server.ts';
import { AlertTimeline } from '../../charts/alert-timeline.tsx';
import { AlertList } from '../../components/alert-list.tsx';
import { Empty, ErrorNote, Skeleton } from '../../components/note.tsx';
import { useLoaded } from '../../live/loaded.ts';
import type { ChartContext } from './chart-context.ts';

/** When this model needed somebody, and why. */
export function AlertsSection({ context }: { readonly context: ChartContext }) {
  const m = messages.value;
  const { name, tick, shown, timeZone } = context;
  const alerts = useLoaded(
    `alerts of ${name}`,
    signal => server.call('alerts', { query: { model: name }, signal }),
    tick,
  );
  return (
    <section class="card" aria-labelledby="alerts-title">
      <div class="section-head">
        <h2 id="alerts-title">{m.alertsOfModel}</h2>
      </div>
      {alerts.error !== undefined && <ErrorNote sentence={alerts.error} onRetry={alerts.reload} />}
      {alerts.value === undefined && alerts.error === undefined && <Skeleton height="8rem" />}
      {alerts.value !== undefined && alerts.value.length === 0 && (
        <Empty title={m.noAlerts}>
          <p>{m.noAlertsHint}</p>
        </Empty>
      )}
      {alerts.value !== undefined && alerts.value.length > 0 && (
        <>
          <AlertTimeline alerts={alerts.value} shown={shown} timeZone={timeZone} />
          <AlertList alerts={alerts.value} showsModel={false} timeZone={timeZone} />
        </>
      )}
    </section>
  );
}
