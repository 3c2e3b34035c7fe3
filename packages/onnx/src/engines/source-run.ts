import { besideMain, type Conversion, type ConvertOptions, mainFile, type SourceFile } from '../convert/convert.ts';
import { readTfjsLayers } from '../convert/keras/read-tfjs.ts';
import { readGraphDef } from '../convert/tensorflow/read-graph-def.ts';
import { readTfjsGraph } from '../convert/tensorflow/read-tfjs-graph.ts';
import { signatureOf } from '../convert/tensorflow/signature.ts';
import type { TfPort, TfSignature } from '../convert/tensorflow/tf-graph.ts';
import type { NamedTensor } from '../convert/verify/tensor.ts';
import type { EngineAnswer, EngineOutput, SourceEngine } from '../convert/verify/verification.ts';
import { WireReader } from '../wire/wire-reader.ts';
import { EngineMissing } from './engine-missing.ts';
import { graphArtifacts } from './graph-artifacts.ts';
import { type GraphPort, runGraphModel, runLayersModel } from './tensorflow-js.ts';
import { tfjsArtifacts } from './tfjs-artifacts.ts';
import { runTfliteSource, tfliteShapes } from './tflite-engine.ts';

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

interface Answered {
  readonly describes: string;
  readonly batches: readonly (readonly EngineOutput[])[];
}

type Engine = (run: SourceRun, main: Uint8Array, beside: readonly SourceFile[]) => Promise<Answered>;

const portOf = ({ key, tensor }: TfPort): GraphPort => ({ name: key, tensor });
const portsOf = ({ inputs, outputs }: TfSignature): { inputs: GraphPort[]; outputs: GraphPort[] } => ({
  inputs: inputs.map(portOf),
  outputs: outputs.map(portOf),
});

const plainChoice = ({ inputs, outputs }: Choice) => ({ inputs, outputs });

/** The engine for every format that has one. */
const engines: ReadonlyMap<string, { readonly name: string; readonly run: Engine }> = new Map([
  [
    'tfjs_layers',
    {
      name: 'TensorFlow.js',
      run: ({ batches }: SourceRun, main: Uint8Array, beside: readonly SourceFile[]) => {
        const names = readTfjsLayers(main, beside).architecture.outputs.map(output => output.name);
        return runLayersModel(tfjsArtifacts(main, beside), batches, names);
      },
    },
  ],
  [
    'tfjs_graph',
    {
      name: 'TensorFlow.js',
      run: ({ batches, choice }: SourceRun, main: Uint8Array, beside: readonly SourceFile[]) => {
        const { graph, signature } = readTfjsGraph(main, beside);
        const ports = portsOf(signatureOf(graph, signature, plainChoice(choice)));
        return runGraphModel(tfjsArtifacts(main, beside), batches, ports);
      },
    },
  ],
  [
    'graphdef',
    {
      name: 'TensorFlow.js',
      run: ({ batches, choice }: SourceRun, main: Uint8Array) => {
        const graph = readGraphDef(new WireReader(main));
        const ports = portsOf(signatureOf(graph, undefined, plainChoice(choice)));
        return runGraphModel(graphArtifacts(graph), batches, ports);
      },
    },
  ],
  [
    'tflite',
    {
      name: 'The official TFLite interpreter',
      run: ({ batches, choice }: SourceRun, main: Uint8Array) => runTfliteSource(main, choice.signature, batches),
    },
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
    const answered = await engine.run(run, main.bytes, besideMain(run.files, main));
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
export function findEngine(
  { report }: Conversion,
  files: readonly SourceFile[],
  choice: Choice,
  evaluate: (run: SourceRun) => Promise<EngineAnswer> = runSource,
): SourceEngine | undefined {
  const { format } = report.source;
  if (!engines.has(format)) return undefined;
  const shapes = format === 'tflite' ? tfliteShapes(mainFile(files).bytes, choice.signature) : undefined;
  return {
    ...(shapes !== undefined && { shapes }),
    evaluate: batches => evaluate({ format, files, choice, batches }),
  };
}
