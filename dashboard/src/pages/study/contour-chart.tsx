import { useMemo, useState } from 'preact/hooks';
import { messages } from '../../app/language.ts';
import { scaleFor } from '../../charts/axis-scale.ts';
import { contourCells } from '../../charts/contour-cells.ts';
import { finishedOf, paramOf, type StudyParameter, standingOf } from '../../charts/study-data.ts';
import { XyChart } from '../../charts/xy-chart.tsx';
import { Choice } from './choice.tsx';
import { describeTrial, type StudyContext, toneOf } from './study-context.ts';

function useParameter(parameters: readonly StudyParameter[], first: number) {
  const [wanted, setWanted] = useState(parameters[first]?.name ?? '');
  return [parameters.find(each => each.name === wanted) ?? parameters[first], setWanted] as const;
}

/** Two parameters against each other; the ground shows how good the trials around a place are. */
export function ContourChart({ context }: { readonly context: StudyContext }) {
  const m = messages.value.study;
  const { parameters, trials, objective, objectives } = context;
  const [across, setAcross] = useParameter(parameters, 0);
  const [up, setUp] = useParameter(parameters, 1);
  const placed = useMemo(() => {
    if (across === undefined || up === undefined) return undefined;
    const shown = finishedOf(trials).flatMap(trial => {
      const [a, b] = [paramOf(trial, across), paramOf(trial, up)];
      return a === undefined || b === undefined ? [] : [{ trial, a, b }];
    });
    const scale = (parameter: StudyParameter, key: 'a' | 'b') =>
      scaleFor(
        shown.map(entry => entry[key]),
        { isLog: parameter.isLog, ...(parameter.names && { names: parameter.names }) },
      );
    const [x, y] = [scale(across, 'a'), scale(up, 'b')];
    const standing = standingOf(trials, objectives, objective);
    const places = shown.map(({ trial, a, b }) => ({
      trial,
      x: x.unitOf(a),
      y: y.unitOf(b),
      standing: standing.get(trial.number) ?? 1,
    }));
    return { x, y, places, cells: contourCells(places) };
  }, [trials, across, up, objective, objectives]);
  if (placed === undefined || across === undefined || up === undefined) return null;
  const names = parameters.map(each => each.name);
  return (
    <section class="card">
      <div class="section-head">
        <h2>{m.contour}</h2>
        <div class="choices-row">
          <Choice label={m.across} value={across.name} options={names} onChange={setAcross} />
          <Choice label={m.up} value={up.name} options={names} onChange={setUp} />
        </div>
      </div>
      <XyChart
        label={m.contourLabel(across.name, up.name, placed.places.length)}
        x={placed.x}
        y={placed.y}
        xTitle={across.name}
        yTitle={up.name}
        cells={placed.cells}
        points={placed.places.map(({ trial, x, y }) => ({
          number: trial.number,
          x,
          y,
          tone: toneOf(context, trial),
          text: describeTrial(context, trial),
        }))}
        chosen={context.chosen}
        onChoose={context.onChoose}
      />
      <p class="hint">{m.contourHint}</p>
    </section>
  );
}
