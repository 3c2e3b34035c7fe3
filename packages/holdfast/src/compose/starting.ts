import { champion, parseModelName } from '@holdfast/api';
import { alertingMigrations } from '../alerting/index.ts';
import type { RunningHoldfast } from '../cli/index.ts';
import type { Config } from '../config/index.ts';
import { convertModel } from '../conversion/index.ts';
import { type BlobStore, type Registry, registryMigrations } from '../registry/index.ts';
import { type Deployments, Publisher, rolloutMigrations } from '../rollout/index.ts';
import { validateModel } from '../runtime/index.ts';
import { RemoteServers, remoteModels } from '../serving/index.ts';
import type { Migration } from '../storage/index.ts';
import type { Log } from '../telemetry/index.ts';
import { prepareModelBaseline } from './baseline.ts';
import { exampleCurl } from './example-request.ts';
import type { ServingPart } from './serving-part.ts';

/** Every table of the metadata database. */
export const metaMigrations: readonly Migration[] = [
  ...registryMigrations,
  ...alertingMigrations,
  ...rolloutMigrations,
];

/** The address of a listener as a person on this machine would write it. */
export function urlOf(host: string, port: number): string {
  const shown = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `http://${shown}:${port}`;
}

/** A request that can be pasted into a shell, for each model that serves. */
export async function examplesOf(registry: Registry, inferenceUrl: string): Promise<RunningHoldfast['examples']> {
  const names = await registry.modelNames();
  const examples = await Promise.all(
    names.map(async model => {
      const live = (await registry.aliases(model)).find(target => target.alias === champion);
      if (live === undefined) return undefined;
      const { signature } = await registry.version(model, live.version);
      return { model, curl: exampleCurl(inferenceUrl, model, signature) };
    }),
  );
  return examples.filter(example => example !== undefined);
}

/** What turns uploaded files into versions, wired to the processes that look at them. */
export function makePublisher(rooms: {
  readonly config: Config;
  readonly registry: Registry;
  readonly blobs: BlobStore;
  readonly serving: ServingPart;
  readonly log: Log;
}): Publisher {
  const { config, registry, blobs, serving, log } = rooms;
  const runners = { pool: serving.pool, remotes: new RemoteServers({ config: config.remote, log }) };
  return new Publisher({
    registry,
    blobs,
    fleet: serving.fleet,
    convert: (sources, convert) =>
      convertModel(sources, {
        convert,
        timeoutMs: config.limits.conversionTimeout,
        memoryBytes: config.limits.conversionMemoryBytes,
      }),
    remotes: remoteModels(config.remote),
    validate: path => validateModel(path),
    prepareBaseline: request => prepareModelBaseline(request, runners),
  });
}

/** Puts in force what the configuration file declares of deployments, where that changed. */
export async function declareDeployments(config: Config, deployments: Deployments): Promise<void> {
  for (const [name, model] of Object.entries(config.models)) {
    await deployments.declare(parseModelName(name), model.deployment);
  }
}
