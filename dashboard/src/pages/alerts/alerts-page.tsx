import { type AlertPhase, alertStateSchema } from '@holdfast/api';
import { messages } from '../../app/language.ts';
import { place, replaceQuery } from '../../app/router.ts';
import { server } from '../../app/server.ts';
import { AlertList } from '../../components/alert-list.tsx';
import { Empty, ErrorNote, Skeleton } from '../../components/note.tsx';
import { useLoaded } from '../../live/loaded.ts';
import { useRefresh } from '../../live/refresh.ts';

const choices: readonly (AlertPhase | undefined)[] = [undefined, 'firing', 'pending', 'resolved'];

/** Every alert of every model. */
export function AlertsPage() {
  const m = messages.value;
  const state = alertStateSchema.safeParse(place.value.query.get('state')).data;
  const tick = useRefresh(event => event.kind === 'alert', 'alerts');
  const alerts = useLoaded(
    `alerts ${state ?? ''}`,
    signal => server.call('alerts', { query: state === undefined ? {} : { state }, signal }),
    tick,
  );
  return (
    <>
      <div class="page-head">
        <h1 tabIndex={-1}>{m.alertsTitle}</h1>
        <fieldset class="segments" aria-label={m.alertFilter}>
          {choices.map(choice => (
            <button
              key={choice ?? 'all'}
              type="button"
              aria-pressed={choice === state}
              onClick={() =>
                replaceQuery(query => {
                  if (choice === undefined) query.delete('state');
                  else query.set('state', choice);
                })
              }
            >
              {choice === undefined ? m.allStates : m.phase[choice]}
            </button>
          ))}
        </fieldset>
      </div>
      {alerts.error !== undefined && <ErrorNote sentence={alerts.error} onRetry={alerts.reload} />}
      {alerts.value === undefined && alerts.error === undefined && <Skeleton height="20rem" />}
      {alerts.value !== undefined && alerts.value.length === 0 && (
        <Empty title={m.noAlerts}>
          <p>{m.noAlertsHint}</p>
        </Empty>
      )}
      {alerts.value !== undefined && alerts.value.length > 0 && (
        <div class="card">
          <AlertList alerts={alerts.value} showsModel timeZone={undefined} />
        </div>
      )}
    </>
  );
}
