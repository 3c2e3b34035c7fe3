import { OnnxError } from '../../onnx-error.ts';
import { decodeText } from '../../wire/wire-reader.ts';
import { type Hdf5Group, openHdf5 } from '../hdf5/hdf5-file.ts';
import { ZipArchive } from '../zip/zip-archive.ts';
import { readArchitecture } from './architecture.ts';
import { isObject, parseJson } from './config.ts';
import { arrayWeight } from './read-h5.ts';
import type { SavedModel } from './saved-model.ts';
import type { LayerPlace, LayerWeights, Weight } from './weights.ts';

/** Largest description of a model that is unpacked, in bytes; the largest real ones have some megabytes. */
const maxConfigBytes = 64 << 20;
const maxMetadataBytes = 1 << 20;
/** Largest weights file that is unpacked, in bytes; ONNX itself ends here. */
const maxWeightsBytes = 2 ** 31 - 1;

/** Reads a `.keras` archive. @throws OnnxError */
export function readKerasArchive(bytes: Uint8Array): SavedModel {
  const archive = new ZipArchive(bytes);
  const config = decodeText(archive.read('config.json', maxConfigBytes));
  const metadata = archive.has('metadata.json')
    ? parseJson(decodeText(archive.read('metadata.json', maxMetadataBytes)), 'metadata.json of the archive')
    : null;
  const architecture = readArchitecture(parseJson(config, 'config.json of the archive'));
  const [weightsFile] = archive.names.filter(name => name.endsWith('.weights.h5'));
  if (weightsFile === undefined)
    throw new OnnxError('missing_file', 'The archive has no model.weights.h5; save the model again.');
  const root = openHdf5(archive.read(weightsFile, maxWeightsBytes));
  const version = isObject(metadata) && typeof metadata.keras_version === 'string' ? metadata.keras_version : undefined;
  return { architecture, weights: new GroupWeights(root), version };
}

/** Weights kept in groups: numbered in `vars`, with one group per layer or part inside. */
class GroupWeights implements LayerWeights {
  readonly #group: Hdf5Group | undefined;
  readonly #vars: Hdf5Group | undefined;
  #next = 0;

  constructor(group: Hdf5Group | undefined) {
    this.#group = group;
    this.#vars = group?.get('vars');
  }

  next(): Weight | undefined {
    const index = this.#next++;
    const member = this.#vars?.get(String(index));
    return member === undefined ? undefined : arrayWeight(`${this.#group?.path ?? ''}/vars/${index}`, member);
  }

  child(...attributes: readonly string[]): LayerWeights {
    const found = attributes.map(attribute => this.#group?.get(attribute)).find(group => group !== undefined);
    return new GroupWeights(found);
  }

  left(): number {
    return Math.max(0, (this.#vars?.names.length ?? 0) - this.#next);
  }

  /** Groups are named by class and a running number; newer files also note the layer's name. */
  model(layers: readonly LayerPlace[]): (index: number) => LayerWeights {
    const parent =
      this.#group?.get('layers') ?? this.#group?.get('_layer_checkpoint_dependencies') ?? this.#group?.get('cells');
    const used = new Map<string, number>();
    const names = layers.map(({ className }) => {
      const stem = snakeCase(className);
      const count = used.get(stem) ?? 0;
      used.set(stem, count + 1);
      return count === 0 ? stem : `${stem}_${count}`;
    });
    return index => {
      const group = parent?.get(names[index] ?? '');
      const noted = group?.get('vars')?.text('name');
      const wanted = layers[index]?.name;
      if (noted !== undefined && wanted !== undefined && noted !== wanted && noted !== '')
        throw new OnnxError(
          'source_malformed',
          `The archive holds the weights of "${noted}" where those of the layer "${wanted}" should be; save the model again.`,
          { node: wanted },
        );
      return new GroupWeights(group);
    };
  }
}

/** `BatchNormalization` as `batch_normalization`, in the way Keras names its groups. */
function snakeCase(className: string): string {
  const plain = (className.split(/[>.]/).at(-1) ?? '').replaceAll(/\W+/g, '');
  return plain
    .replaceAll(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}
