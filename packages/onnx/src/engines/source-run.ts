import { besideMain, type Conversion, type ConvertOptions, mainFile, type SourceFile } from '../convert/convert.ts';
import type { NamedTensor } from '../convert/verify/tensor.ts';
import type { EngineAnswer, EngineOutput, SourceEngine } from '../convert/verify/verification.ts';
import { EngineMissing } from './engine-missing.ts';

/** What of the source was converted. */
type Choice = Pick<ConvertOptions, 'inputs' | 'outputs' | 'signature'>;

/** A source to run by the engine of its own framework; it may cross to another process as it is. */
export interface SourceRun {
  /** As `sniffFile` names it. */
  readonly format: string;
  readonly files: readonly SourceFile[];
  readonly choice: Choice;
  /** Inputs under the names of the converted graph. */
  readonly batches: readonly (readonly NamedTensor[])[];
}

export interface Answered {
  readonly describes: string;
  readonly batches: readonly (readonly EngineOutput[])[];
}

/** Runs one kind of source: the file that names it, and the files beside. @throws EngineMissing, or Error with the reason */
export type RunKind = (run: SourceRun, main: Uint8Array, beside: readonly SourceFile[]) => Promise<Answered>;

interface Engine {
  /** What it is called when it cannot run a model. */
  readonly name: string;
  /** Readers and engines are large; only those of the format are loaded. */
  readonly load: () => Promise<RunKind>;
}

const tensorflow = (load: Engine['load']): Engine => ({ name: 'TensorFlow.js', load });

/** The engine for every format that has one. */
const engines: ReadonlyMap<string, Engine> = new Map([
  ['tfjs_layers', tensorflow(async () => (await import('./tensorflow-sources.ts')).runTfjsLayers)],
  ['keras', tensorflow(async () => (await import('./tensorflow-sources.ts')).runKerasArchive)],
  ['keras_h5', tensorflow(async () => (await import('./tensorflow-sources.ts')).runKerasH5)],
  ['tfjs_graph', tensorflow(async () => (await import('./tensorflow-sources.ts')).runTfjsGraph)],
  ['graphdef', tensorflow(async () => (await import('./tensorflow-sources.ts')).runFrozenGraph)],
  [
    'tflite',
    { name: 'The official TFLite interpreter', load: async () => (await import('./tflite-engine.ts')).runTfliteSource },
  ],
]);

const graphOnly = 'the graph was loaded and run.';

/**
 * Runs a source by the engine of its framework, in this process. Engines are optional packages: without them, or for
 * models with something they lack, the answer says so.
 */
export async function runSource(run: SourceRun): Promise<EngineAnswer> {
  const engine = engines.get(run.format);
  if (engine === undefined) return { kind: 'none', because: `There is no engine for this format; ${graphOnly}` };
  const main = mainFile(run.files);
  try {
    const runKind = await engine.load();
    const answered = await runKind(run, main.bytes, besideMain(run.files, main));
    return { kind: 'outputs', ...answered };
  } catch (error) {
    if (error instanceof EngineMissing)
      return {
        kind: 'none',
        because: `Not verified by an independent engine: install ${error.packageName} to have it; ${graphOnly}`,
      };
    return engineFailed(engine.name, error instanceof Error ? error.message : String(error));
  }
}

function engineFailed(name: string, reason: string): EngineAnswer {
  const [line = ''] = reason.split('\n');
  const short = line.length > 300 ? `${line.slice(0, 300)}...` : line.replace(/\.$/, '');
  return {
    kind: 'none',
    because: `Not verified by an independent engine: ${name} cannot run this model (${short}); ${graphOnly}`,
  };
}

/**
 * The engine of a converted source's framework, when its format has one.
 * @param evaluate where it runs; in this process by default
 */
export async function findEngine(
  { report }: Conversion,
  files: readonly SourceFile[],
  choice: Choice,
  evaluate: (run: SourceRun) => Promise<EngineAnswer> = runSource,
): Promise<SourceEngine | undefined> {
  const { format } = report.source;
  if (!engines.has(format)) return undefined;
  const shapes =
    format === 'tflite'
      ? (await import('./tflite-engine.ts')).tfliteShapes(mainFile(files).bytes, choice.signature)
      : undefined;
  return {
    ...(shapes !== undefined && { shapes }),
    evaluate: batches => evaluate({ format, files, choice, batches }),
  };
}
