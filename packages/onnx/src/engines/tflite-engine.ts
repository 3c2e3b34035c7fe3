import { readTflite, type TfliteModel, type TfliteSubgraph, type TfliteTensor } from '../convert/tflite/read-tflite.ts';
import { inputNames, outputNames, tfliteSignature } from '../convert/tflite/signature.ts';
import { plainElements } from '../convert/verify/tensor.ts';
import type { Bar, EngineOutput } from '../convert/verify/verification.ts';
import { floatBar } from './float-bar.ts';
import type { RunKind } from './source-run.ts';
import { interpreterVersion, runTflite } from './tflite-interpreter.ts';

/** Where a call of the interpreter comes in and out, under the names of the converted graph. */
interface TflitePorts {
  readonly main: TfliteSubgraph;
  readonly inputs: readonly { readonly name: string; readonly tensor: TfliteTensor }[];
  readonly outputs: readonly { readonly name: string; readonly index: number }[];
}

function portsOf(model: TfliteModel, wanted: string | undefined): TflitePorts {
  const signature = tfliteSignature(model, wanted);
  const main = model.subgraphs[signature?.subgraph ?? 0]!;
  const names = inputNames(main.inputs, main.tensors, signature);
  return {
    main,
    inputs: main.inputs.map((index, i) => ({ name: names[i]!, tensor: main.tensors[index]! })),
    outputs: outputNames(main, signature).map((name, i) => ({ name, index: main.outputs[i]! })),
  };
}

/** The interpreter takes the shapes that are written into the file. */
export function tfliteShapes(bytes: Uint8Array, signature: string | undefined): ReadonlyMap<string, readonly number[]> {
  return new Map(portsOf(readTflite(bytes), signature).inputs.map(({ name, tensor }) => [name, tensor.shape]));
}

/** Runs a model in the official interpreter. @throws EngineMissing, or Error with the reason why it cannot */
export const runTfliteSource: RunKind = async ({ batches, choice: { signature } }, bytes) => {
  const describes = `the official TFLite interpreter (tfjs-tflite ${await interpreterVersion()})`;
  const model = readTflite(bytes);
  const { main, inputs, outputs } = portsOf(model, signature);
  if (model.subgraphs.indexOf(main) !== 0) throw new Error('the interpreter runs the first signature of the file only');
  const answered: EngineOutput[][] = [];
  for (const batch of batches) {
    const given = inputs.map(({ name }) => {
      const tensor = batch.find(candidate => candidate.name === name);
      if (tensor === undefined) throw new Error(`the converted graph has no input "${name}"`);
      return plainElements(tensor).map(Number);
    });
    const found = await runTflite(bytes, given);
    answered.push(
      outputs.map(({ name, index }, i) => {
        const values = found[i]?.data ?? [];
        return { name, values, bar: barOf(main, index, values) };
      }),
    );
  }
  return { describes, batches: answered };
};

const integers = new Set(['INT8', 'UINT8', 'INT16']);
const isQuantized = ({ type, quantization }: TfliteTensor): boolean =>
  integers.has(type) && quantization !== undefined && quantization.scales.length > 0;

/** One quantisation step on 99 of 100 elements; real numbers that no integers went into keep the bar of real numbers. */
function barOf(main: TfliteSubgraph, index: number, values: readonly number[]): Bar {
  const steps = (stepSize: number): Bar => ({ kind: 'steps', steps: 1, stepSize, share: 0.99 });
  const output = main.tensors[index]!;
  if (integers.has(output.type)) return steps(1);
  const scale = scaleBehind(main, index, new Set());
  if (scale === undefined) return floatBar;
  if (scale === 'of its own') return steps(Math.max(...values.map(Math.abs)) / 127);
  return steps(scale);
}

/**
 * The quantisation step that real numbers carry: the scale of the integers they were made from. Weights in integers make
 * the interpreter round the other factor to 8 bits by the largest value it meets, a step `of its own`.
 */
function scaleBehind(main: TfliteSubgraph, index: number, seen: Set<number>): number | 'of its own' | undefined {
  if (seen.has(index)) return undefined;
  seen.add(index);
  const tensor = main.tensors[index];
  if (tensor === undefined || tensor.bytes !== undefined) return undefined;
  if (isQuantized(tensor)) return Math.max(...(tensor.quantization?.scales ?? []));
  const producer = main.operators.find(operator => operator.outputs.includes(index));
  if (producer === undefined) return undefined;
  const isHybrid = producer.inputs.some(input => {
    const weight = main.tensors[input];
    return weight?.bytes !== undefined && isQuantized(weight) && producer.name !== 'DEQUANTIZE';
  });
  if (isHybrid) return 'of its own';
  const behind = producer.inputs.map(input => scaleBehind(main, input, seen)).filter(found => found !== undefined);
  if (behind.includes('of its own')) return 'of its own';
  const scales = behind.filter(found => typeof found === 'number');
  return scales.length === 0 ? undefined : Math.max(...scales);
}
