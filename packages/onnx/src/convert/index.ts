export { compose } from './compose-models.ts';
export { type Conversion, type ConvertOptions, convert, converterVersion, type SourceFile } from './convert.ts';
export type { ConversionReport, ConvertedTensor } from './report.ts';
export { type ExportScript, exportScript, type TorchContent } from './torch/export-script.ts';
export { changeBetween, verifyPipeline } from './verify/compare-models.ts';
export { drawTensors } from './verify/draw-tensors.ts';
export { elementsOf, type NamedTensor, plainElements, type RunModel } from './verify/tensor.ts';
export type { Bar, ComparedOutput, EngineAnswer, SourceEngine, Verification } from './verify/verification.ts';
export { type VerifyOptions, verifyConversion } from './verify/verify-conversion.ts';
