import type { io } from '@tensorflow/tfjs';
import { optionalField } from '../convert/boosting/json-fields.ts';
import type { SourceFile } from '../convert/convert.ts';
import { tfjsShards } from '../convert/tfjs/weights.ts';
import { decodeText } from '../wire/wire-reader.ts';

/** A model.json and its weight files in the form in which TensorFlow.js loads them, weights as they are stored. */
export function tfjsArtifacts(bytes: Uint8Array, files: readonly SourceFile[]): io.ModelArtifacts {
  const document: Partial<io.ModelJSON> = JSON.parse(decodeText(bytes));
  const manifest = document.weightsManifest ?? [];
  const shards = manifest.map(group => tfjsShards(group.paths, files));
  return {
    // Graphs of other writers lack the versions, without which TensorFlow.js does not load them.
    modelTopology: { versions: {}, ...document.modelTopology },
    weightSpecs: manifest.flatMap(group => group.weights),
    weightData: new Uint8Array(Buffer.concat(shards)).buffer,
    ...(document.format !== undefined && { format: document.format }),
    ...(document.signature !== undefined && { signature: document.signature }),
    ...(document.userDefinedMetadata !== undefined && { userDefinedMetadata: document.userDefinedMetadata }),
    ...(optionalField(document, 'modelInitializer') !== undefined && { modelInitializer: document.modelInitializer }),
  };
}
