import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Tensor, TensorData } from '@holdfast/api';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { elementKindOf, elementKindOfOrtType } from './element-kinds.ts';
import type { RunAnswer } from './runner.ts';

export interface SessionOptions {
  /** Threads inside one operator. */
  readonly threads: number;
  /** In the order of preference. @default the processor */
  readonly executionProviders?: readonly string[];
}

/** Name and dtype of a tensor as the runtime sees it; its shapes are not used, because it hides undeclared ranks. */
export interface RuntimeTensor {
  readonly name: string;
  /** ONNX Runtime's name, or `not a tensor`. */
  readonly type: string;
}

type Ort = typeof import('onnxruntime-node');

let loaded: Ort | undefined;

/**
 * ONNX Runtime, loaded on first use and only ever in a child process.
 * Its JavaScript side hands float16 over as `Float16Array` where the engine has one, which its native side reads as
 * empty; without the global it uses `Uint16Array`, the raw bits that we want. So this process goes without.
 */
function ort(): Ort {
  if (loaded === undefined) {
    Reflect.deleteProperty(globalThis, 'Float16Array');
    const required: Ort = createRequire(import.meta.url)('onnxruntime-node');
    loaded = required;
  }
  return loaded;
}

/** One loaded model. Runs block the thread they are called on. */
export class OrtSession {
  readonly #session: InferenceSession;
  readonly #runtime: Ort;

  private constructor(session: InferenceSession, runtime: Ort) {
    this.#session = session;
    this.#runtime = runtime;
  }

  /**
   * Loads from bytes, so that external data could only come from the working directory, which is empty.
   * Arena and memory pattern on: measured 1.1-1.4 times cheaper per run than without. Spinning off: idle threads must
   * not take the cores of the gateway.
   */
  static async load(modelPath: string, options: SessionOptions): Promise<OrtSession> {
    const runtime = ort();
    const { executionProviders = ['cpu'] } = options;
    const available = runtime.listSupportedBackends().map(({ name }) => name);
    for (const provider of executionProviders) {
      if (available.includes(provider)) continue;
      throw new Error(
        `this build of ONNX Runtime has no execution provider "${provider}"; it has ${available.join(', ')} (runner.executionProviders)`,
      );
    }
    const creating = runtime.InferenceSession.create(await readFile(modelPath), {
      executionProviders,
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      enableCpuMemArena: true,
      enableMemPattern: true,
      // Errors arrive as exceptions; on stderr they would repeat what a caller sent.
      logSeverityLevel: 4,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
    const session = await creating.catch((error: unknown) => {
      if (executionProviders.every(provider => provider === 'cpu')) throw error;
      // A provider that is known may lack its libraries or its device.
      throw new Error(
        `with the execution providers ${executionProviders.join(', ')} (runner.executionProviders): ${reasonOf(error)}`,
        { cause: error },
      );
    });
    return new OrtSession(session, runtime);
  }

  /**
   * Writes the graph as ONNX Runtime optimises it, at the level that does not depend on this machine's processor:
   * constants folded, normalisations and activations fused.
   */
  static async writeOptimized(modelPath: string, outputPath: string): Promise<void> {
    const session = await ort().InferenceSession.create(await readFile(modelPath), {
      graphOptimizationLevel: 'extended',
      optimizedModelFilePath: outputPath,
      logSeverityLevel: 4,
    });
    await session.release();
  }

  get inputs(): readonly RuntimeTensor[] {
    return this.#session.inputMetadata.map(runtimeTensor);
  }

  get outputs(): readonly RuntimeTensor[] {
    return this.#session.outputMetadata.map(runtimeTensor);
  }

  /** @throws Error of the runtime, in words fit for the caller of the model */
  async run(inputs: readonly Tensor[]): Promise<RunAnswer> {
    const feeds: Record<string, OrtTensor> = {};
    for (const tensor of inputs) feeds[tensor.name] = this.#ortTensor(tensor);
    const start = performance.now();
    const results = await this.#session.run(feeds);
    const inferUs = (performance.now() - start) * 1000;
    const outputs: Tensor[] = [];
    for (const name of this.#session.outputNames) outputs.push(plainTensor(name, results[name]!));
    return { outputs, inferUs };
  }

  #ortTensor({ datatype, data, shape }: Tensor): OrtTensor {
    const { ortType } = elementKindOf(datatype);
    if (ortType === 'string' || isTexts(data))
      return new this.#runtime.Tensor('string', isTexts(data) ? data : [], shape);
    return new this.#runtime.Tensor(ortType, data, shape);
  }
}

function runtimeTensor(metadata: InferenceSession.ValueMetadata): RuntimeTensor {
  return { name: metadata.name, type: metadata.isTensor ? metadata.type : 'not a tensor' };
}

function plainTensor(name: string, result: OrtTensor): Tensor {
  const kind = elementKindOfOrtType(result.type);
  if (kind === undefined) throw new Error(`the output "${name}" has the dtype ${result.type}, which is not served`);
  return { name, datatype: kind.datatype, shape: result.dims, data: result.data };
}

function isTexts(data: TensorData): data is readonly string[] {
  return Array.isArray(data);
}

/**
 * The reason in a runtime error, without the paths of the machine it was built on and the wrapping that names internal
 * status codes.
 */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .replaceAll(/(?:\/[\w.+-]+){2,}(?::\d+)?\s*/g, '')
    .replaceAll(/\w[\w\s:<>,*&]*onnxruntime::[^[]*\[with [^\]]*\]\s*/g, '')
    .replace(
      /^Non-zero status code returned while running (\w+) node\. Name:'([^']*)' Status Message: /,
      '$1 node "$2": ',
    )
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, 500);
}
