export type { ConversionResult, SourcePath } from './conversion-messages.ts';
export { type ConvertedModel, type ConvertModelOptions, convertModel } from './convert-model.ts';
export { sourceFilesOf } from './source-files.ts';
