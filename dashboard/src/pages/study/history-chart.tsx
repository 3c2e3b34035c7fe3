import { messages } from '../../app/language.ts';
import { scaleFor } from '../../charts/axis-scale.ts';
import { bestSoFar, finishedOf } from '../../charts/study-data.ts';
import { XyChart, type XyLine } from '../../charts/xy-chart.tsx';
import { describeTrial, type StudyContext, toneOf } from './study-context.ts';

/** The value of every trial in the order they were proposed, and the best so far as a line. */
export function HistoryChart({ context }: { readonly context: StudyContext }) {
  const m = messages.value.study;
  const { trials, objectives, objective } = context;
  const finished = finishedOf(trials);
  const x = scaleFor(trials.map(trial => trial.number));
  const values = finished.map(trial => trial.values?.[objective] ?? 0);
  const y = scaleFor(values);
  const points = finished.map(trial => ({
    number: trial.number,
    x: x.unitOf(trial.number),
    y: y.unitOf(trial.values?.[objective] ?? 0),
    tone: toneOf(context, trial),
    text: describeTrial(context, trial),
  }));
  const line: XyLine = {
    key: 'best',
    tone: 'best',
    isStepped: true,
    places: bestSoFar(trials, objectives, objective).map(({ number, value }) => [x.unitOf(number), y.unitOf(value)]),
  };
  const name = objectives[objective]?.name ?? '';
  return (
    <section class="card">
      <h2>{m.history}</h2>
      <XyChart
        label={m.historyLabel(finished.length, name)}
        x={x}
        y={y}
        xTitle={m.trialAxis}
        yTitle={name}
        points={points}
        lines={[line]}
        chosen={context.chosen}
        onChoose={context.onChoose}
      />
    </section>
  );
}
