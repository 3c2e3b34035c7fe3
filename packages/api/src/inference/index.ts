export { type Datatype, datatypes, elementCount } from '../datatype.ts';
export { fromFloat16, toFloat16 } from './float16.ts';
export {
  type CallOptions,
  type Encoding,
  InferenceClient,
  type InferenceClientOptions,
  type ListedModel,
  type ServerMetadata,
} from './inference-client.ts';
export { InferenceError, type InferenceErrorCode } from './inference-error.ts';
export type { Parameters } from './message.ts';
export type {
  FeedbackLabel,
  InferAnswer,
  InferOptions,
  InferRequest,
  InputsOf,
  ModelClient,
  ModelMetadata,
  ModelSignature,
  OutputsOf,
  StreamOptions,
  TensorMetadata,
} from './model-client.ts';
export type { RetryClock, RetryOptions } from './retry.ts';
export { type DataByDatatype, type TypedTensor, tensor } from './tensor.ts';
