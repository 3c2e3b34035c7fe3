import { OnnxError } from '../../onnx-error.ts';
import { type Hdf5Group, openHdf5 } from '../hdf5/hdf5-file.ts';
import { readArchitecture } from './architecture.ts';
import { parseJson } from './config.ts';
import type { SavedModel } from './saved-model.ts';
import { type LayerPlace, type LayerWeights, ListedWeights, type Weight, weightOf } from './weights.ts';

/** Reads a whole model of Keras 2 or 3 from HDF5. @throws OnnxError */
export function readKerasH5(bytes: Uint8Array): SavedModel {
  const root = openHdf5(bytes);
  const config = root.text('model_config');
  if (config === undefined)
    throw new OnnxError(
      'weights_only',
      'The HDF5 file has no model_config, so it holds weights without the architecture; save the whole model with model.save("model.keras").',
    );
  const weights = root.get('model_weights') ?? root;
  return {
    architecture: readArchitecture(parseJson(config, 'model_config of the HDF5 file')),
    weights: new H5Weights(weights),
    version: weights.text('keras_version') ?? root.text('keras_version'),
  };
}

/** The weights of the layers of the outermost model, each in a group of its name. */
class H5Weights implements LayerWeights {
  readonly #root: Hdf5Group;

  constructor(root: Hdf5Group) {
    this.#root = root;
  }

  next(): Weight | undefined {
    return undefined;
  }

  child(): LayerWeights {
    return this;
  }

  left(): number {
    return 0;
  }

  model(layers: readonly LayerPlace[]): (index: number) => LayerWeights {
    return index => {
      const name = layers[index]?.name ?? '';
      const group = this.#root.get(name);
      return new ListedWeights(group === undefined ? [] : listed(group), name);
    };
  }
}

function listed(group: Hdf5Group): Weight[] {
  return (group.texts('weight_names') ?? []).map(name => {
    const member = group.get(name);
    if (member === undefined)
      throw new OnnxError('source_malformed', `The HDF5 file lists the weight "${name}" but does not hold it.`, {
        node: name,
      });
    return arrayWeight(name, member);
  });
}

/** An array of an HDF5 file as a weight. */
export function arrayWeight(name: string, member: Hdf5Group): Weight {
  const { shape, type, raw } = member.array();
  const kind = type.kind === 'float' ? 'float' : type.kind === 'int' ? (type.isSigned ? 'int' : 'uint') : type.kind;
  return weightOf(name, shape, `${kind}${type.bytes * 8}`, () => raw);
}
