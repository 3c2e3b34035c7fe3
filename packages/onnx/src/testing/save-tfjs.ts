import * as tf from '@tensorflow/tfjs';
import type { SourceFile } from '../convert/convert.ts';

/** What `model.save` writes: model.json and one weight file. */
export async function saveTfjs(model: tf.LayersModel): Promise<SourceFile[]> {
  let files: SourceFile[] = [];
  await model.save(
    tf.io.withSaveHandler(async artifacts => {
      const { modelTopology, weightSpecs, weightData } = artifacts;
      const document = {
        format: 'layers-model',
        generatedBy: artifacts.generatedBy,
        modelTopology,
        weightsManifest: [{ paths: ['weights.bin'], weights: weightSpecs }],
      };
      const buffers = Array.isArray(weightData) ? weightData : weightData === undefined ? [] : [weightData];
      files = [
        { name: 'model.json', bytes: new TextEncoder().encode(JSON.stringify(document)) },
        { name: 'weights.bin', bytes: new Uint8Array(Buffer.concat(buffers.map(buffer => new Uint8Array(buffer)))) },
      ];
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  return files;
}
