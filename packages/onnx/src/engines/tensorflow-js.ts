import type { GraphModel, io, LayersModel, NamedTensorMap, Tensor } from '@tensorflow/tfjs';
import { type NamedTensor, plainElements } from '../convert/verify/tensor.ts';
import type { EngineOutput } from '../convert/verify/verification.ts';
import { floatBar } from './float-bar.ts';
import { loadTensorflowJs, type Tensorflow } from './load-tensorflow-js.ts';

/** What TensorFlow.js makes of a source: batches of outputs under the names of the converted graph. */
export interface TensorflowAnswer {
  readonly describes: string;
  readonly batches: readonly (readonly EngineOutput[])[];
}

/** A tensor of the source's graph and the name it has in the converted one. */
export interface GraphPort {
  /** Name in the converted graph. */
  readonly name: string;
  /** Reference in the source, such as `dense/BiasAdd:0`. */
  readonly tensor: string;
}

const describe = (tf: Tensorflow): string => `TensorFlow.js ${tf.version.tfjs}`;

function tensorOf(tf: Tensorflow, given: NamedTensor): Tensor {
  const values = plainElements(given);
  const shape = [...given.shape];
  switch (given.datatype) {
    case 'BYTES':
      return tf.tensor(values.map(String), shape, 'string');
    case 'BOOL':
      return tf.tensor(Uint8Array.from(values, Number), shape, 'bool');
    case 'FP16':
    case 'FP32':
    case 'FP64':
      return tf.tensor(Float32Array.from(values, Number), shape, 'float32');
    default:
      return tf.tensor(Int32Array.from(values, Number), shape, 'int32');
  }
}

function outputOf(name: string, tensor: Tensor): EngineOutput {
  const values = Array.from<number | string, number | string>(tensor.dataSync(), value => value);
  return { name, values, bar: floatBar };
}

/**
 * Runs a layers model; inputs and outputs pair with those of the converted graph by their order.
 * @param fill gives the model its weights where the artifacts hold none
 */
export async function runLayersModel(
  artifacts: io.ModelArtifacts,
  batches: readonly (readonly NamedTensor[])[],
  outputNames: readonly string[],
  fill: (tf: Tensorflow, model: LayersModel) => void = () => {},
): Promise<TensorflowAnswer> {
  const tf = await loadTensorflowJs();
  const model = await tf.loadLayersModel(tf.io.fromMemory(artifacts));
  fill(tf, model);
  if (model.outputs.length !== outputNames.length)
    throw new Error(`it has ${model.outputs.length} outputs, the converted graph ${outputNames.length}`);
  const run = (batch: readonly NamedTensor[]): EngineOutput[] => {
    if (batch.length !== model.inputs.length)
      throw new Error(`it has ${model.inputs.length} inputs, the converted graph ${batch.length}`);
    const given = batch.map(tensor => tensorOf(tf, tensor));
    const answered = model.predict(given.length === 1 ? given[0]! : given, { batchSize: batch[0]?.shape[0] ?? 1 });
    return [answered].flat().map((tensor, i) => outputOf(outputNames[i]!, tensor));
  };
  return { describes: describe(tf), batches: batches.map(run) };
}

/** Graphs with branches, loops or shapes that depend on values only run step by step. */
async function execute(model: GraphModel, given: NamedTensorMap, wanted: string[]): Promise<Tensor[]> {
  let found: Tensor | Tensor[];
  try {
    found = model.execute(given, wanted);
  } catch {
    found = await model.executeAsync(given, wanted);
  }
  return [found].flat();
}

/** Runs a graph model from its inputs to its outputs. */
export async function runGraphModel(
  artifacts: io.ModelArtifacts,
  batches: readonly (readonly NamedTensor[])[],
  ports: { readonly inputs: readonly GraphPort[]; readonly outputs: readonly GraphPort[] },
): Promise<TensorflowAnswer> {
  const tf = await loadTensorflowJs();
  const model = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
  const answered: EngineOutput[][] = [];
  for (const batch of batches) {
    const given: NamedTensorMap = {};
    for (const { name, tensor } of ports.inputs) {
      const found = batch.find(candidate => candidate.name === name);
      if (found === undefined) throw new Error(`the converted graph has no input "${name}"`);
      given[tensor] = tensorOf(tf, found);
    }
    const results = await execute(
      model,
      given,
      ports.outputs.map(({ tensor }) => tensor),
    );
    answered.push(results.map((tensor, i) => outputOf(ports.outputs[i]!.name, tensor)));
  }
  return { describes: describe(tf), batches: answered };
}
