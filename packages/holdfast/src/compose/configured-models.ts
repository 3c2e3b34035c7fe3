import { createReadStream } from 'node:fs';
import { basename, extname } from 'node:path';
import { type BaselineFormat, type Ensemble, fault, type ModelName, parseModelName } from '@holdfast/api';
import type { Config, ModelConfig } from '../config/index.ts';
import type { BlobStore } from '../registry/index.ts';
import { type Publisher, remoteDescriptor, storeSource } from '../rollout/index.ts';

const formats: Readonly<Record<string, BaselineFormat>> = {
  '.csv': 'csv',
  '.parquet': 'parquet',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
};

function formatOf(path: string): BaselineFormat {
  const format = formats[extname(path).toLowerCase()];
  if (format === undefined)
    throw fault('baseline_rejected', `${basename(path)} is not a .csv, .parquet or .jsonl file`);
  return format;
}

/** Registers the model files that the configuration names, when they are new; a known file changes nothing. */
export class ConfiguredModels {
  readonly #blobs: BlobStore;
  readonly #publisher: Publisher;

  constructor(rooms: { readonly blobs: BlobStore; readonly publisher: Publisher }) {
    this.#blobs = rooms.blobs;
    this.#publisher = rooms.publisher;
  }

  /** @returns the models that could not be registered, with the reason. @throws the signal's reason, between two models */
  async register(
    config: Config,
    progress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<readonly { readonly model: string; readonly why: string }[]> {
    const problems: { model: string; why: string }[] = [];
    for (const [name, model] of Object.entries(config.models)) {
      if (model.file === undefined && model.source === undefined) continue;
      signal.throwIfAborted();
      try {
        await this.#registerOne(parseModelName(name), model, progress);
      } catch (error) {
        problems.push({ model: name, why: error instanceof Error ? error.message : String(error) });
      }
    }
    return problems;
  }

  /** After all models: an ensemble is checked against what its models take and give. */
  async registerEnsembles(
    ensembles: readonly (readonly [name: string, ensemble: Ensemble])[],
  ): Promise<readonly { readonly model: string; readonly why: string }[]> {
    const problems: { model: string; why: string }[] = [];
    for (const [name, ensemble] of ensembles) {
      try {
        const change = { actor: 'holdfast', reason: 'declared ensemble' };
        await this.#publisher.publishEnsemble(parseModelName(name), ensemble, change);
      } catch (error) {
        problems.push({ model: name, why: error instanceof Error ? error.message : String(error) });
      }
    }
    return problems;
  }

  async #registerOne(name: ModelName, model: ModelConfig, progress: (text: string) => void): Promise<void> {
    const { source } = model;
    const files = model.file === undefined ? [] : [model.file].flat();
    if (files.length > 0 && source !== undefined)
      throw fault('bad_configuration', `models.${name}`, 'has a file and a source; give one of them');
    const fileName = source ?? files.map(file => basename(file)).join(' + ');
    const baseline = model.baseline && {
      artifact: (await this.#blobs.put(createReadStream(model.baseline.file))).digest,
      format: formatOf(model.baseline.file),
      ...(model.baseline.truthColumn !== undefined && { truthColumn: model.baseline.truthColumn }),
      ...(model.baseline.timeColumn !== undefined && { timeColumn: model.baseline.timeColumn }),
    };
    const request = {
      ...(source === undefined
        ? await storeSource(this.#blobs, ...files)
        : { artifact: (await this.#blobs.put([Buffer.from(remoteDescriptor(source))])).digest }),
      fileName,
      ...(model.convert && { convert: model.convert }),
      ...(baseline && { baseline }),
      ...(model.task && { task: model.task }),
      ...(model.alias && { alias: model.alias }),
    };
    // Only what is new moves the alias: a champion that somebody rolled back stays rolled back over a restart.
    if ((await this.#publisher.findKnown(name, request)) !== undefined) return;
    progress(`holdfast: registering ${name} from ${fileName}\n`);
    await this.#publisher.publish(name, request, { actor: 'holdfast', reason: `started with ${fileName}` });
  }
}
