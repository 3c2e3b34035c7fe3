import { useState } from 'preact/hooks';
import { messages } from '../../app/language.ts';
import { type PlotValue, scaleFor } from '../../charts/axis-scale.ts';
import { finishedOf, paramOf } from '../../charts/study-data.ts';
import { XyChart } from '../../charts/xy-chart.tsx';
import { Choice } from './choice.tsx';
import { describeTrial, type StudyContext, toneOf } from './study-context.ts';

/** The value over one parameter. */
export function SliceChart({ context }: { readonly context: StudyContext }) {
  const m = messages.value.study;
  const { parameters, trials, objective, objectives } = context;
  const [wanted, setWanted] = useState(parameters[0]?.name ?? '');
  const parameter = parameters.find(each => each.name === wanted) ?? parameters[0];
  if (parameter === undefined) return null;
  const shown = finishedOf(trials).flatMap(trial => {
    const place = paramOf(trial, parameter);
    return place === undefined ? [] : [{ trial, place }];
  });
  const places: PlotValue[] = shown.map(entry => entry.place);
  const x = scaleFor(places, { isLog: parameter.isLog, ...(parameter.names && { names: parameter.names }) });
  const y = scaleFor(shown.map(entry => entry.trial.values?.[objective] ?? 0));
  const name = objectives[objective]?.name ?? '';
  return (
    <section class="card">
      <div class="section-head">
        <h2>{m.slice}</h2>
        <Choice
          label={m.parameter}
          value={parameter.name}
          options={parameters.map(each => each.name)}
          onChange={setWanted}
        />
      </div>
      <XyChart
        label={m.sliceLabel(name, parameter.name, shown.length)}
        x={x}
        y={y}
        xTitle={parameter.name}
        yTitle={name}
        points={shown.map(({ trial, place }) => ({
          number: trial.number,
          x: x.unitOf(place),
          y: y.unitOf(trial.values?.[objective] ?? 0),
          tone: toneOf(context, trial),
          text: describeTrial(context, trial),
        }))}
        chosen={context.chosen}
        onChoose={context.onChoose}
      />
    </section>
  );
}
