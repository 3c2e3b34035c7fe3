import type { ModelSummary } from '@holdfast/api';
import { format, messages } from '../../app/language.ts';
import { modelPath } from '../../app/router.ts';
import { Sparkline } from '../../charts/sparkline.tsx';
import { Badge } from '../../components/badge.tsx';
import { Link } from '../../components/link.tsx';
import { stateTone, watchTone } from '../../components/tones.ts';
import { pulses } from '../../live/live-feed.ts';

const none: readonly number[] = [];
const columnsShown = 3;
/** Share of failed requests that is pointed out. */
const notableErrors = 0.01;

function Traffic({ model }: { readonly model: ModelSummary }) {
  const m = messages.value;
  const f = format.value;
  const now = m.perSecond(f.rate(model.traffic.requestsPerSecond));
  return (
    <div class="card-part card-traffic">
      <span class="part-label">{m.traffic}</span>
      <span class="part-value">{now}</span>
      <Sparkline values={pulses.value.get(model.name) ?? none} label={m.sparkline(model.name, now)} />
    </div>
  );
}

function Latency({ model }: { readonly model: ModelSummary }) {
  const m = messages.value;
  const f = format.value;
  const { p50Ms, p99Ms, requestsPerSecond, errorsPerSecond } = model.traffic;
  const share = requestsPerSecond > 0 ? errorsPerSecond / requestsPerSecond : 0;
  return (
    <>
      <div class="card-part">
        <span class="part-label">{m.latency}</span>
        <span class="part-value">
          <abbr title={m.p50Long}>{m.p50}</abbr> {f.ms(p50Ms)}
        </span>
        <span class="part-note">
          <abbr title={m.p99Long}>{m.p99}</abbr> {f.ms(p99Ms)}
        </span>
      </div>
      <div class="card-part">
        <span class="part-label">{m.errorRate}</span>
        <span class={`part-value ${share >= notableErrors ? 'bad-text' : ''}`}>
          {requestsPerSecond > 0 ? f.percent(share) : '–'}
        </span>
      </div>
    </>
  );
}

function Drift({ model }: { readonly model: ModelSummary }) {
  const m = messages.value;
  const shown = model.driftedColumns.slice(0, columnsShown);
  const rest = model.driftedColumns.length - shown.length;
  return (
    <div class="card-part card-drift">
      <span class="part-label">{m.drift}</span>
      <Badge tone={watchTone[model.drift]}>{m.driftWatch[model.drift]}</Badge>
      {shown.length > 0 && (
        <span class="part-note columns-note" title={model.driftedColumns.join(', ')}>
          {shown.map(column => (
            <code key={column}>{column}</code>
          ))}
          {rest > 0 && <span>{m.more(rest)}</span>}
        </span>
      )}
    </div>
  );
}

function Performance({ model }: { readonly model: ModelSummary }) {
  const m = messages.value;
  const f = format.value;
  const metric = model.leadingMetric;
  return (
    <div class="card-part">
      <span class="part-label">{m.performance}</span>
      <Badge tone={watchTone[model.performance]}>{m.performanceWatch[model.performance]}</Badge>
      {metric !== null && (
        <span class="part-note">
          {m.metricName(metric.name)} <strong>{f.metric(metric.value)}</strong>
          {metric.baseline !== null && <> · {m.baselineValue(f.metric(metric.baseline))}</>}
        </span>
      )}
    </div>
  );
}

/** One model at a glance; the whole card leads to its page. */
export function ModelCard({ model }: { readonly model: ModelSummary }) {
  const m = messages.value;
  const f = format.value;
  return (
    <article class={`card model-card ${model.firingAlerts > 0 ? 'needs-somebody' : ''}`} aria-label={model.name}>
      <div class="card-head">
        <h2>
          <Link to={modelPath(model.name)} class="card-link">
            {model.name}
          </Link>
        </h2>
        <span class="version-tag">{model.champion === null ? m.noVersion : m.version(model.champion)}</span>
        {model.state !== 'ready' && <Badge tone={stateTone[model.state]}>{m.state[model.state]}</Badge>}
        {model.firingAlerts > 0 && (
          <Badge tone="bad" icon="alert">
            {m.alertsFiring(model.firingAlerts, f.count(model.firingAlerts))}
          </Badge>
        )}
      </div>
      <div class="card-body">
        <Traffic model={model} />
        <Latency model={model} />
        <Drift model={model} />
        <Performance model={model} />
      </div>
    </article>
  );
}
