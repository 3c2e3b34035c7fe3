import type { CheckOutcome, CheckResult, Rollout, RolloutAction, RolloutDetail, RolloutPhase } from '@holdfast/api';
import { useEffect, useState } from 'preact/hooks';
import { dash } from '../../app/format.ts';
import { format, messages } from '../../app/language.ts';
import { server } from '../../app/server.ts';
import { BoundsChart } from '../../charts/bounds-chart.tsx';
import { Badge, type Tone } from '../../components/badge.tsx';
import { ConfirmDialog } from '../../components/confirm-dialog.tsx';
import { ErrorNote } from '../../components/note.tsx';
import { Sentence } from '../../components/sentence.tsx';
import { listen } from '../../live/live-feed.ts';
import { useLoaded } from '../../live/loaded.ts';

const phaseTone: Readonly<Record<RolloutPhase, Tone>> = {
  pending: 'quiet',
  shadow: 'quiet',
  canary: 'quiet',
  paused: 'warn',
  promoting: 'good',
  promoted: 'good',
  'rolling-back': 'bad',
  'rolled-back': 'bad',
  failed: 'bad',
};
const outcomeTone: Readonly<Record<CheckOutcome, Tone>> = {
  pass: 'good',
  fail: 'bad',
  undecided: 'quiet',
  'no-data': 'quiet',
};
const finals: ReadonlySet<RolloutPhase> = new Set(['promoted', 'rolled-back', 'failed']);
/** Every how many live events the chart is read again. */
const readEvery = 3;

function Steps({ rollout }: { readonly rollout: Rollout }) {
  const m = messages.value;
  const f = format.value;
  return (
    <ol class="rollout-steps" aria-label={m.rolloutPlan}>
      {rollout.steps.map((step, i) => {
        const isDone = i < rollout.step || rollout.phase === 'promoted';
        const isNow = i === rollout.step && !finals.has(rollout.phase);
        const length = step.forMs === null ? m.rolloutWaits : step.forMs === 0 ? '' : f.shortDuration(step.forMs);
        return (
          <li
            key={`${step.kind} ${step.percent}`}
            class={isNow ? 'now' : isDone ? 'done' : ''}
            aria-current={isNow ? 'step' : undefined}
          >
            <strong>{step.kind === 'shadow' ? m.rolloutShadow : f.percent(step.percent / 100)}</strong>
            <span class="faint">{length}</span>
          </li>
        );
      })}
    </ol>
  );
}

function Shares({ rollout }: { readonly rollout: Rollout }) {
  const m = messages.value;
  const f = format.value;
  const share = rollout.percent / 100;
  const text = `${m.version(rollout.champion)}: ${f.percent(1 - share)}, ${m.version(rollout.challenger)}: ${f.percent(share)}`;
  return (
    <div class="rollout-shares">
      <div class="rollout-bar" role="img" aria-label={text}>
        <span style={{ width: `${rollout.percent}%` }} />
      </div>
      <p class="hint">{text}</p>
    </div>
  );
}

function number(value: number | null, check: Pick<CheckResult, 'unit'>): string {
  if (value === null) return dash;
  const f = format.value;
  if (check.unit === 'share') return f.percent(value);
  return check.unit === 'ratio' ? `× ${f.rate(value)}` : f.rate(value);
}

function Checks({
  checks,
  chosen,
  onChoose,
}: {
  readonly checks: readonly CheckResult[];
  readonly chosen: string | undefined;
  readonly onChoose: (check: string) => void;
}) {
  const m = messages.value;
  const f = format.value;
  return (
    <div class="table-scroll">
      <table class="rollout-checks">
        <thead>
          <tr>
            <th scope="col">{m.rolloutCheck}</th>
            <th scope="col">{m.rolloutOutcome}</th>
            <th scope="col" class="number">
              {m.rolloutEffect}
            </th>
            <th scope="col" class="number">
              {m.rolloutBounds}
            </th>
            <th scope="col" class="number">
              {m.rolloutMargin}
            </th>
            <th scope="col" class="number">
              {m.rolloutRows}
            </th>
          </tr>
        </thead>
        <tbody>
          {checks.map(check => (
            <tr key={check.check} class={check.check === chosen ? 'chosen' : ''}>
              <th scope="row">
                <button type="button" class="link-button" onClick={() => onChoose(check.check)}>
                  {check.check}
                </button>
                <p class="hint">
                  <Sentence text={check.sentence} />
                </p>
              </th>
              <td data-label={m.rolloutOutcome}>
                <Badge tone={outcomeTone[check.outcome]}>{m.rolloutOutcomes[check.outcome]}</Badge>
                <span class="faint"> {m.rolloutModes[check.mode]}</span>
              </td>
              <td data-label={m.rolloutEffect} class="number">
                {number(check.effect, check)}
              </td>
              <td data-label={m.rolloutBounds} class="number">
                {check.low === null && check.high === null
                  ? dash
                  : `${number(check.low, check)} … ${number(check.high, check)}`}
              </td>
              <td data-label={m.rolloutMargin} class="number">
                {number(check.margin, check)}
              </td>
              <td data-label={m.rolloutRows} class="number">
                {f.count(check.challengerRows)} / {f.count(check.championRows)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Events({ events }: { readonly events: RolloutDetail['events'] }) {
  const m = messages.value;
  const f = format.value;
  return (
    <div class="history">
      <h3>{m.rolloutHistory}</h3>
      <ol>
        {events.toReversed().map(event => (
          <li key={event.seq}>
            <time dateTime={new Date(event.atMs).toISOString()}>{f.dateTime(event.atMs)}</time>
            <span>
              {m.rolloutPhases[event.phase]} · {f.percent(event.percent / 100)}
            </span>
            <span class="faint">
              {m.by(event.actor)}
              {event.reason !== '' && (
                <>
                  {' · '}
                  <Sentence text={event.reason} />
                </>
              )}
            </span>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** The actions that make sense now. */
function actionsOf(rollout: Rollout): readonly RolloutAction[] {
  if (finals.has(rollout.phase) || rollout.phase === 'promoting' || rollout.phase === 'rolling-back') return [];
  const steer: readonly RolloutAction[] =
    rollout.phase === 'paused' ? ['resume'] : rollout.phase === 'pending' ? [] : ['pause'];
  return ['promote', ...steer, 'abort'];
}

/** The rollout of a model as it runs, or the last one: shares, evidence, decision, and the buttons that steer it. */
export function RolloutSection({ name, onChanged }: { readonly name: string; readonly onChanged: () => void }) {
  const m = messages.value;
  const [live, setLive] = useState<Rollout | undefined>(undefined);
  const [tick, setTick] = useState(0);
  const [asked, setAsked] = useState<RolloutAction | undefined>(undefined);
  const [chosen, setChosen] = useState<string | undefined>(undefined);
  useEffect(() => {
    let heard = 0;
    let phase = '';
    return listen(event => {
      if (event.kind !== 'rollout' || event.rollout.model !== name) return;
      setLive(event.rollout);
      const hasMoved = phase !== `${event.rollout.phase} ${event.rollout.step}`;
      phase = `${event.rollout.phase} ${event.rollout.step}`;
      if (hasMoved || heard++ % readEvery === 0) setTick(now => now + 1);
      if (hasMoved && finals.has(event.rollout.phase)) onChanged();
    });
  }, [name]);
  const loaded = useLoaded(
    `rollout ${name}`,
    async signal => {
      const [latest] = await server.call('listRollouts', { params: { model: name }, signal });
      if (latest === undefined) return null;
      return server.call('readRollout', { params: { model: name, rollout: latest.id }, signal });
    },
    tick,
  );
  if (loaded.error !== undefined) return <ErrorNote sentence={loaded.error} onRetry={loaded.reload} />;
  const detail = loaded.value;
  if (detail === undefined || detail === null) return null;
  const rollout = live?.id === detail.rollout.id ? live : detail.rollout;
  const checks = rollout.decision?.checks ?? detail.events.findLast(event => event.checks.length > 0)?.checks ?? [];
  const shown = checks.find(check => check.check === chosen) ?? checks[0];
  const act = async (action: RolloutAction, reason: string): Promise<void> => {
    setLive(await server.call('actOnRollout', { params: { model: name }, body: { action, reason } }));
    setTick(now => now + 1);
  };
  return (
    <section class="card rollout" aria-labelledby="rollout-title">
      <div class="section-head">
        <h2 id="rollout-title">
          {m.rolloutTitle(rollout.id, rollout.challenger)}{' '}
          <Badge tone={phaseTone[rollout.phase]}>
            {m.rolloutPhases[rollout.phase]}
            {rollout.pausedFor !== null && ` (${m.rolloutPausedFor[rollout.pausedFor]})`}
          </Badge>
        </h2>
        <div class="rollout-actions">
          {actionsOf(rollout).map(action => (
            <button key={action} type="button" class="button" onClick={() => setAsked(action)}>
              {m.rolloutActions[action]}
            </button>
          ))}
        </div>
      </div>
      <Steps rollout={rollout} />
      <Shares rollout={rollout} />
      {rollout.decision !== null && (
        <p class="rollout-decision" role="status">
          <strong>{m.rolloutDecisions[rollout.decision.kind]}</strong> <Sentence text={rollout.decision.sentence} />
        </p>
      )}
      {checks.length > 0 && <Checks checks={checks} chosen={shown?.check} onChoose={setChosen} />}
      {shown !== undefined && detail.points.length > 1 && (
        <BoundsChart
          points={detail.points}
          check={shown.check}
          label={m.rolloutChart(shown.check)}
          show={value => number(value, shown)}
        />
      )}
      <Events events={detail.events} />
      {asked !== undefined && (
        <ConfirmDialog
          title={m.rolloutAsk[asked](rollout.challenger)}
          text={m.rolloutAskText[asked]}
          action={m.rolloutActions[asked]}
          onConfirm={reason => act(asked, reason)}
          onClose={() => setAsked(undefined)}
        />
      )}
    </section>
  );
}
