import { OnnxError } from '../../onnx-error.ts';
import type { TfliteModel, TfliteSignature, TfliteSubgraph, TfliteTensor } from './read-tflite.ts';

/** The signature asked for, or that of the first subgraph. @throws OnnxError `bad_option` */
export function tfliteSignature(model: TfliteModel, wanted: string | undefined): TfliteSignature | undefined {
  const { signatures } = model;
  if (wanted === undefined) return signatures.find(({ subgraph }) => subgraph === 0);
  const found = signatures.find(({ key }) => key === wanted);
  if (found !== undefined) return found;
  const known = signatures.length === 0 ? 'none' : signatures.map(({ key }) => key).join(', ');
  throw new OnnxError('bad_option', `The model has no signature "${wanted}"; it has ${known}.`);
}

/** Names of the inputs, each once. */
export function inputNames(
  inputs: readonly number[],
  tensors: readonly TfliteTensor[],
  signature: TfliteSignature | undefined,
): string[] {
  const taken = new Set<string>();
  return inputs.map((index, i) => {
    const given = signature?.inputs.get(index) ?? tensors[index]!.name;
    let name = given === '' ? `input_${i}` : given;
    for (let k = 2; taken.has(name); k++) name = `${given}_${k}`;
    taken.add(name);
    return name;
  });
}

/** Names of the outputs. */
export function outputNames(main: TfliteSubgraph, signature: TfliteSignature | undefined): string[] {
  return main.outputs.map((index, i) => {
    const { name } = main.tensors[index]!;
    return signature?.outputs.get(index) ?? (name === '' ? `output_${i}` : name);
  });
}
