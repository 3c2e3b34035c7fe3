import { champion, fault, isFault, type ModelName, parseAlias, parseModelName } from '@holdfast/api';
import type { BlobStore } from '../registry/index.ts';
import type { ModelRepository } from '../repository/index.ts';
import type { Fleet, Publisher } from '../rollout/index.ts';
import type { ControlDoor, Question, VersionStatistics } from '../serving/index.ts';
import type { Gateways } from './gateways.ts';

export interface ControlSideOptions {
  readonly fleet: Fleet;
  readonly publisher: Publisher;
  readonly blobs: BlobStore;
  readonly gateways: () => Promise<Gateways>;
  readonly repository?: ModelRepository | undefined;
}

const change = { actor: 'client', reason: 'model repository request' };

/** The answers to what clients ask of gateways and gateways can not do alone. */
export class ControlSide implements ControlDoor {
  readonly #options: ControlSideOptions;

  constructor(options: ControlSideOptions) {
    this.#options = options;
  }

  async ask(question: Question): Promise<readonly VersionStatistics[]> {
    const { fleet, gateways } = this.#options;
    switch (question.kind) {
      case 'statistics':
        return (await gateways()).statistics();
      case 'load':
        await this.#load(question);
        return [];
      case 'unload':
        await fleet.unload(parseModelName(question.model));
        return [];
      case 'label':
        await this.#label(parseModelName(question.model), question.labels);
        return [];
      case 'log':
        (await gateways()).setLogLevel(question.level);
        return [];
      default:
        return question satisfies never;
    }
  }

  async #load({ model, batching, files }: Extract<Question, { kind: 'load' }>): Promise<void> {
    const { fleet, publisher, blobs, repository } = this.#options;
    const name = parseModelName(model);
    try {
      // The newest last: it becomes the champion.
      for (const { version, bytes } of files) {
        const { digest: artifact } = await blobs.put([bytes]);
        const isNewest = version === files.at(-1)?.version;
        const fileName = `${version}/model.onnx`;
        await publisher.publish(name, { artifact, version, fileName, alias: isNewest ? champion : null }, change);
      }
      if (files.length === 0) await repository?.load(name);
      await fleet.load(name, batching);
    } catch (error) {
      if (isFault(error) && error.code !== 'internal') throw fault('load_failed', model, error.message);
      throw error;
    }
  }

  async #label(model: ModelName, labels: Readonly<Record<string, number>>): Promise<void> {
    for (const [label, version] of Object.entries(labels)) {
      await this.#options.fleet.moveAlias(model, parseAlias(label), version, change);
    }
  }
}
