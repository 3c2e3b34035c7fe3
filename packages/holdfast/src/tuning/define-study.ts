import type { SpaceSpec, Suggestion } from '@holdfast/tune';

export { categorical, choice, constant, defineSpace, float, group, int, ordered, when } from '@holdfast/tune';

/** What a function that evaluates a configuration is given beside the parameters. */
export interface ObjectiveTrial {
  readonly number: number;
  /** Changes with the trial, the same in every run of the study. */
  readonly seed: number;
  /** Folder of the trial; what should outlive it, such as the model file, goes here. */
  readonly directory: string;
  /** Folder for checkpoints: a trial that was paused or stopped finds what it wrote. */
  readonly checkpointDirectory: string;
  /** The last step that was reported before the trial was paused or stopped; undefined at the first start. */
  readonly resumeFrom: number | undefined;
  /** The step at which the trial is complete (population-based training); undefined where the function says when. */
  readonly untilStep: number | undefined;
  /**
   * Reports the metrics of a step (epoch, round, fold). Save the checkpoint before: when the trial is to stop here, this
   * does not return but ends the process.
   */
  report(step: number, metrics: number | Readonly<Record<string, number>>): Promise<void>;
}

/** A number for a study with one objective, or every metric by its name. */
export type ObjectiveResult = number | Readonly<Record<string, number>>;

type Choice = string | { readonly name: string; readonly [option: string]: unknown };

/** A study whose configurations a function evaluates; the keys mean what they mean in `holdfast.tune.yaml`. */
export interface StudyDefinition<S extends SpaceSpec> {
  readonly name: string;
  readonly objectives: Readonly<Record<string, 'minimize' | 'maximize'>>;
  readonly space: S;
  /** Evaluates one configuration, in a process of its own. */
  readonly objective: (params: Suggestion<S>, trial: ObjectiveTrial) => ObjectiveResult | Promise<ObjectiveResult>;
  /** @default 'auto' */
  readonly sampler?: Choice;
  /** @default 'auto' */
  readonly pruner?: Choice;
  /** `'regret'`, alone or with options; without one only the budget ends the study. */
  readonly terminator?: Choice;
  /** @default 0 */
  readonly seed?: number;
  readonly budget?: { readonly trials?: number; readonly time?: string; readonly cost?: number };
  /** Trials at once. @default 1 */
  readonly concurrency?: number;
  readonly enqueue?: readonly Readonly<Record<string, string | number | boolean | null>>[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Longest time of one trial. @default '1d' */
  readonly timeout?: string;
  readonly silence?: string;
  /** @default '10s' */
  readonly grace?: string;
  readonly memoryBytes?: number;
  /** @default 0 */
  readonly retries?: number;
  /** @default 2 */
  readonly lostRetries?: number;
  /** @default 10 */
  readonly stopAfterFailures?: number;
  /** @default '1m' */
  readonly lease?: string;
  /** @default 'refuse' */
  readonly repeats?: 'refuse' | 'allow';
  readonly model?: string;
}

/**
 * A study for `holdfast tune FILE.ts`: export the result under a name.
 *
 * ```ts
 * export const study = defineStudy({
 *   name: 'churn',
 *   objectives: { loss: 'minimize' },
 *   space: { rate: float(1e-4, 1e-1, { log: true }), layers: int(1, 4) },
 *   budget: { trials: 40 },
 *   objective: async ({ rate, layers }, trial) => train(rate, layers),
 * });
 * ```
 */
export function defineStudy<const S extends SpaceSpec>(definition: StudyDefinition<S>): StudyDefinition<S> {
  return definition;
}
