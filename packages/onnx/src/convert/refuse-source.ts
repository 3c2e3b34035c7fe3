import { OnnxError } from '../onnx-error.ts';
import { type FileKind, fileKinds } from '../sniff/sniff-file.ts';
import { optionalField } from './boosting/json-fields.ts';
import { exportScript } from './torch/export-script.ts';
import { refuseTorch } from './torch/refuse-torch.ts';

/** What such a file is and what to do, for kinds that are not even a try at a model. */
const mistakes: Partial<Record<FileKind, string>> = {
  empty: 'The file is empty; copy or download the model again.',
  html: `The file is ${fileKinds.html}; download the model itself.`,
  git_lfs_pointer: `The file is ${fileKinds.git_lfs_pointer} to fetch it.`,
};

const advice: Partial<Record<FileKind, string>> = {
  npy: 'It holds numbers and no model.',
  npz: 'It holds numbers and no model.',
  keras_weights_h5: 'It lacks the config; save the whole model with model.save("model.keras").',
  unknown:
    'It carries no identifier (magic bytes) of any known model format, and its header declares nothing that fits; check what was saved.',
};

/** Why a file of this kind does not convert, with what the person can do; damage and attacks are named first. */
export function refuseSource(kind: FileKind, bytes: Uint8Array): OnnxError {
  if (kind === 'torch' || kind === 'torch_legacy' || kind === 'torchscript') return refuseTorch(kind, bytes);
  if (kind === 'safetensors') return refuseSafetensors(bytes);
  const mistake = mistakes[kind];
  if (mistake !== undefined) return new OnnxError('unsupported_format', mistake);
  const code = kind === 'keras_weights_h5' ? 'weights_only' : 'unsupported_format';
  return new OnnxError(
    code,
    `The file is ${fileKinds[kind]}, which cannot be converted. ${advice[kind] ?? 'Give a trained model.'}`,
  );
}

/** Lists the tensors of a safetensors file and says what it lacks. */
function refuseSafetensors(bytes: Uint8Array): OnnxError {
  refuseDamagedSafetensors(bytes);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  const tensors = safetensorsNames(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const named = tensors.slice(0, 6).join('; ');
  const rest = tensors.length > 6 ? `, and ${tensors.length - 6} more` : '';
  const recipe = exportScript('safetensors')?.script ?? '';
  return new OnnxError(
    'weights_only',
    `The file is ${fileKinds.safetensors}, so no graph can be made from it alone. It has ${tensors.length} tensors: ${named}${rest}. Export the model from the code that defines it:\n\n${recipe}`,
    { recipe },
  );
}

function safetensorsNames(header: string): string[] {
  try {
    const entries: unknown = JSON.parse(header);
    return Object.entries(entries ?? {}).flatMap(([name, entry]: [string, unknown]) => {
      const [dtype, shape] = [optionalField(entry, 'dtype'), optionalField(entry, 'shape')];
      return typeof dtype === 'string' && Array.isArray(shape) ? [`${name} ${dtype} [${shape.join(', ')}]`] : [];
    });
  } catch (cause) {
    throw new OnnxError('source_malformed', 'The header of the safetensors file is no valid JSON; save it again.', {
      cause,
    });
  }
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
