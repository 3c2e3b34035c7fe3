import type { ModelSummary } from '@holdfast/api';
import { format, messages } from '../../app/language.ts';
import { Badge } from '../../components/badge.tsx';
import { Link } from '../../components/link.tsx';
import { stateTone, watchTone } from '../../components/tones.ts';

function LiveNumber({ label, value }: { readonly label: string; readonly value: string }) {
  return (
    <div class="head-number">
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Name, state and the live numbers of the model. */
export function ModelHead({ name, summary }: { readonly name: string; readonly summary: ModelSummary | undefined }) {
  const m = messages.value;
  const f = format.value;
  return (
    <div class="model-head">
      <div>
        <Link to="/" class="crumb">
          {m.fleetTitle}
        </Link>
        <div class="model-title">
          <h1 tabIndex={-1}>{name}</h1>
          {summary !== undefined && (
            <span class="version-tag">{summary.champion === null ? m.noVersion : m.version(summary.champion)}</span>
          )}
        </div>
        {summary !== undefined && (
          <div class="badges">
            <Badge tone={stateTone[summary.state]}>{m.state[summary.state]}</Badge>
            <Badge tone={watchTone[summary.drift]}>{m.driftWatch[summary.drift]}</Badge>
            <Badge tone={watchTone[summary.performance]}>{m.performanceWatch[summary.performance]}</Badge>
            {summary.firingAlerts > 0 && (
              <Badge tone="bad" icon="alert">
                {m.alertsFiring(summary.firingAlerts, f.count(summary.firingAlerts))}
              </Badge>
            )}
          </div>
        )}
      </div>
      {summary !== undefined && (
        <dl class="head-numbers">
          <LiveNumber label={m.requestRate} value={f.rate(summary.traffic.requestsPerSecond)} />
          <LiveNumber label={m.p50} value={f.ms(summary.traffic.p50Ms)} />
          <LiveNumber label={m.p99} value={f.ms(summary.traffic.p99Ms)} />
          <LiveNumber
            label={m.errorRate}
            value={
              summary.traffic.requestsPerSecond > 0
                ? f.percent(summary.traffic.errorsPerSecond / summary.traffic.requestsPerSecond)
                : '–'
            }
          />
        </dl>
      )}
    </div>
  );
}
