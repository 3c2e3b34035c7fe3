export { type CheckLimits, checkModel, type ModelCheck, supportedVersions } from './check/check-model.ts';
export { inspectModel, type ModelInspection, type TensorDimension, type TensorSpec } from './inspect-model.ts';
export type { OipDatatype } from './model/element-type.ts';
export { OnnxError, type OnnxErrorCode, type OnnxErrorPlace, onnxErrorCodes } from './onnx-error.ts';
export { type PreparedModel, prepareModel } from './prepare/prepare-model.ts';
export { type FileKind, fileKinds, sniffFile } from './sniff/sniff-file.ts';
