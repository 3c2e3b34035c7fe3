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

const mostGroups = 8;
const fewestTrials = 8;

/** Trials in groups of about the same size along a parameter; one group a category, one for trials without it. */
function groupsOf(trials: readonly Trial[], parameter: StudyParameter): number[] {
  const values = trials.map(trial => paramOf(trial, parameter));
  if (parameter.names !== undefined)
    return values.map(value => (value === undefined ? -1 : parameter.names!.indexOf(String(value))));
  const numbers = values.filter((value): value is number => typeof value === 'number').sort((a, b) => a - b);
  const groups = Math.max(2, Math.min(mostGroups, Math.floor(numbers.length / 4)));
  const edges = Array.from(
    { length: groups - 1 },
    (_, i) => numbers[Math.floor(((i + 1) * numbers.length) / groups)] ?? 0,
  );
  return values.map(value => (typeof value === 'number' ? edges.filter(edge => value >= edge).length : -1));
}

/**
 * How much of the differences between trials one parameter alone explains: epsilon squared of a one-way analysis of
 * variance over ranks, which is 0 for a parameter without influence however many groups it has (Kelley 1935).
 */
function shareAlone(ranks: readonly number[], groups: readonly number[]): number {
  const n = ranks.length;
  const mean = ranks.reduce((a, b) => a + b, 0) / n;
  const total = ranks.reduce((sum, rank) => sum + (rank - mean) ** 2, 0);
  const members = Map.groupBy(
    ranks.map((rank, i) => ({ rank, group: groups[i]! })),
    entry => entry.group,
  );
  let between = 0;
  for (const group of members.values()) {
    const own = group.reduce((sum, entry) => sum + entry.rank, 0) / group.length;
    between += group.length * (own - mean) ** 2;
  }
  const k = members.size;
  if (k < 2 || n <= k || total === 0) return 0;
  return Math.max(0, (between - ((k - 1) * (total - between)) / (n - k)) / total);
}

/** Parameters by how much of the differences each explains alone, most first; empty before eight trials are finished. */
export function influencesOf(
  trials: readonly Trial[],
  parameters: readonly StudyParameter[],
  objectives: Objectives,
  objective: number,
): { readonly name: string; readonly share: number }[] {
  const finished = finishedOf(trials);
  if (finished.length < fewestTrials) return [];
  const standing = standingOf(trials, objectives, objective);
  const ranks = finished.map(trial => standing.get(trial.number) ?? 0);
  return parameters
    .map(parameter => ({ name: parameter.name, share: shareAlone(ranks, groupsOf(finished, parameter)) }))
    .sort((a, b) => b.share - a.share);
}
