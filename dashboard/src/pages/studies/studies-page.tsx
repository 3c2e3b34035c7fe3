import type { StudySummary } from '@holdfast/api';
import { dash } from '../../app/format.ts';
import { format, messages } from '../../app/language.ts';
import { studyPath } from '../../app/router.ts';
import { server } from '../../app/server.ts';
import { Badge } from '../../components/badge.tsx';
import { Command } from '../../components/command.tsx';
import { Link } from '../../components/link.tsx';
import { Empty, ErrorNote, Skeleton } from '../../components/note.tsx';
import { studyTone } from '../../components/tones.ts';
import { useLoaded } from '../../live/loaded.ts';
import { useRefresh } from '../../live/refresh.ts';

function bestText(study: StudySummary): string {
  const m = messages.value.study;
  if (study.best === null) return study.frontSize > 0 ? m.frontOf(study.frontSize) : dash;
  return `${study.objectives[0]?.name ?? ''} ${format.value.metric(study.best.value)}`;
}

function progressText({ counts, budget }: StudySummary): string {
  const f = format.value;
  const done = f.count(counts.complete + counts.pruned + counts.failed);
  return budget.trials === undefined ? done : messages.value.study.ofPlanned(done, f.count(budget.trials));
}

/** Every study, newest change first. */
export function StudiesPage() {
  const m = messages.value.study;
  const f = format.value;
  const tick = useRefresh(event => event.kind === 'study', 'studies');
  const studies = useLoaded('studies', signal => server.call('listStudies', { signal }), tick);
  return (
    <>
      <div class="page-head">
        <h1 tabIndex={-1}>{m.studies}</h1>
      </div>
      {studies.error !== undefined && <ErrorNote sentence={studies.error} onRetry={studies.reload} />}
      {studies.value === undefined && studies.error === undefined && <Skeleton height="20rem" />}
      {studies.value !== undefined && studies.value.length === 0 && (
        <div class="card">
          <Empty title={m.none}>
            <p>{m.noneHint}</p>
            <Command text="holdfast tune holdfast.tune.yaml" />
          </Empty>
        </div>
      )}
      {studies.value !== undefined && studies.value.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region is reached by keyboard
        <section class="card table-scroll" tabIndex={0} aria-label={m.studies}>
          <table class="studies">
            <thead>
              <tr>
                <th scope="col">{m.name}</th>
                <th scope="col">{m.stateTitle}</th>
                <th scope="col">{m.trials}</th>
                <th scope="col">{m.best}</th>
                <th scope="col">{m.sampler}</th>
                <th scope="col">{m.changed}</th>
              </tr>
            </thead>
            <tbody>
              {studies.value.map(study => (
                <tr key={study.name}>
                  <th scope="row">
                    <Link to={studyPath(study.name)}>{study.name}</Link>
                  </th>
                  <td>
                    <Badge tone={studyTone[study.state]}>{m.state[study.state]}</Badge>
                  </td>
                  <td>{progressText(study)}</td>
                  <td>{bestText(study)}</td>
                  <td>{study.sampler}</td>
                  <td>{f.dateTime(study.changedAtMs)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}
