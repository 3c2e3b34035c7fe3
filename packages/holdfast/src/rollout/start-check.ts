import {
  champion,
  fault,
  judgeSchema,
  type ModelName,
  parsePlan,
  type RolloutDefaults,
  type Signature,
  type startRolloutSchema,
  type TensorSpec,
} from '@holdfast/api';
import type { z } from 'zod';
import type { Registry } from '../registry/index.ts';
import type { Deployments } from './deployments.ts';
import type { RolloutOrder } from './rollout-store.ts';

/** What a start is checked against. */
export interface StartContext {
  readonly registry: Pick<Registry, 'version' | 'aliases'>;
  readonly deployments: Pick<Deployments, 'of'>;
  readonly defaultsOf: (model: ModelName) => RolloutDefaults;
  /** Whether requests of the model belong to sequences, whose states a copy would not have. */
  readonly keepsStates: (model: ModelName) => boolean;
}

function fits(wanted: readonly number[], given: readonly number[]): boolean {
  return wanted.length === given.length && wanted.every((size, axis) => size === -1 || size === given[axis]);
}

function shapeOf({ datatype, shape }: TensorSpec): string {
  return `${datatype} [${shape.join(', ')}]`;
}

/**
 * Whether the new version can answer every request that the champion answers, with outputs of the same names and types:
 * callers do not know who answers them.
 * @throws Fault `rollout_refused` naming the tensor
 */
function checkInterchangeable(champion: Signature, challenger: Signature): void {
  for (const input of champion.inputs) {
    const own = challenger.inputs.find(({ name }) => name === input.name);
    if (own === undefined) throw fault('rollout_refused', `the new version has no input "${input.name}"`);
    if (own.datatype !== input.datatype || !fits(own.shape, input.shape) || (input.optional && !own.optional)) {
      const why = `its input "${input.name}" is ${shapeOf(own)}, the champion's is ${shapeOf(input)}`;
      throw fault('rollout_refused', why);
    }
  }
  const added = challenger.inputs.find(
    ({ name, optional }) => !optional && !champion.inputs.some(input => input.name === name),
  );
  if (added !== undefined) {
    throw fault('rollout_refused', `it needs an input "${added.name}", which callers of the champion do not send`);
  }
  for (const output of champion.outputs) {
    const own = challenger.outputs.find(({ name }) => name === output.name);
    if (own === undefined || own.datatype !== output.datatype) {
      const is = own === undefined ? 'missing' : own.datatype;
      throw fault('rollout_refused', `its output "${output.name}" is ${is}, the champion's is ${output.datatype}`);
    }
  }
}

/** What is asked for, with the defaults filled in. @throws Fault `rollout_refused`, `version_not_found`, `bad_request` */
export async function checkStart(
  { registry, deployments, defaultsOf, keepsStates }: StartContext,
  model: ModelName,
  request: z.output<typeof startRolloutSchema>,
): Promise<Pick<RolloutOrder, 'champion' | 'challenger' | 'plan' | 'spec'>> {
  const challenger = await registry.version(model, request.version);
  const current = (await registry.aliases(model)).find(target => target.alias === champion)?.version;
  if (current === undefined) throw fault('alias_not_found', model, champion);
  if (current === request.version) throw fault('rollout_refused', `version ${current} is the champion already`);
  if (challenger.quarantine !== undefined) {
    throw fault('rollout_refused', `version ${request.version} is in quarantine: ${challenger.quarantine}`);
  }
  if ((deployments.of(model).spec?.split.length ?? 0) > 0) {
    throw fault('rollout_refused', 'the deployment splits the requests already; clear its split first');
  }
  checkInterchangeable((await registry.version(model, current)).signature, challenger.signature);
  const defaults = defaultsOf(model);
  const judge = judgeSchema.safeParse({ ...defaults.judge, ...request.judge });
  if (!judge.success) {
    const why = judge.error.issues.map(issue => `judge.${issue.path.join('.')}: ${issue.message}`).join('; ');
    throw fault('bad_request', why);
  }
  const plan = request.plan ?? defaults.plan;
  const steps = parsePlan(plan);
  if (keepsStates(model) && typeof steps !== 'string' && steps.some(({ kind }) => kind === 'shadow')) {
    throw fault('rollout_refused', 'a model that keeps states of sequences gets no copies; leave the shadow step out');
  }
  const sticky = request.sticky ?? defaults.sticky;
  return {
    champion: current,
    challenger: request.version,
    plan,
    spec: { salt: request.salt ?? defaults.salt, judge: judge.data, ...(sticky && { sticky }) },
  };
}
