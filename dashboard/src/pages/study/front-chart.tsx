import { useState } from 'preact/hooks';
import { messages } from '../../app/language.ts';
import { scaleFor } from '../../charts/axis-scale.ts';
import { finishedOf } from '../../charts/study-data.ts';
import { XyChart } from '../../charts/xy-chart.tsx';
import { Choice } from './choice.tsx';
import { describeTrial, type StudyContext, toneOf } from './study-context.ts';

/** Two objectives against each other; the trials that no other beats stand out. */
export function FrontChart({ context }: { readonly context: StudyContext }) {
  const m = messages.value.study;
  const { objectives, trials } = context;
  const names = objectives.map(objective => objective.name);
  const [across, setAcross] = useState(names[0] ?? '');
  const [up, setUp] = useState(names[1] ?? '');
  const [a, b] = [Math.max(0, names.indexOf(across)), Math.max(0, names.indexOf(up))];
  const finished = finishedOf(trials);
  const x = scaleFor(finished.map(trial => trial.values?.[a] ?? 0));
  const y = scaleFor(finished.map(trial => trial.values?.[b] ?? 0));
  const points = finished.map(trial => ({
    number: trial.number,
    x: x.unitOf(trial.values?.[a] ?? 0),
    y: y.unitOf(trial.values?.[b] ?? 0),
    tone: toneOf(context, trial),
    text: describeTrial(context, trial),
  }));
  const title = (index: number): string =>
    `${names[index] ?? ''} (${m.direction[objectives[index]?.direction ?? 'minimize']})`;
  return (
    <section class="card">
      <div class="section-head">
        <h2>{m.front}</h2>
        {names.length > 2 && (
          <div class="choices-row">
            <Choice label={m.across} value={across} options={names} onChange={setAcross} />
            <Choice label={m.up} value={up} options={names} onChange={setUp} />
          </div>
        )}
      </div>
      <XyChart
        label={m.frontLabel(finished.length, context.detail.best.length)}
        x={x}
        y={y}
        xTitle={title(a)}
        yTitle={title(b)}
        points={points}
        chosen={context.chosen}
        onChoose={context.onChoose}
      />
    </section>
  );
}
