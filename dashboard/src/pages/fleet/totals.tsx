import { format, messages } from '../../app/language.ts';
import { fleet, pulseAtMs, recording } from '../../live/live-feed.ts';

function Total({
  label,
  value,
  hint,
  tone,
  title,
}: {
  readonly label: string;
  readonly value: string;
  readonly hint?: string;
  readonly tone?: string;
  readonly title?: string;
}) {
  return (
    <div class={`total ${tone ?? ''}`}>
      <dt>{label}</dt>
      <dd>
        <span class="total-value">{value}</span>
        {hint !== undefined && (
          <span class="total-hint" title={title}>
            {hint}
          </span>
        )}
      </dd>
    </div>
  );
}

function RecordingTotal() {
  const m = messages.value;
  const f = format.value;
  const now = recording.value;
  if (now === undefined) return <Total label={m.recorded} value="–" />;
  const hint =
    now.droppedTotal > 0
      ? m.recordingLoss(f.count(now.droppedTotal))
      : now.lastSyncedMs === null
        ? m.recordingIdle
        : `${m.recordingOn}, ${m.synced(f.ago(Math.min(now.lastSyncedMs, pulseAtMs.value), pulseAtMs.value))}`;
  const isLosing = now.droppedTotal > 0;
  return (
    <Total
      label={m.recorded}
      value={f.count(now.recordedTotal)}
      hint={hint}
      {...(isLosing && { tone: 'bad', title: m.droppedHint })}
    />
  );
}

/** The whole fleet in four numbers. */
export function Totals() {
  const m = messages.value;
  const f = format.value;
  const models = fleet.value ?? [];
  const requests = models.reduce((sum, model) => sum + model.traffic.requestsPerSecond, 0);
  const firing = models.reduce((sum, model) => sum + model.firingAlerts, 0);
  return (
    <dl class="totals" aria-label={m.totals}>
      <Total
        label={m.requestsPerSecond}
        value={f.rate(requests)}
        hint={m.modelCount(models.length, f.count(models.length))}
      />
      <RecordingTotal />
      <Total label={m.labels} value={recording.value === undefined ? '–' : f.count(recording.value.labelsTotal)} />
      <Total label={m.firingAlerts} value={f.count(firing)} tone={firing > 0 ? 'bad' : ''} />
    </dl>
  );
}
