export { type Conversion, type ConvertOptions, convert, converterVersion, type SourceFile } from './convert.ts';
export type { ConversionReport, ConvertedTensor } from './report.ts';
export { type SupportedSource, supportedSources } from './supported.ts';
export type { NamedTensor, RunModel } from './verify/tensor.ts';
export type { Verification } from './verify/verification.ts';
export { type VerifyOptions, verifyConversion } from './verify/verify-conversion.ts';
