import { createHash } from 'node:crypto';
import { inspectProto } from '../inspect-model.ts';
import { keepOutputs } from '../model/keep-outputs.ts';
import type { ModelProto } from '../model/proto.ts';
import { writeModel } from '../model/write-model.ts';
import { OnnxError } from '../onnx-error.ts';
import { lowerOpset } from '../opset/to-opset.ts';
import { type FileKind, fileKinds, sniffFile } from '../sniff/sniff-file.ts';
import { converters } from './converters.ts';
import type { ConversionReport, ConvertedTensor } from './report.ts';

/** A named file of a model that consists of several. */
export interface SourceFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ConvertOptions {
  /** Name of the graph. @default 'model' */
  readonly name?: string | undefined;
  /** Boosting rounds to use of an XGBoost or LightGBM model, from the first. @default what the saved object itself uses */
  readonly rounds?: number | undefined;
  /** Names of the tensors to take as inputs, where the source leaves the choice (frozen graphs). */
  readonly inputs?: readonly string[] | undefined;
  /** Names of the outputs to keep, in this order; what only the others need is dropped. @default all */
  readonly outputs?: readonly string[] | undefined;
  /** Signature to convert of a SavedModel that has several. @default `serving_default`, or the only one */
  readonly signature?: string | undefined;
  /**
   * Newest version of ai.onnx to use, 13 to 21, for runtimes that read no later one; the IR and ai.onnx.ml versions are
   * those of its time. @default 21, or that of an ONNX source
   */
  readonly opset?: number | undefined;
}

export interface Conversion {
  readonly model: Uint8Array;
  readonly report: ConversionReport;
}

/** Written into every converted model; a change of what is emitted raises it. */
export const converterVersion = '0.1.0';

/**
 * Converts a trained model of another framework to ONNX without running any of its code. Equal input gives equal
 * bytes; the batch dimension of the result is dynamic.
 * @param source bytes of one file, or the files of a model that has several
 * @throws OnnxError naming what the file is and everything in it that cannot be converted
 */
export async function convert(
  source: Uint8Array | readonly SourceFile[],
  options: ConvertOptions = {},
): Promise<Conversion> {
  const files = source instanceof Uint8Array ? [{ name: 'model', bytes: source }] : source;
  const main = mainFile(files);
  refuseSeveral(files);
  const beside = besideMain(files, main);
  const kind = sniffFile(main.bytes);
  const load = converters.get(kind);
  if (load === undefined) {
    const { refuseSource } = await import('./refuse-source.ts');
    throw await guarded(() => refuseSource(kind, main.bytes));
  }
  const { rounds, inputs, outputs, signature } = options;
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1))
    throw new OnnxError('bad_option', 'rounds must be a whole number of at least 1.');
  const settings = { producerVersion: converterVersion, rounds, inputs, outputs, signature };
  const converter = await load();
  const graph = await guarded(() => converter(main.bytes, beside, settings));
  refuseUnusedOptions(options, kind, graph.framework);
  const sha256 = createHash('sha256').update(main.bytes).digest('hex');
  const stamp = [
    { key: 'holdfast.source.sha256', value: sha256 },
    { key: 'holdfast.source.format', value: kind },
    { key: 'holdfast.source.framework', value: `${graph.framework} ${graph.frameworkVersion ?? 'of unknown version'}` },
    { key: 'holdfast.converter', value: converterVersion },
  ];
  const whole = outputs === undefined ? graph.model : withOutputs(graph.model, outputs);
  const chosen = options.opset === undefined ? whole : lowerOpset(whole, options.opset);
  const named = {
    ...chosen,
    graph: { ...chosen.graph, name: options.name ?? (kind === 'onnx' ? chosen.graph.name : 'model') },
    metadataProps: [...chosen.metadataProps.filter(entry => !stamp.some(({ key }) => key === entry.key)), ...stamp],
  };
  const model = writeModel(named);
  const tensors = inspectProto(named).signature;
  const report: ConversionReport = {
    source: {
      format: kind,
      framework: graph.framework,
      frameworkVersion: graph.frameworkVersion,
      modelClass: graph.modelClass,
      sha256,
      bytes: main.bytes.length,
    },
    inputs: tensors.inputs.map(plainTensor),
    outputs: tensors.outputs.map(plainTensor),
    featureNames: graph.featureNames,
    classes: graph.classes,
    notes: graph.notes,
  };
  return { model, report };
}

/** An option that means nothing for a source is a mistake of the caller, who would wait for its effect. */
function refuseUnusedOptions({ rounds, inputs, signature }: ConvertOptions, kind: FileKind, framework: string): void {
  const refuse = (option: string, of: string): never => {
    throw new OnnxError('bad_option', `${option} cannot be chosen for this file (${fileKinds[kind]}), only for ${of}.`);
  };
  if (rounds !== undefined && framework !== 'XGBoost' && framework !== 'LightGBM')
    refuse('rounds', 'XGBoost and LightGBM models');
  if (inputs !== undefined && kind !== 'graphdef' && kind !== 'tfjs_graph')
    refuse('inputs', 'TensorFlow graphs that are frozen or without signature');
  if (signature !== undefined && kind !== 'savedmodel' && kind !== 'tflite')
    refuse('a signature', 'a SavedModel or a TFLite file with signatures');
}

/** The asked outputs of a converted graph; a converter that chose by itself has given them other names. */
function withOutputs(model: ModelProto, names: readonly string[]): ModelProto {
  const known = model.graph.outputs.map(output => output.name);
  const unknown = names.filter(name => !known.includes(name));
  if (unknown.length === 0) return keepOutputs(model, names);
  if (known.length === names.length) return model;
  throw new OnnxError(
    'bad_option',
    `The model has no output ${unknown.map(name => `"${name}"`).join(', ')}; it has ${known.join(', ')}.`,
  );
}

function plainTensor(tensor: {
  readonly name: string;
  readonly dtype: string;
  readonly shape: ConvertedTensor['shape'];
}): ConvertedTensor {
  return { name: tensor.name, dtype: tensor.dtype, shape: tensor.shape };
}

/** Kinds that weights and side files can be taken for by chance. */
const weakKinds: ReadonlySet<FileKind> = new Set(['json', 'pickle', 'compressed_pickle', 'graphdef']);

/** Which of several models is meant, nobody can know. */
function refuseSeveral(files: readonly SourceFile[]): void {
  const models = files.filter(({ bytes }) => {
    const kind = sniffFile(bytes);
    return converters.has(kind) && !weakKinds.has(kind);
  });
  if (models.length < 2) return;
  const [first] = models;
  const named = models.slice(0, 4).map(({ name }) => name);
  const rest = models.length > named.length ? ` and ${models.length - named.length} more` : '';
  throw new OnnxError(
    'bad_option',
    `There are ${models.length} models here: ${named.join(', ')}${rest}. Give one of them, such as ${first?.name ?? ''}.`,
  );
}

/** The files under their names as the main file knows them: relative to its own folder. */
export function besideMain(files: readonly SourceFile[], main: SourceFile): readonly SourceFile[] {
  const folder = main.name.slice(0, main.name.lastIndexOf('/') + 1);
  if (folder === '') return files;
  return files.map(file => (file.name.startsWith(folder) ? { ...file, name: file.name.slice(folder.length) } : file));
}

/** The file that decides the format: the first one that is a model by itself; a plain JSON document is one only alone. */
export function mainFile(files: readonly SourceFile[]): SourceFile {
  const [first] = files;
  if (first === undefined) throw new OnnxError('missing_file', 'No file was given to convert.');
  const kinds = files.map(file => sniffFile(file.bytes));
  return files.find((_, i) => kinds[i] !== 'json' && converters.has(kinds[i]!)) ?? first;
}

/** Errors of the language (a stack too deep, an index out of a view) become an error that says the file is damaged. */
async function guarded<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof RangeError)
      throw new OnnxError('source_malformed', `The file is damaged: ${cause.message}; save the model again.`, {
        cause,
      });
    throw cause;
  }
}
