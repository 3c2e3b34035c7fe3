import type { Datatype, TensorSpec, VersionState } from '@holdfast/api';
import type { ServedVersion } from '../../traffic/served-version.ts';
import { signatureName } from './predict-request.ts';

const dtypes: Readonly<Record<Datatype, string>> = {
  FP32: 'DT_FLOAT',
  FP64: 'DT_DOUBLE',
  FP16: 'DT_HALF',
  INT8: 'DT_INT8',
  INT16: 'DT_INT16',
  INT32: 'DT_INT32',
  INT64: 'DT_INT64',
  UINT8: 'DT_UINT8',
  UINT16: 'DT_UINT16',
  UINT32: 'DT_UINT32',
  UINT64: 'DT_UINT64',
  BOOL: 'DT_BOOL',
  BYTES: 'DT_STRING',
};

const states: Readonly<Record<VersionState, string>> = {
  loading: 'LOADING',
  ready: 'AVAILABLE',
  unloaded: 'END',
  quarantined: 'END',
  failed: 'END',
};

interface VersionStatus {
  readonly version: string;
  readonly state: string;
  readonly status: { readonly error_code: string; readonly error_message: string };
}

function versionStatus({ version, state, routed }: ServedVersion): VersionStatus {
  const isBroken = state === 'quarantined' || state === 'failed';
  return {
    version: String(version),
    state: states[state],
    status: { error_code: isBroken ? 'UNKNOWN' : 'OK', error_message: isBroken ? (routed.reason ?? '') : '' },
  };
}

/** Status of versions, in the order given (newest first). */
export function statusOf(versions: readonly ServedVersion[]): {
  readonly model_version_status: readonly VersionStatus[];
} {
  return { model_version_status: versions.map(versionStatus) };
}

function tensors(specs: readonly TensorSpec[]): object {
  return Object.fromEntries(
    specs.map(({ name, datatype, shape }) => [
      name,
      {
        dtype: dtypes[datatype],
        tensor_shape: { dim: shape.map(dim => ({ size: String(dim), name: '' })), unknown_rank: false },
        name: `${name}:0`,
      },
    ]),
  );
}

/** The model's signature in TensorFlow Serving's form. */
export function metadataOf({ model, version, signature }: ServedVersion): {
  readonly model_spec: { readonly name: string; readonly signature_name: string; readonly version: string };
  readonly metadata: { readonly signature_def: object };
} {
  return {
    model_spec: { name: model, signature_name: '', version: String(version) },
    metadata: {
      signature_def: {
        signature_def: {
          [signatureName]: {
            inputs: tensors(signature.inputs),
            outputs: tensors(signature.outputs),
            method_name: 'tensorflow/serving/predict',
            defaults: {},
          },
        },
      },
    },
  };
}
