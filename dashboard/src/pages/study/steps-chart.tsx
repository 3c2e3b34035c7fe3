import { messages } from '../../app/language.ts';
import { scaleFor } from '../../charts/axis-scale.ts';
import { XyChart, type XyLine } from '../../charts/xy-chart.tsx';
import { describeTrial, type StudyContext, toneOf } from './study-context.ts';

/** Lines beyond this many tell nothing more; the newest are drawn. */
const mostLines = 200;

/** What trials reported step by step, one line a trial. */
export function StepsChart({ context }: { readonly context: StudyContext }) {
  const m = messages.value.study;
  const { trials, objective, objectives, chosen } = context;
  const reporting = trials.filter(trial => trial.reports.length > 0).slice(-mostLines);
  if (reporting.length === 0) return null;
  const x = scaleFor(reporting.flatMap(trial => trial.reports.map(report => report.step)));
  const y = scaleFor(reporting.flatMap(trial => trial.reports.map(report => report.values[objective] ?? 0)));
  const lines = reporting.map(
    (trial): XyLine => ({
      key: String(trial.number),
      tone: chosen.has(trial.number) ? 'best' : toneOf(context, trial),
      places: trial.reports.map(report => [x.unitOf(report.step), y.unitOf(report.values[objective] ?? 0)]),
    }),
  );
  // The last report of each trial carries its point, so that every line can be read and chosen.
  const points = reporting.flatMap(trial => {
    const last = trial.reports.at(-1);
    if (last === undefined) return [];
    return [
      {
        number: trial.number,
        x: x.unitOf(last.step),
        y: y.unitOf(last.values[objective] ?? 0),
        tone: toneOf(context, trial),
        text: `${describeTrial(context, trial)} · ${m.phase[trial.state]}`,
      },
    ];
  });
  const name = objectives[objective]?.name ?? '';
  return (
    <section class="card">
      <h2>{m.steps}</h2>
      <XyChart
        label={m.stepsLabel(reporting.length, name)}
        x={x}
        y={y}
        xTitle={m.stepAxis}
        yTitle={name}
        points={points}
        lines={lines}
        chosen={chosen}
        onChoose={context.onChoose}
      />
    </section>
  );
}
