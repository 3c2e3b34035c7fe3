import { dash } from '../../app/format.ts';
import { format, messages } from '../../app/language.ts';
import { type StudyContext, shown } from './study-context.ts';

/** The chosen trials side by side; rows in which they differ stand out. */
export function CompareSection({ context, onClear }: { readonly context: StudyContext; readonly onClear: () => void }) {
  const m = messages.value.study;
  const f = format.value;
  const trials = context.trials.filter(trial => context.chosen.has(trial.number));
  if (trials.length === 0) return null;
  const rows = [
    ...context.objectives.map(({ name }, i) => ({
      name,
      cells: trials.map(trial => (trial.values?.[i] === undefined ? dash : f.metric(trial.values[i]))),
    })),
    ...context.parameters.map(({ name }) => ({ name, cells: trials.map(trial => shown(trial.params[name])) })),
  ];
  return (
    <section class="card" aria-label={m.comparison}>
      <div class="section-head">
        <h2>{m.comparison}</h2>
        <button type="button" class="button small" onClick={onClear}>
          {m.clear}
        </button>
      </div>
      <div class="table-scroll">
        <table class="compare">
          <thead>
            <tr>
              <td />
              {trials.map(trial => (
                <th key={trial.number} scope="col">
                  {m.trial(trial.number)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(row => (
              <tr key={row.name} class={new Set(row.cells).size > 1 ? 'differs' : ''}>
                <th scope="row">{row.name}</th>
                {row.cells.map((cell, i) => (
                  <td key={trials[i]?.number} class="number">
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
