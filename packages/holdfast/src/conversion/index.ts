export { type ChangeRequest, type ConversionResult, quantizeModes, type SourcePath } from './conversion-messages.ts';
export { type ConvertedModel, type ConvertModelOptions, convertModel } from './convert-model.ts';
export { sourceFilesOf } from './source-files.ts';
