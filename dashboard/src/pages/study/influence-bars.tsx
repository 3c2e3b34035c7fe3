import { format, messages } from '../../app/language.ts';
import { influencesOf } from '../../charts/study-data.ts';
import type { StudyContext } from './study-context.ts';

/** How much each parameter alone decides the value. */
export function InfluenceBars({ context }: { readonly context: StudyContext }) {
  const m = messages.value.study;
  const f = format.value;
  const influences = influencesOf(context.trials, context.parameters, context.objectives, context.objective);
  return (
    <section class="card">
      <h2>{m.influence}</h2>
      {influences.length === 0 ? (
        <p class="hint">{m.influenceTooFew}</p>
      ) : (
        <>
          <dl class="influences">
            {influences.map(({ name, share }) => (
              <div key={name}>
                <dt title={name}>{name}</dt>
                <dd>
                  <span class="influence-track" aria-hidden="true">
                    <span class="influence-bar" style={{ width: `${(share * 100).toFixed(1)}%` }} />
                  </span>
                  {f.percent(share)}
                </dd>
              </div>
            ))}
          </dl>
          <p class="hint">{m.influenceHint}</p>
        </>
      )}
    </section>
  );
}
