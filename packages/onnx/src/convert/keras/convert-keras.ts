import type { SourceFile } from '../convert.ts';
import type { ConverterSettings } from '../report.ts';
import { simplifyModel } from '../simplify/simplify-graph.ts';
import type { ConvertedGraph } from '../sklearn/convert-sklearn.ts';
import { lowerModel } from './lower-model.ts';
import type { Flavour } from './lowering.ts';
import { readKerasH5 } from './read-h5.ts';
import { readKerasArchive } from './read-keras-archive.ts';
import { readTfjsLayers } from './read-tfjs.ts';
import type { SavedModel } from './saved-model.ts';

/** Converts a model that Keras 2 or 3 saved as HDF5. @throws OnnxError */
export function convertKerasH5(bytes: Uint8Array, settings: ConverterSettings): ConvertedGraph {
  const saved = readKerasH5(bytes);
  return convertSaved(saved, 'Keras', flavourOf(saved.version), settings);
}

/** Converts a `.keras` archive. @throws OnnxError */
export function convertKerasArchive(bytes: Uint8Array, settings: ConverterSettings): ConvertedGraph {
  const saved = readKerasArchive(bytes);
  return convertSaved(saved, 'Keras', flavourOf(saved.version ?? '3'), settings);
}

/** Converts a TF.js layers model; the weight files are among `files`. @throws OnnxError */
export function convertTfjsLayers(
  bytes: Uint8Array,
  files: readonly SourceFile[],
  settings: ConverterSettings,
): ConvertedGraph {
  return convertSaved(readTfjsLayers(bytes, files), 'TensorFlow.js layers', 'tfjs', settings);
}

function flavourOf(version: string | undefined): Flavour {
  return Number.parseInt(version ?? '', 10) >= 3 ? 'keras3' : 'keras2';
}

function convertSaved(
  saved: SavedModel,
  framework: string,
  flavour: Flavour,
  settings: ConverterSettings,
): ConvertedGraph {
  const { architecture, weights, version } = saved;
  const { graph, notes } = lowerModel(architecture, weights, flavour);
  return {
    model: simplifyModel(graph.finish([], settings.producerVersion)),
    framework,
    frameworkVersion: version,
    modelClass: architecture.className,
    featureNames: undefined,
    classes: undefined,
    notes,
  };
}
