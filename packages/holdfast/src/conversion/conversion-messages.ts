import type { ConversionReport, ConvertOptions, Verification } from '@holdfast/onnx/convert';

/** One file of a source: its name inside the source, and where it lies. */
export interface SourcePath {
  readonly name: string;
  readonly path: string;
}

/** What a conversion did and how it was checked; also the provenance of a version. */
export interface ConversionResult {
  readonly report: ConversionReport;
  readonly verification: Verification;
  /** Size of the ONNX file, bytes. */
  readonly modelBytes: number;
  /** Milliseconds of reading, converting and checking. */
  readonly elapsedMs: number;
}

/** To a conversion process, once. */
export interface ToConverter {
  readonly kind: 'convert';
  readonly files: readonly SourcePath[];
  readonly options: ConvertOptions;
  /** Where the ONNX file is to be written. */
  readonly outputPath: string;
  /** An empty folder for files in between. */
  readonly workFolder: string;
}

/** From a conversion process; after `done` or `refused` nothing follows. */
export type FromConverter =
  | { readonly kind: 'phase'; readonly phase: string }
  | { readonly kind: 'done'; readonly result: ConversionResult }
  | { readonly kind: 'refused'; readonly why: string };
