import { activationLayers } from './activations.ts';
import { isFromKeras, type LayerSpec } from './architecture.ts';
import { attentionLayers } from './attention.ts';
import { convolutionLayers } from './convolution.ts';
import { coreLayers } from './core.ts';
import type { LayerType } from './lowering.ts';
import { mergingLayers } from './merging.ts';
import { normalizationLayers } from './normalization.ts';
import { operationName, operationType } from './operations.ts';
import { poolingLayers } from './pooling.ts';
import { preprocessingLayers } from './preprocessing.ts';
import { recurrentLayers } from './recurrent.ts';
import { reshapingLayers } from './reshaping.ts';
import { wrapperLayers } from './wrappers.ts';

/** The layer table: every class that converts, shared by all files Keras and TF.js save. */
export const kerasLayers: ReadonlyMap<string, LayerType> = new Map(
  Object.entries({
    ...coreLayers,
    ...activationLayers,
    ...convolutionLayers,
    ...poolingLayers,
    ...normalizationLayers,
    ...recurrentLayers,
    ...wrapperLayers,
    ...attentionLayers,
    ...mergingLayers,
    ...reshapingLayers,
    ...preprocessingLayers,
  }),
);

/** Other names of the same classes. */
const aliases: Readonly<Record<string, string>> = {
  BatchNormalizationV1: 'BatchNormalization',
  BatchNormalizationV2: 'BatchNormalization',
  SyncBatchNormalization: 'BatchNormalization',
  Convolution1D: 'Conv1D',
  Convolution2D: 'Conv2D',
  Convolution3D: 'Conv3D',
  Conv2D_transpose: 'Conv2DTranspose',
};

/** The row for a layer, or undefined when its class is not known. */
export function layerType(spec: LayerSpec): LayerType | undefined {
  const operation = operationName(spec);
  if (operation !== undefined) return operationType(operation);
  if (!isFromKeras(spec.module)) return undefined;
  const plain = spec.className.split(/[>.]/).at(-1) ?? spec.className;
  if (plain !== spec.className && !/^Keras>|^keras\./.test(spec.className)) return undefined;
  return kerasLayers.get(Object.hasOwn(aliases, plain) ? aliases[plain]! : plain);
}
