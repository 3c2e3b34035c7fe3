import type { Alert } from '@holdfast/api';
import { format, messages } from '../app/language.ts';
import { modelPath } from '../app/router.ts';
import { Badge } from './badge.tsx';
import { Link } from './link.tsx';
import { Sentence } from './sentence.tsx';
import { alertTone } from './tones.ts';

const sentencesShown = 3;

function AlertItem({
  alert,
  showsModel,
  timeZone,
}: {
  readonly alert: Alert;
  readonly showsModel: boolean;
  readonly timeZone: string | undefined;
}) {
  const m = messages.value;
  const f = format.value;
  const rest = alert.sentences.slice(sentencesShown);
  return (
    <li class={`alert ${alert.state} ${alert.severity}`}>
      <div class="alert-head">
        <Badge tone={alertTone(alert)} {...(alert.state === 'firing' && { icon: 'alert' })}>
          {m.phase[alert.state]}
        </Badge>
        <span class="alert-title">
          <Sentence text={alert.title} />
        </span>
        <span class="alert-meta">
          {showsModel && <Link to={modelPath(alert.model)}>{alert.model}</Link>}
          <span>{m.version(alert.version)}</span>
          <span>{m.monitor[alert.monitor]}</span>
          <span>{m.severity[alert.severity]}</span>
        </span>
      </div>
      <ul class="alert-sentences">
        {alert.sentences.slice(0, sentencesShown).map(sentence => (
          <li key={sentence}>
            <Sentence text={sentence} />
          </li>
        ))}
      </ul>
      {rest.length > 0 && (
        <details>
          <summary>{m.moreSentences(rest.length)}</summary>
          <ul class="alert-sentences">
            {rest.map(sentence => (
              <li key={sentence}>
                <Sentence text={sentence} />
              </li>
            ))}
          </ul>
        </details>
      )}
      <p class="alert-times">
        <span>{m.since(f.dateTime(alert.sinceMs, timeZone))}</span>
        <span>{m.lastSeen(f.dateTime(alert.lastWindowMs, timeZone))}</span>
        {alert.resolvedAtMs !== null && <span>{m.resolvedAt(f.dateTime(alert.resolvedAtMs))}</span>}
      </p>
    </li>
  );
}

const phaseOrder = { firing: 0, pending: 1, resolved: 2 } as const;

/** Firing first, then pending, then resolved; the latest of each first. */
export function inOrder(alerts: readonly Alert[]): readonly Alert[] {
  return [...alerts].sort((a, b) => phaseOrder[a.state] - phaseOrder[b.state] || b.lastWindowMs - a.lastWindowMs);
}

/** Alerts with the sentences that explain them. */
export function AlertList({
  alerts,
  showsModel,
  timeZone,
}: {
  readonly alerts: readonly Alert[];
  readonly showsModel: boolean;
  readonly timeZone: string | undefined;
}) {
  return (
    <ul class="alerts">
      {inOrder(alerts).map(alert => (
        <AlertItem key={alert.id} alert={alert} showsModel={showsModel} timeZone={timeZone} />
      ))}
    </ul>
  );
}
