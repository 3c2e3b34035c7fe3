import type { StudyDetail, Trial } from '@holdfast/api';
import { useMemo, useRef, useState } from 'preact/hooks';
import { format, messages } from '../../app/language.ts';
import { server } from '../../app/server.ts';
import { finishedOf, parametersOf } from '../../charts/study-data.ts';
import { Badge } from '../../components/badge.tsx';
import { Link } from '../../components/link.tsx';
import { Empty, ErrorNote, Skeleton } from '../../components/note.tsx';
import { studyTone } from '../../components/tones.ts';
import { useLoaded } from '../../live/loaded.ts';
import { useRefresh } from '../../live/refresh.ts';
import { Choice } from './choice.tsx';
import { CompareSection } from './compare-section.tsx';
import { ContourChart } from './contour-chart.tsx';
import { FrontChart } from './front-chart.tsx';
import { HistoryChart } from './history-chart.tsx';
import { ImportanceBars } from './importance-bars.tsx';
import { ParallelChart } from './parallel-chart.tsx';
import { PopulationChart } from './population-chart.tsx';
import { SliceChart } from './slice-chart.tsx';
import { StepsChart } from './steps-chart.tsx';
import type { StudyContext } from './study-context.ts';
import { TrialTable } from './trial-table.tsx';

interface Known {
  readonly createdAtMs: number;
  revision: number;
  trials: readonly Trial[];
}

/** The study and all its trials; after the first read only what has changed is asked for. */
function useStudy(name: string) {
  const tick = useRefresh(event => event.kind === 'study' && event.study === name, name);
  const known = useRef<Known | undefined>(undefined);
  return useLoaded(
    `study ${name}`,
    async signal => {
      const params = { study: name };
      const detail = await server.call('readStudy', { params, signal });
      const { createdAtMs } = detail.summary;
      const before =
        known.current?.createdAtMs === createdAtMs ? known.current : { createdAtMs, revision: 0, trials: [] };
      const { trials: changed, revision } = await server.call('studyTrials', {
        params,
        query: { sinceRevision: before.revision },
        signal,
      });
      const trials = [...before.trials];
      for (const trial of changed) trials[trial.number] = trial;
      known.current = { createdAtMs, revision, trials };
      return { detail, trials };
    },
    tick,
  );
}

function Head({ name, detail }: { readonly name: string; readonly detail: StudyDetail | undefined }) {
  const m = messages.value.study;
  const f = format.value;
  return (
    <div class="model-head">
      <div>
        <Link to="/studies" class="crumb">
          {m.studies}
        </Link>
        <div class="model-title">
          <h1 tabIndex={-1}>{name}</h1>
        </div>
        {detail !== undefined && (
          <div class="badges">
            <Badge tone={studyTone[detail.summary.state]}>{m.state[detail.summary.state]}</Badge>
            {detail.summary.finishedBecause !== null && <span>{m.finished(detail.summary.finishedBecause)}</span>}
            <span class="hint">{detail.note}</span>
          </div>
        )}
      </div>
      {detail !== undefined && (
        <dl class="head-numbers">
          {(['complete', 'pruned', 'failed', 'running'] as const).map(state => (
            <div class="head-number" key={state}>
              <dt>{m.phase[state]}</dt>
              <dd>{f.count(detail.summary.counts[state] ?? 0)}</dd>
            </div>
          ))}
          <div class="head-number">
            <dt>{detail.summary.best === null ? m.front : (detail.summary.objectives[0]?.name ?? m.best)}</dt>
            <dd>{detail.summary.best === null ? f.count(detail.best.length) : f.metric(detail.summary.best.value)}</dd>
          </div>
        </dl>
      )}
    </div>
  );
}

function Events({ detail }: { readonly detail: StudyDetail }) {
  const m = messages.value.study;
  const f = format.value;
  return (
    <section class="card">
      <h2>{m.events}</h2>
      <ul class="study-events">
        {detail.events.slice(0, 20).map(event => (
          <li key={`${event.atMs} ${event.kind} ${event.trial ?? ''}`}>
            <span class="hint">{f.dateTime(event.atMs)}</span> {event.trial === null ? '' : `${m.trial(event.trial)}: `}
            {m.eventKind[event.kind]}
            {event.kind === 'created' || event.kind === 'finished' ? '' : ` · ${event.text}`}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Body({ detail, trials }: { readonly detail: StudyDetail; readonly trials: readonly Trial[] }) {
  const m = messages.value.study;
  const { objectives } = detail.summary;
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const [wanted, setWanted] = useState(objectives[0]?.name ?? '');
  const parameters = useMemo(() => parametersOf(detail.settings.space), [detail]);
  const onChoose = (number: number): void =>
    setChosen(before => {
      const next = new Set(before);
      if (!next.delete(number)) next.add(number);
      return next;
    });
  const objective = Math.max(
    0,
    objectives.findIndex(each => each.name === wanted),
  );
  const context: StudyContext = { detail, trials, parameters, objectives, objective, chosen, onChoose };
  const isEmpty = finishedOf(trials).length === 0;
  return (
    <>
      {objectives.length > 1 && (
        <div class="study-bar">
          <Choice label={m.objective} value={wanted} options={objectives.map(each => each.name)} onChange={setWanted} />
        </div>
      )}
      {isEmpty && (
        <div class="card">
          <Empty title={m.noTrialYet}>
            <p>{m.noTrialYetHint}</p>
          </Empty>
        </div>
      )}
      {!isEmpty && (
        <>
          <div class="study-grid">
            {objectives.length > 1 && <FrontChart context={context} />}
            <HistoryChart context={context} />
            <ImportanceBars context={context} />
            <SliceChart context={context} />
            {parameters.length > 1 && <ContourChart context={context} />}
            <StepsChart context={context} />
            <PopulationChart context={context} />
          </div>
          <ParallelChart context={context} />
        </>
      )}
      <CompareSection context={context} onClear={() => setChosen(new Set())} />
      <TrialTable context={context} />
      <Events detail={detail} />
    </>
  );
}

/** Everything about one study, live. */
export function StudyPage({ name }: { readonly name: string }) {
  const study = useStudy(name);
  return (
    <div class="study">
      <Head name={name} detail={study.value?.detail} />
      {study.error !== undefined && <ErrorNote sentence={study.error} onRetry={study.reload} />}
      {study.value === undefined && study.error === undefined && <Skeleton height="40rem" />}
      {study.value !== undefined && <Body detail={study.value.detail} trials={study.value.trials} />}
    </div>
  );
}
