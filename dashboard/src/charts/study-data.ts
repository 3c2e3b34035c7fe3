import type { ParameterSpec, StudyDetail, Trial } from '@holdfast/api';
import type { PlotValue } from './axis-scale.ts';

export type Objectives = StudyDetail['summary']['objectives'];

/** A parameter of the space by its flat name. */
export interface StudyParameter {
  readonly name: string;
  readonly isLog: boolean;
  /** Categories in their order; undefined for numbers. */
  readonly names: readonly string[] | undefined;
}

/** Every searched parameter of a space, nested names joined with dots; constants are left out. */
export function parametersOf(space: Readonly<Record<string, ParameterSpec>>, prefix = ''): StudyParameter[] {
  return Object.entries(space).flatMap(([key, spec]): StudyParameter[] => {
    const name = prefix + key;
    switch (spec.type) {
      case 'float':
      case 'int':
        return [{ name, isLog: spec.log === true, names: undefined }];
      case 'categorical':
      case 'ordered':
        return [{ name, isLog: false, names: spec.values.map(String) }];
      case 'constant':
        return [];
      case 'group':
        return parametersOf(spec.space, `${name}.`);
      case 'choice': {
        const inner = Object.entries(spec.options).flatMap(([option, space]) =>
          parametersOf(space, `${name}.${option}.`),
        );
        return [{ name, isLog: false, names: Object.keys(spec.options) }, ...inner];
      }
      default:
        return spec satisfies never;
    }
  });
}

/** A parameter's value of a trial as it is plotted; undefined where it does not exist. */
export function paramOf(trial: Trial, parameter: StudyParameter): PlotValue | undefined {
  const value = trial.params[parameter.name];
  if (value === undefined) return undefined;
  return typeof value === 'number' && parameter.names === undefined ? value : String(value);
}

/** Trials with values, in the order of their numbers. */
export function finishedOf(trials: readonly Trial[]): Trial[] {
  return trials.filter(trial => trial.state === 'complete' && trial.values !== undefined);
}

/** The best value so far after each finished trial, of one objective. */
export function bestSoFar(
  trials: readonly Trial[],
  objectives: Objectives,
  objective: number,
): { number: number; value: number }[] {
  const isLower = objectives[objective]?.direction !== 'maximize';
  const out: { number: number; value: number }[] = [];
  for (const trial of finishedOf(trials)) {
    const value = trial.values?.[objective];
    if (value === undefined) continue;
    const before = out.at(-1)?.value;
    const best = before === undefined || (isLower ? value < before : value > before) ? value : before;
    out.push({ number: trial.number, value: best });
  }
  return out;
}

/** Place of every finished trial by one objective: 0 the best, 1 the worst. */
export function standingOf(trials: readonly Trial[], objectives: Objectives, objective: number): Map<number, number> {
  const sign = objectives[objective]?.direction === 'maximize' ? -1 : 1;
  const order = finishedOf(trials)
    .map(trial => ({ number: trial.number, loss: sign * (trial.values?.[objective] ?? 0) }))
    .sort((a, b) => a.loss - b.loss);
  return new Map(order.map(({ number }, i) => [number, order.length === 1 ? 0 : i / (order.length - 1)]));
}
