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
  /** What was done to the graph after it was checked. */
  readonly changes: readonly ModelChange[];
  /** Size of the ONNX file, bytes. */
  readonly modelBytes: number;
  /** Milliseconds of reading, converting and checking. */
  readonly elapsedMs: number;
}

/** One change of a finished graph, with what it cost and brought. */
export interface ModelChange {
  readonly what: string;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Median time of one run on this machine, ms. */
  readonly msBefore: number;
  readonly msAfter: number;
  /** Largest change of a number relative to the largest output, or the share of rows whose label changed. */
  readonly loss: number;
  readonly measuredOn: string;
}

/** How a graph may be quantized. */
export const quantizeModes = ['int8-weights', 'int8-dynamic', 'int8-static', 'fp16'] as const;
export type QuantizeMode = (typeof quantizeModes)[number];

/** What to do with a graph once it is checked, in this order. */
export interface ChangeRequest {
  readonly float32?: boolean;
  readonly quantize?: QuantizeMode;
  /** ONNX Runtime's own graph optimisation, written as a portable file. */
  readonly optimize?: boolean;
  /** Version of ai.onnx to write at last. */
  readonly opset?: number;
  /** File of typical inputs for static quantization (.csv or .jsonl). */
  readonly calibration?: string;
  /** File of inputs to measure the change on (.csv or .jsonl); random inputs when absent. */
  readonly data?: string;
  /** A larger loss is refused. */
  readonly maxLoss: number;
}

/** To a conversion process, once. */
export interface ToConverter {
  readonly kind: 'convert';
  /** The files of each model; several are composed into one pipeline. */
  readonly sources: readonly (readonly SourcePath[])[];
  readonly change: ChangeRequest | undefined;
  readonly options: ConvertOptions;
  /** Where the ONNX file is to be written. */
  readonly outputPath: string;
  /** An empty folder for files in between. */
  readonly workFolder: string;
  /** Time that an engine of the source's framework may take, ms. */
  readonly engineTimeoutMs: number;
}

/** From a conversion process; after `done` or `refused` nothing follows. */
export type FromConverter =
  | { readonly kind: 'phase'; readonly phase: string }
  | { readonly kind: 'done'; readonly result: ConversionResult }
  | { readonly kind: 'refused'; readonly why: string; readonly recipe: string | undefined };
