import { ApiError, type ImportancesQuery } from '@holdfast/api';
import { useState } from 'preact/hooks';
import { format, messages } from '../../app/language.ts';
import { server } from '../../app/server.ts';
import { finishedOf } from '../../charts/study-data.ts';
import { ErrorNote, Skeleton } from '../../components/note.tsx';
import { useLoaded } from '../../live/loaded.ts';
import { Choice } from './choice.tsx';
import type { StudyContext } from './study-context.ts';

type Method = ImportancesQuery['method'];
const methods = ['ped-anova', 'fanova', 'permutation'] as const satisfies readonly Method[];

/** How much each parameter matters, as the server works it out; undefined while too few trials are finished. */
function useImportances({ detail, trials, objective }: StudyContext, method: Method) {
  const { name, createdAtMs } = detail.summary;
  return useLoaded(
    `importances ${name} ${createdAtMs} ${method} ${objective}`,
    async signal => {
      try {
        return await server.call('studyImportances', { params: { study: name }, query: { method, objective }, signal });
      } catch (error) {
        if (error instanceof ApiError && error.code === 'bad_request') return undefined;
        throw error;
      }
    },
    finishedOf(trials).length,
  );
}

/** How much each parameter matters, by a method of choice. */
export function ImportanceBars({ context }: { readonly context: StudyContext }) {
  const m = messages.value.study;
  const f = format.value;
  const [method, setMethod] = useState<Method>('ped-anova');
  const loaded = useImportances(context, method);
  return (
    <section class="card">
      <div class="section-head">
        <h2>{m.importance}</h2>
        <Choice
          label={m.method}
          value={method}
          options={methods}
          nameOf={option => m.methodName[option]}
          onChange={setMethod}
        />
      </div>
      {loaded.error !== undefined && <ErrorNote sentence={loaded.error} onRetry={loaded.reload} />}
      {loaded.isLoading && <Skeleton height="8rem" />}
      {!loaded.isLoading && loaded.error === undefined && loaded.value === undefined && (
        <p class="hint">{m.importanceTooFew}</p>
      )}
      {loaded.value !== undefined && (
        <>
          <dl class="importances">
            {loaded.value.importances.map(({ parameter, share }) => (
              <div key={parameter}>
                <dt title={parameter}>{parameter}</dt>
                <dd>
                  <span class="importance-track" aria-hidden="true">
                    <span class="importance-bar" style={{ width: `${(share * 100).toFixed(1)}%` }} />
                  </span>
                  {f.percent(share)}
                </dd>
              </div>
            ))}
          </dl>
          <p class="hint">{m.methodHint[method]}</p>
        </>
      )}
    </section>
  );
}
