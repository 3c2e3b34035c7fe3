import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import { refuseOtherKinds } from '../sniff/refuse-other-kinds.ts';
import { withFloatEnds, withoutEmptyDimensions, withoutNonTensorOutputs } from './tensor-ends.ts';
import { withPortableLocale } from './text-locale.ts';
import { withoutZipMaps } from './zip-maps.ts';

export interface PreparedModel {
  /** The cleaned model; the very input bytes when nothing had to change. */
  readonly bytes: Uint8Array;
  /** One sentence per change. */
  readonly changes: readonly string[];
}

/**
 * Makes an ONNX model servable without changing what it computes: ZipMap becomes a plain probability tensor,
 * text normalisation uses a locale that every system has, outputs that are not tensors are dropped, bfloat16 inputs and
 * outputs become float32, and dimensions declared as 0 become free.
 * Preparing a prepared model changes nothing; equal input gives equal bytes.
 * @throws OnnxError when the file is no ONNX model, or `non_tensor_io` when no tensor output would remain
 */
export function prepareModel(bytes: Uint8Array): PreparedModel {
  refuseOtherKinds(bytes);
  const changes: string[] = [];
  const original = readModel(bytes);
  let model = withoutZipMaps(original, changes);
  model = withPortableLocale(model, changes);
  model = withoutNonTensorOutputs(model, changes);
  model = withFloatEnds(model, changes);
  model = withoutEmptyDimensions(model, changes);
  return changes.length === 0 ? { bytes, changes } : { bytes: writeModel(model), changes };
}
