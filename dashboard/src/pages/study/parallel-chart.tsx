import { useEffect, useRef, useState } from 'preact/hooks';
import { messages } from '../../app/language.ts';
import { type AxisScale, scaleFor } from '../../charts/axis-scale.ts';
import { finishedOf, paramOf, standingOf } from '../../charts/study-data.ts';
import { describeTrial, type StudyContext } from './study-context.ts';

const height = 300;
const top = 34;
const bottom = 16;
const side = 56;

interface ParallelAxis {
  readonly title: string;
  readonly scale: AxisScale;
  readonly placeOf: (trial: StudyContext['trials'][number]) => number | undefined;
}

function axesOf({ parameters, objectives, trials }: StudyContext): ParallelAxis[] {
  const finished = finishedOf(trials);
  const searched = parameters.map((parameter): ParallelAxis => {
    const values = finished.map(trial => paramOf(trial, parameter)).filter(value => value !== undefined);
    const scale = scaleFor(values, { isLog: parameter.isLog, ...(parameter.names && { names: parameter.names }) });
    return {
      title: parameter.name,
      scale,
      placeOf: trial => {
        const value = paramOf(trial, parameter);
        return value === undefined ? undefined : scale.unitOf(value);
      },
    };
  });
  const reached = objectives.map(({ name }, i): ParallelAxis => {
    const scale = scaleFor(finished.map(trial => trial.values?.[i] ?? 0));
    return { title: name, scale, placeOf: trial => scale.unitOf(trial.values?.[i] ?? 0) };
  });
  return [...searched, ...reached];
}

/** Where standings fall into: the best tenth, the best third, the rest. */
function classOf(standing: number): string {
  return standing <= 0.1 ? 'good' : standing <= 0.35 ? 'plain' : 'faint';
}

/** Every finished trial as a line across its parameters and objectives, the good ones in front. */
export function ParallelChart({ context }: { readonly context: StudyContext }) {
  const m = messages.value.study;
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(640);
  const [hovered, setHovered] = useState<number | undefined>(undefined);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const axes = axesOf(context);
  const wide = Math.max(width, side * 2 + (axes.length - 1) * 84);
  const toX = (index: number): number => side + (index * (wide - 2 * side)) / Math.max(1, axes.length - 1);
  const toY = (unit: number): number => height - bottom - unit * (height - top - bottom);
  const standing = standingOf(context.trials, context.objectives, context.objective);
  const trials = finishedOf(context.trials).sort(
    (a, b) => (standing.get(b.number) ?? 1) - (standing.get(a.number) ?? 1),
  );
  const pathOf = (trial: (typeof trials)[number]): string => {
    let path = '';
    let isOpen = false;
    axes.forEach((axis, index) => {
      const place = axis.placeOf(trial);
      // A parameter that does not exist in this trial leaves a gap.
      if (place !== undefined) path += `${isOpen ? 'L' : 'M'}${toX(index).toFixed(1)} ${toY(place).toFixed(1)}`;
      isOpen = place !== undefined;
    });
    return path;
  };
  const read = trials.find(trial => trial.number === hovered);
  return (
    <section class="card">
      <div class="section-head">
        <h2>{m.parallel}</h2>
        <output class="hint parallel-note">{read === undefined ? m.parallelHint : describeTrial(context, read)}</output>
      </div>
      <div
        class="parallel"
        ref={ref}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region is reached by keyboard
        tabIndex={0}
        role="group"
        aria-label={m.parallelLabel(trials.length, axes.length)}
      >
        <svg width={wide} height={height} aria-hidden="true">
          {trials.map(trial => (
            // biome-ignore lint/a11y/noStaticElementInteractions: the table of trials chooses by keyboard
            <path
              key={trial.number}
              class={`xy-line ${context.chosen.has(trial.number) || context.detail.best.includes(trial.number) ? 'best' : classOf(standing.get(trial.number) ?? 1)}${hovered === trial.number ? ' focused' : ''}`}
              d={pathOf(trial)}
              onMouseEnter={() => setHovered(trial.number)}
              onMouseLeave={() => setHovered(undefined)}
              onClick={() => context.onChoose(trial.number)}
            />
          ))}
          {axes.map((axis, index) => (
            <g key={axis.title}>
              <path class="xy-axis" d={`M${toX(index)} ${top}V${height - bottom}`} />
              <text class="xy-title" x={toX(index)} y={16} text-anchor="middle">
                {axis.title.length > 14 ? `…${axis.title.slice(-13)}` : axis.title}
              </text>
              {axis.scale.ticks.map(tick => (
                <text key={tick.label} class="xy-tick halo" x={toX(index) + 5} y={toY(tick.at) + 4}>
                  {tick.label.length > 10 ? `${tick.label.slice(0, 9)}…` : tick.label}
                </text>
              ))}
            </g>
          ))}
        </svg>
      </div>
    </section>
  );
}
