export { type ChangeRequest, type ConversionResult, quantizeModes, type SourcePath } from './conversion-messages.ts';
export { type ConvertedModel, type ConvertModelOptions, convertModel } from './convert-model.ts';
export { convertWithPython } from './convert-with-python.ts';
export { describeVerification } from './describe-verification.ts';
export { sourceFilesOf } from './source-files.ts';
