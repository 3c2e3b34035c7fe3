export { type Conversion, type ConvertOptions, convert, converterVersion, type SourceFile } from './convert.ts';
export type { ConversionReport, ConvertedTensor } from './report.ts';
export { type SupportedSource, supportedSources } from './supported.ts';
