import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

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

let loaded: Promise<InterpreterModule> | undefined;

function load(): Promise<InterpreterModule> {
  loaded ??= (async () => {
    const require = createRequire(import.meta.url);
    const script = require.resolve('@tensorflow/tfjs-tflite/wasm/tflite_web_api_cc_simd.js');
    const factory: (options: object) => Promise<InterpreterModule> = require(script);
    return factory({
      wasmBinary: readFileSync(script.replace(/js$/, 'wasm')),
      print: () => {},
      printErr: () => {},
    });
  })();
  return loaded;
}

/** Runs a model in the official TFLite interpreter (C++ as WebAssembly): elements per output, in the model's order. */
export async function runTflite(
  model: Uint8Array,
  inputs: readonly ArrayLike<number>[],
): Promise<{ readonly dataType: string; readonly shape: number[]; readonly data: number[] }[]> {
  const module = await load();
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
