import { useState } from 'preact/hooks';
import { messages } from '../../app/language.ts';
import { scaleFor } from '../../charts/axis-scale.ts';
import { paramOf } from '../../charts/study-data.ts';
import { XyChart, type XyLine } from '../../charts/xy-chart.tsx';
import { Choice } from './choice.tsx';
import { describeTrial, type StudyContext, toneOf } from './study-context.ts';

/** How a parameter changed while the members of a population trained: each interval level, each takeover a step. */
export function PopulationChart({ context }: { readonly context: StudyContext }) {
  const m = messages.value.study;
  const { parameters, trials, chosen } = context;
  const [wanted, setWanted] = useState(parameters[0]?.name ?? '');
  const parameter = parameters.find(each => each.name === wanted) ?? parameters[0];
  if (parameter === undefined) return null;
  const intervals = trials.flatMap(trial => {
    const value = paramOf(trial, parameter);
    return trial.lineage === undefined || value === undefined ? [] : [{ trial, lineage: trial.lineage, value }];
  });
  if (intervals.length === 0) return null;
  const x = scaleFor(intervals.flatMap(({ lineage }) => [lineage.fromStep, lineage.toStep]));
  const y = scaleFor(
    intervals.map(({ value }) => value),
    { isLog: parameter.isLog, ...(parameter.names && { names: parameter.names }) },
  );
  const lines = intervals.map(({ trial, lineage, value }): XyLine => {
    const source = lineage.startTrial === undefined ? undefined : trials[lineage.startTrial];
    const before = (source && paramOf(source, parameter)) ?? value;
    return {
      key: String(trial.number),
      tone: chosen.has(trial.number) ? 'best' : toneOf(context, trial),
      places: [
        [x.unitOf(lineage.fromStep), y.unitOf(before)],
        [x.unitOf(lineage.fromStep), y.unitOf(value)],
        [x.unitOf(lineage.toStep), y.unitOf(value)],
      ],
    };
  });
  const members = new Set(intervals.map(({ lineage }) => lineage.member)).size;
  return (
    <section class="card">
      <div class="section-head">
        <h2>{m.population}</h2>
        <Choice
          label={m.parameter}
          value={parameter.name}
          options={parameters.map(each => each.name)}
          onChange={setWanted}
        />
      </div>
      <XyChart
        label={m.populationLabel(parameter.name, members, intervals.length)}
        x={x}
        y={y}
        xTitle={m.stepAxis}
        yTitle={parameter.name}
        points={intervals.map(({ trial, lineage, value }) => ({
          number: trial.number,
          x: x.unitOf(lineage.toStep),
          y: y.unitOf(value),
          tone: toneOf(context, trial),
          text: `${describeTrial(context, trial)} · ${m.beginning(lineage.member, lineage.startTrial, lineage.fromStep)}`,
        }))}
        lines={lines}
        chosen={chosen}
        onChoose={context.onChoose}
      />
      <p class="hint">{m.populationHint}</p>
    </section>
  );
}
