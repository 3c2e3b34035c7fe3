import { type Trial, trialStateSchema } from '@holdfast/api';
import { useState } from 'preact/hooks';
import { dash } from '../../app/format.ts';
import { format, messages } from '../../app/language.ts';
import { Badge } from '../../components/badge.tsx';
import { trialTone } from '../../components/tones.ts';
import { type StudyContext, shown } from './study-context.ts';

/** Rows drawn at once; a filter finds the others. */
const mostRows = 300;

function matches(trial: Trial, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const text = [
    `#${trial.number}`,
    messages.value.study.phase[trial.state],
    trial.state,
    trial.reason ?? '',
    ...Object.entries(trial.params).map(([name, value]) => `${name}=${shown(value)}`),
  ]
    .join(' ')
    .toLowerCase();
  return words.every(word => text.includes(word));
}

function sorted(trials: readonly Trial[], context: StudyContext, order: string): Trial[] {
  const index = context.objectives.findIndex(objective => objective.name === order);
  if (index < 0) return [...trials].reverse();
  const sign = context.objectives[index]?.direction === 'maximize' ? -1 : 1;
  const lossOf = (trial: Trial): number => {
    const value = trial.values?.[index];
    return value === undefined ? Number.POSITIVE_INFINITY : sign * value;
  };
  return [...trials].sort((a, b) => lossOf(a) - lossOf(b) || a.number - b.number);
}

function seconds(trial: Trial): string {
  if (trial.startedAtMs === undefined || trial.finishedAtMs === undefined) return dash;
  return format.value.duration(trial.finishedAtMs - trial.startedAtMs);
}

/** Every trial, with a filter by words and states; marked ones are compared. */
export function TrialTable({ context }: { readonly context: StudyContext }) {
  const m = messages.value.study;
  const f = format.value;
  const [filter, setFilter] = useState('');
  const [state, setState] = useState('');
  const [order, setOrder] = useState('');
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter(word => word !== '');
  const found = sorted(context.trials, context, order).filter(
    trial => (state === '' || trial.state === state) && matches(trial, words),
  );
  const rows = found.slice(0, mostRows);
  const isPopulation = context.trials.some(trial => trial.lineage !== undefined);
  return (
    <section class="card" aria-label={m.trials}>
      <div class="section-head">
        <h2>{m.trials}</h2>
        <span class="hint">{m.shown(f.count(rows.length), f.count(context.trials.length))}</span>
        <div class="choices-row">
          <input
            type="text"
            class="trial-filter"
            placeholder={m.filterHint}
            aria-label={m.filter}
            value={filter}
            onInput={event => setFilter(event.currentTarget.value)}
          />
          <label class="choice">
            <span>{m.stateTitle}</span>
            <select value={state} onChange={event => setState(event.currentTarget.value)}>
              <option value="">{m.all}</option>
              {trialStateSchema.options.map(option => (
                <option key={option} value={option}>
                  {m.phase[option]}
                </option>
              ))}
            </select>
          </label>
          <label class="choice">
            <span>{m.order}</span>
            <select value={order} onChange={event => setOrder(event.currentTarget.value)}>
              <option value="">{m.newestFirst}</option>
              {context.objectives.map(objective => (
                <option key={objective.name} value={objective.name}>
                  {objective.name}
                </option>
              ))}
            </select>
          </label>
        </div>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region is reached by keyboard */}
      <section class="table-scroll tall" tabIndex={0} aria-label={m.trials}>
        <table>
          <thead>
            <tr>
              <th scope="col">{m.compare}</th>
              <th scope="col">{m.trialAxis}</th>
              <th scope="col">{m.stateTitle}</th>
              {context.objectives.map(objective => (
                <th key={objective.name} scope="col">
                  {objective.name}
                </th>
              ))}
              {context.parameters.map(parameter => (
                <th key={parameter.name} scope="col" title={parameter.name}>
                  {parameter.name}
                </th>
              ))}
              {isPopulation && <th scope="col">{m.start}</th>}
              <th scope="col">{m.took}</th>
              <th scope="col">{m.why}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(trial => (
              <tr key={trial.number} class={context.detail.best.includes(trial.number) ? 'best-row' : ''}>
                <td>
                  <input
                    type="checkbox"
                    aria-label={m.compareTrial(trial.number)}
                    checked={context.chosen.has(trial.number)}
                    onChange={() => context.onChoose(trial.number)}
                  />
                </td>
                <th scope="row">{trial.number}</th>
                <td>
                  <Badge tone={trialTone[trial.state]}>{m.phase[trial.state]}</Badge>
                </td>
                {context.objectives.map((objective, i) => (
                  <td key={objective.name} class="number">
                    {trial.values?.[i] === undefined ? dash : f.metric(trial.values[i])}
                  </td>
                ))}
                {context.parameters.map(parameter => (
                  <td key={parameter.name} class={typeof trial.params[parameter.name] === 'number' ? 'number' : ''}>
                    {shown(trial.params[parameter.name])}
                  </td>
                ))}
                {isPopulation && (
                  <td>
                    {trial.lineage === undefined
                      ? dash
                      : m.beginning(trial.lineage.member, trial.lineage.startTrial, trial.lineage.fromStep)}
                  </td>
                )}
                <td>{seconds(trial)}</td>
                <td class="faint">{trial.reason ?? ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </section>
  );
}
