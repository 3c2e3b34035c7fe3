/** Stable codes of everything this package refuses; each sentence says what to do about it. */
export const onnxErrorCodes = [
  'not_onnx',
  'truncated',
  'malformed',
  'too_large',
  'too_deep',
  'unsupported_ir',
  'unsupported_opset',
  'unsupported_domain',
  'unsupported_op',
  'unsupported_dtype',
  'non_tensor_io',
  'external_data',
  'cycle',
  'duplicate_output',
  'dangling_input',
  'missing_data',
  'constant_bomb',
  'endless_loop',
  'unsupported_format',
  'unsupported_source',
  'source_malformed',
  'not_a_model',
  'unsafe_code',
  'weights_only',
  'missing_file',
  'bad_option',
  'conversion_wrong',
] as const;

export type OnnxErrorCode = (typeof onnxErrorCodes)[number];

/** Where the trouble sits, as far as it is known. */
export interface OnnxErrorPlace {
  /** Node, layer or attribute path. */
  readonly node?: string;
  /** Operator, layer or estimator class. */
  readonly op?: string;
  /** Every unsupported thing of the file, when there may be several. */
  readonly unsupported?: readonly string[];
  /** Python that exports the file to ONNX where it was made. */
  readonly recipe?: string;
  readonly cause?: unknown;
}

/** The only error this package throws for what a file contains. */
export class OnnxError extends Error {
  override readonly name = 'OnnxError';
  readonly code: OnnxErrorCode;
  readonly node: string | undefined;
  readonly op: string | undefined;
  readonly unsupported: readonly string[];
  readonly recipe: string | undefined;

  constructor(code: OnnxErrorCode, sentence: string, place: OnnxErrorPlace = {}) {
    super(sentence, place.cause === undefined ? undefined : { cause: place.cause });
    this.code = code;
    this.node = place.node;
    this.op = place.op;
    this.unsupported = place.unsupported ?? [];
    this.recipe = place.recipe;
  }
}
