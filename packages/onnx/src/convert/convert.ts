import { createHash } from 'node:crypto';
import { inspectModel } from '../inspect-model.ts';
import { writeModel } from '../model/write-model.ts';
import { OnnxError } from '../onnx-error.ts';
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
  if (converter === undefined) throw unsupported(kind);
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

const advice: Partial<Record<FileKind, string>> = {
  onnx: 'It is ONNX already; nothing to convert.',
  torch:
    'It holds weights or pickled Python code, not a graph. In your own Python: torch.onnx.export(model, example_inputs, "model.onnx", dynamo=True).',
  torch_legacy:
    'It holds weights or pickled Python code, not a graph. In your own Python: torch.onnx.export(model, example_inputs, "model.onnx", dynamo=True).',
  torchscript:
    'In your own Python: m = torch.jit.load("model.pt"); torch.onnx.export(m, example_inputs, "model.onnx", dynamo=False).',
  torch_export: 'In your own Python: torch.onnx.export(torch.export.load("model.pt2"), (), "model.onnx", dynamo=True).',
  safetensors: 'It holds weights without the architecture; export the model from the code that defines it.',
  keras_weights_h5:
    'It holds weights without the architecture (config); save the whole model with model.save("model.keras").',
  savedmodel: 'In your own Python: python -m tf2onnx.convert --saved-model DIR --output model.onnx.',
  graphdef:
    'In your own Python: python -m tf2onnx.convert --graphdef FILE --inputs NAME:0 --outputs NAME:0 --output model.onnx.',
  tflite: 'In your own Python: python -m tf2onnx.convert --tflite FILE --output model.onnx.',
  tfjs_graph: 'In your own Python: python -m tf2onnx.convert --tfjs model.json --output model.onnx.',
  catboost: 'In your own Python: model.save_model("model.onnx", format="onnx").',
};

function unsupported(kind: FileKind): OnnxError {
  const code = kind === 'safetensors' || kind === 'keras_weights_h5' ? 'weights_only' : 'unsupported_format';
  return new OnnxError(
    code,
    `The file is ${fileKinds[kind]}, which cannot be converted. ${advice[kind] ?? 'Give a trained model.'}`,
  );
}
