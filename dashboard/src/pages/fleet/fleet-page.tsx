import { useEffect } from 'preact/hooks';
import { messages } from '../../app/language.ts';
import { server } from '../../app/server.ts';
import { ErrorNote, Skeleton } from '../../components/note.tsx';
import { fleet, seedFleet } from '../../live/live-feed.ts';
import { useLoaded } from '../../live/loaded.ts';
import { recoveries } from '../../live/refresh.ts';
import { FirstModel } from './first-model.tsx';
import { ModelCard } from './model-card.tsx';
import { Totals } from './totals.tsx';

/** Every model at a glance, live. */
export function FleetPage() {
  const m = messages.value;
  const status = useLoaded('status', signal => server.call('status', { signal }), recoveries.value);
  const read = status.value;
  useEffect(() => {
    if (read !== undefined) seedFleet(read.models, read.recording, Date.now());
  }, [read]);
  const models = fleet.value ?? read?.models;
  return (
    <>
      <div class="page-head">
        <h1 tabIndex={-1}>{m.fleetTitle}</h1>
      </div>
      {status.error !== undefined && <ErrorNote sentence={status.error} onRetry={status.reload} />}
      {models === undefined && status.error === undefined && (
        <>
          <Skeleton height="5.5rem" />
          <Skeleton height="8rem" />
          <Skeleton height="8rem" />
        </>
      )}
      {models !== undefined && models.length > 0 && (
        <>
          <Totals />
          <div class="cards">
            {models.map(model => (
              <ModelCard key={model.name} model={model} />
            ))}
          </div>
        </>
      )}
      {models !== undefined && models.length === 0 && <FirstModel inferenceUrl={read?.inferenceUrl} />}
    </>
  );
}
