import { OnnxError } from '../onnx-error.ts';
import { type FileKind, fileKinds } from '../sniff/sniff-file.ts';
import { unpickle } from './pickle/pickle-machine.ts';
import { ZipArchive } from './zip/zip-archive.ts';

const torchAdvice =
  'It holds weights or pickled Python code, not a graph. In your own Python: torch.onnx.export(model, example_inputs, "model.onnx", dynamo=True).';

const advice: Partial<Record<FileKind, string>> = {
  torch: torchAdvice,
  torch_legacy: torchAdvice,
  torchscript:
    'In your own Python: m = torch.jit.load("model.pt"); torch.onnx.export(m, example_inputs, "model.onnx", dynamo=False).',
  torch_export: 'In your own Python: torch.onnx.export(torch.export.load("model.pt2"), (), "model.onnx", dynamo=True).',
  safetensors: 'Export the model from the code that defines it.',
  keras_weights_h5: 'It lacks the config; save the whole model with model.save("model.keras").',
  tflite: 'In your own Python: python -m tf2onnx.convert --tflite FILE --output model.onnx.',
  catboost: 'In your own Python: model.save_model("model.onnx", format="onnx").',
  unknown:
    'It carries no identifier (magic bytes) of any known model format, and its header declares nothing that fits; check what was saved.',
};

/** Largest pickle inside an archive that is looked through, in bytes; real ones are small. */
const maxPickleBytes = 64 << 20;

/** Why a file of this kind does not convert, with what the person can do; damage and attacks are named first. */
export function refuseSource(kind: FileKind, bytes: Uint8Array): OnnxError {
  if (kind === 'torch' || kind === 'torchscript') refuseHarmfulPickle(bytes);
  if (kind === 'safetensors') refuseDamagedSafetensors(bytes);
  const code = kind === 'safetensors' || kind === 'keras_weights_h5' ? 'weights_only' : 'unsupported_format';
  return new OnnxError(
    code,
    `The file is ${fileKinds[kind]}, which cannot be converted. ${advice[kind] ?? 'Give a trained model.'}`,
  );
}

/** Reads the pickle of a PyTorch archive for what it would run. @throws OnnxError `unsafe_code` */
function refuseHarmfulPickle(bytes: Uint8Array): void {
  const archive = new ZipArchive(bytes);
  const name = archive.names.find(item => item.endsWith('data.pkl'));
  if (name !== undefined) unpickle(archive.read(name, maxPickleBytes), 0, () => null);
}

/** Checks that the tensors of a safetensors file lie side by side inside it. @throws OnnxError `source_malformed` */
function refuseDamagedSafetensors(bytes: Uint8Array): void {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > bytes.length - 8)
    throw new OnnxError(
      'truncated',
      `The safetensors header claims ${length} bytes, but the file has ${bytes.length}; copy or download it again.`,
    );
  const ranges = [
    ...new TextDecoder()
      .decode(bytes.subarray(8, 8 + length))
      .matchAll(/"data_offsets"\s*:\s*\[\s*(\d{1,15})\s*,\s*(\d{1,15})\s*\]/g),
  ]
    .map(match => [Number(match[1]), Number(match[2])] as const)
    .sort((a, b) => a[0] - b[0]);
  ranges.forEach(([start, end], i) => {
    if (start > end || end > bytes.length - 8 - length || start < (ranges[i - 1]?.[1] ?? 0)) {
      throw new OnnxError(
        'source_malformed',
        `The safetensors file has tensors whose offsets overlap or leave the file (${start} to ${end}); do not use it.`,
      );
    }
  });
}
