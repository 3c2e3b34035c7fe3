import { fault } from '@holdfast/api';
import { z } from 'zod';
import type { ControlDoor } from '../../control-door.ts';
import { badRequest, Refusal } from '../../refusal.ts';
import type { Traffic } from '../../traffic/traffic.ts';

const requestSchema = z.object({
  config: z
    .object({
      model_config_list: z
        .object({
          config: z.array(z.object({ name: z.string(), version_labels: z.record(z.string(), z.number()).default({}) })),
        })
        .nullish(),
    })
    .nullish(),
});

export interface ReloadOptions {
  readonly traffic: Traffic;
  readonly control: ControlDoor;
  readonly mayControl: boolean;
}

/**
 * Makes the models that serve those of the list: named ones are loaded and their labels moved, all others are unloaded.
 * Models are those that are registered; a path in the request is not read.
 * @throws Refusal, Fault
 */
export async function reloadModels(request: object, { traffic, control, mayControl }: ReloadOptions): Promise<object> {
  const list = requestSchema.parse(request).config?.model_config_list?.config;
  if (list === undefined) throw badRequest('ServerCore supports only a model_config_list in a reload request');
  if (!mayControl) throw fault('control_disabled');
  for (const { name, version_labels: labels } of list) {
    const known = traffic.models.get(name);
    if (known === undefined) throw new Refusal('model_not_found', `Could not find any versions of model ${name}`);
    for (const [label, version] of Object.entries(labels)) {
      if (known.versions.has(version)) continue;
      throw new Refusal('version_not_found', `Label ${label}: could not find version ${version} of model ${name}`);
    }
  }
  const named = new Set(list.map(({ name }) => name));
  for (const { name, version_labels: labels } of list) {
    await control.ask({ kind: 'load', model: name, batching: {}, files: [] });
    await control.ask({ kind: 'label', model: name, labels });
  }
  for (const name of traffic.models.keys()) {
    if (!named.has(name)) await control.ask({ kind: 'unload', model: name });
  }
  return { status: { error_code: 0, error_message: '' } };
}
