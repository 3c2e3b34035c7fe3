import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { EngineMissing } from './engine-missing.ts';

/** A tensor of the official interpreter: its memory is looked at, not copied. */
interface InterpreterTensor {
  readonly dataType: string;
  readonly shape: string;
  data(): ArrayLike<number>;
}

interface Runner {
  GetInputs(): { size(): number; get(i: number): InterpreterTensor };
  GetOutputs(): { size(): number; get(i: number): InterpreterTensor };
  Infer(): boolean;
  delete(): void;
}

interface InterpreterModule {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(at: number): void;
  readonly TFLiteWebModelRunner: {
    CreateFromBufferAndOptions(
      at: number,
      bytes: number,
      options: { numThreads: number; enableProfiling: boolean; maxProfilingBufferEntries: number },
    ): { ok(): boolean; value(): Runner; errorMessage(): string };
  };
}

interface LoadedInterpreter {
  readonly module: InterpreterModule;
  readonly version: string;
}

let loaded: Promise<LoadedInterpreter> | undefined;

async function load(): Promise<LoadedInterpreter> {
  const require = createRequire(import.meta.url);
  let script: string;
  try {
    script = require.resolve('@tensorflow/tfjs-tflite/wasm/tflite_web_api_cc_simd.js');
  } catch (cause) {
    throw new EngineMissing('@tensorflow/tfjs-tflite', { cause });
  }
  // Only the interpreter itself is loaded, not the package's code for browsers around it.
  const factory: (options: object) => Promise<InterpreterModule> = require(script);
  const { version }: { version: string } = require('@tensorflow/tfjs-tflite/package.json');
  const module = await factory({
    wasmBinary: readFileSync(script.replace(/js$/, 'wasm')),
    print: () => {},
    printErr: () => {},
  });
  return { module, version };
}

/** The version of the package that holds the interpreter. @throws EngineMissing when it is not installed */
export async function interpreterVersion(): Promise<string> {
  loaded ??= load();
  return (await loaded).version;
}

/**
 * Runs a model in the official TFLite interpreter (C++ as WebAssembly): elements per output, in the model's order.
 * @param inputs elements per input, in the model's order
 * @throws EngineMissing when the interpreter is not installed; Error when it refuses the model
 */
export async function runTflite(
  model: Uint8Array,
  inputs: readonly ArrayLike<number>[],
): Promise<{ readonly dataType: string; readonly shape: number[]; readonly data: number[] }[]> {
  loaded ??= load();
  const { module } = await loaded;
  const at = module._malloc(model.length);
  module.HEAPU8.set(model, at);
  const status = module.TFLiteWebModelRunner.CreateFromBufferAndOptions(at, model.length, {
    numThreads: 1,
    enableProfiling: false,
    maxProfilingBufferEntries: 0,
  });
  if (!status.ok()) throw new Error(`the official interpreter refuses the model: ${status.errorMessage()}`);
  const runner = status.value();
  const given = runner.GetInputs();
  inputs.forEach((values, i) => {
    const memory = given.get(i).data();
    if (memory.length !== values.length) throw new Error(`input ${i} has ${memory.length} elements`);
    if (ArrayBuffer.isView(memory) && 'set' in memory && typeof memory.set === 'function') memory.set(values);
  });
  if (!runner.Infer()) throw new Error('the official interpreter fails to run the model');
  const answered = runner.GetOutputs();
  const results = Array.from({ length: answered.size() }, (_, i) => {
    const tensor = answered.get(i);
    return {
      dataType: tensor.dataType,
      shape: tensor.shape === '' ? [] : tensor.shape.split(',').map(Number),
      data: Array.from(tensor.data()),
    };
  });
  runner.delete();
  module._free(at);
  return results;
}
