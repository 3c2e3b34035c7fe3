import { readKerasH5 } from '../convert/keras/read-h5.ts';
import { readKerasArchive } from '../convert/keras/read-keras-archive.ts';
import { readTfjsLayers } from '../convert/keras/read-tfjs.ts';
import type { SavedModel } from '../convert/keras/saved-model.ts';
import { readGraphDef } from '../convert/tensorflow/read-graph-def.ts';
import { readTfjsGraph } from '../convert/tensorflow/read-tfjs-graph.ts';
import { signatureOf } from '../convert/tensorflow/signature.ts';
import type { TfPort, TfSignature } from '../convert/tensorflow/tf-graph.ts';
import { WireReader } from '../wire/wire-reader.ts';
import { graphArtifacts } from './graph-artifacts.ts';
import { kerasArtifacts } from './keras-artifacts.ts';
import type { RunKind, SourceRun } from './source-run.ts';
import { type GraphPort, runGraphModel, runLayersModel } from './tensorflow-js.ts';
import { tfjsArtifacts } from './tfjs-artifacts.ts';

const portOf = ({ key, tensor }: TfPort): GraphPort => ({ name: key, tensor });
const portsOf = ({ inputs, outputs }: TfSignature): { inputs: GraphPort[]; outputs: GraphPort[] } => ({
  inputs: inputs.map(portOf),
  outputs: outputs.map(portOf),
});
const plainChoice = ({ inputs, outputs }: SourceRun['choice']) => ({ inputs, outputs });

/** A layers model of TensorFlow.js. */
export const runTfjsLayers: RunKind = async ({ batches }, main, beside) => {
  const names = readTfjsLayers(main, beside).architecture.outputs.map(output => output.name);
  return runLayersModel(tfjsArtifacts(main, beside), batches, names);
};

function runKeras(saved: SavedModel, batches: SourceRun['batches']): ReturnType<RunKind> {
  const { artifacts, fill } = kerasArtifacts(saved);
  const names = saved.architecture.outputs.map(output => output.name);
  return runLayersModel(artifacts, batches, names, fill);
}

/** A `.keras` archive, rebuilt in TensorFlow.js. */
export const runKerasArchive: RunKind = async ({ batches }, main) => runKeras(readKerasArchive(main), batches);

/** A whole model of Keras in HDF5, rebuilt in TensorFlow.js. */
export const runKerasH5: RunKind = async ({ batches }, main) => runKeras(readKerasH5(main), batches);

/** A graph model of TensorFlow.js. */
export const runTfjsGraph: RunKind = async ({ batches, choice }, main, beside) => {
  const { graph, signature } = readTfjsGraph(main, beside);
  return runGraphModel(
    tfjsArtifacts(main, beside),
    batches,
    portsOf(signatureOf(graph, signature, plainChoice(choice))),
  );
};

/** A frozen graph of TensorFlow, given to TensorFlow.js as the graph model it would be converted to. */
export const runFrozenGraph: RunKind = async ({ batches, choice }, main) => {
  const graph = readGraphDef(new WireReader(main));
  return runGraphModel(graphArtifacts(graph), batches, portsOf(signatureOf(graph, undefined, plainChoice(choice))));
};
