import { createHash } from 'node:crypto';
import { inspectModel } from '../inspect-model.ts';
import { writeModel } from '../model/write-model.ts';
import { OnnxError } from '../onnx-error.ts';
import { sniffFile } from '../sniff/sniff-file.ts';
import { converters } from './converters.ts';
import { refuseSource } from './refuse-source.ts';
import type { ConversionReport, ConvertedTensor } from './report.ts';

/** A named file of a model that consists of several. */
export interface SourceFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ConvertOptions {
  /** Name of the graph. @default 'model' */
  readonly name?: string;
  /** Boosting rounds to use of an XGBoost or LightGBM model, from the first. @default what the saved object itself uses */
  readonly rounds?: number;
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
  const kind = sniffFile(main.bytes);
  const converter = converters.get(kind);
  if (converter === undefined) throw guarded(() => refuseSource(kind, main.bytes));
  const { rounds } = options;
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1))
    throw new OnnxError('bad_option', 'rounds must be a whole number of at least 1.');
  const graph = guarded(() => converter(main.bytes, files, { producerVersion: converterVersion, rounds }));
  const sha256 = createHash('sha256').update(main.bytes).digest('hex');
  const stamp = [
    { key: 'holdfast.source.sha256', value: sha256 },
    { key: 'holdfast.source.format', value: kind },
    { key: 'holdfast.source.framework', value: `${graph.framework} ${graph.frameworkVersion ?? 'of unknown version'}` },
    { key: 'holdfast.converter', value: converterVersion },
  ];
  const named = {
    ...graph.model,
    graph: { ...graph.model.graph, name: options.name ?? 'model' },
    metadataProps: [...graph.model.metadataProps, ...stamp],
  };
  const model = writeModel(named);
  const { signature } = inspectModel(model);
  const report: ConversionReport = {
    source: {
      format: kind,
      framework: graph.framework,
      frameworkVersion: graph.frameworkVersion,
      modelClass: graph.modelClass,
      sha256,
      bytes: main.bytes.length,
    },
    inputs: signature.inputs.map(plainTensor),
    outputs: signature.outputs.map(plainTensor),
    featureNames: graph.featureNames,
    classes: graph.classes,
    notes: graph.notes,
  };
  return { model, report };
}

function plainTensor(tensor: {
  readonly name: string;
  readonly dtype: string;
  readonly shape: ConvertedTensor['shape'];
}): ConvertedTensor {
  return { name: tensor.name, dtype: tensor.dtype, shape: tensor.shape };
}

/** The file that decides the format: the first one that is a model by itself. */
function mainFile(files: readonly SourceFile[]): SourceFile {
  const [first] = files;
  if (first === undefined) throw new OnnxError('missing_file', 'No file was given to convert.');
  return files.find(file => converters.has(sniffFile(file.bytes))) ?? first;
}

/** Errors of the language (a stack too deep, an index out of a view) become an error that says the file is damaged. */
function guarded<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof RangeError)
      throw new OnnxError('source_malformed', `The file is damaged: ${cause.message}; save the model again.`, {
        cause,
      });
    throw cause;
  }
}
