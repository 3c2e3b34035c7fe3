import type { FaultCode, Signature, Tensor, TensorData, TensorSpec } from '@holdfast/api';
import { readLabels } from '../feedback/labels.ts';
import type { ReceivedLabel } from '../prediction-sink.ts';
import { type InvocationFormat, readInvocation } from '../protocols/mlflow/read-invocation.ts';
import { type InferRequest, readInferRequest } from '../protocols/oip-rest/infer-request.ts';
import { type PredictRequest, readPredictRequest } from '../protocols/tfs-rest/predict-request.ts';
import { type PackedText, packText, unpackText } from './packed-text.ts';

/** What a body is to be read as. */
export type BodyOrder =
  | { readonly kind: 'infer'; readonly jsonBytes: number; readonly model: string }
  | { readonly kind: 'predict'; readonly inputs: readonly TensorSpec[] }
  | ({ readonly kind: 'invocation'; readonly format: InvocationFormat } & Pick<Signature, 'inputs' | 'columns'>)
  | { readonly kind: 'labels'; readonly isLines: boolean; readonly nowMs: number };

type Numbers = Exclude<TensorData, readonly string[]>;

interface PackedTensor extends Omit<Tensor, 'data'> {
  readonly data: Numbers | PackedText;
}

interface PackedLabels {
  /** Prediction ids and keys, one per label. */
  readonly names: PackedText;
  /** 1 where the name is a key. */
  readonly isKey: Uint8Array;
  readonly values: PackedText;
  readonly eventMs: Float64Array;
}

/** A body that was read in the other thread, in a form that crosses over without being copied. */
export type PackedBody =
  | { readonly kind: 'infer'; readonly request: Omit<InferRequest, 'inputs'>; readonly inputs: readonly PackedTensor[] }
  | { readonly kind: 'predict'; readonly form: PredictRequest['form']; readonly inputs: readonly PackedTensor[] }
  | { readonly kind: 'invocation'; readonly inputs: readonly PackedTensor[] }
  | { readonly kind: 'labels'; readonly labels: PackedLabels };

/** What the thread answers: the body, or why it is refused. */
export type ThreadAnswer =
  | { readonly kind: 'read'; readonly id: number; readonly body: PackedBody }
  | {
      readonly kind: 'refused';
      readonly id: number;
      readonly code: FaultCode;
      readonly text: string;
      readonly status: number;
    }
  | { readonly kind: 'failed'; readonly id: number; readonly text: string };

export interface ThreadOrder {
  readonly id: number;
  readonly order: BodyOrder;
  readonly bytes: Uint8Array;
}

function isText(data: TensorData): data is readonly string[] {
  return !ArrayBuffer.isView(data);
}

function packTensor({ data, ...tensor }: Tensor): PackedTensor {
  return { ...tensor, data: isText(data) ? packText(data) : data };
}

async function unpackTensor({ data, ...tensor }: PackedTensor): Promise<Tensor> {
  return { ...tensor, data: ArrayBuffer.isView(data) ? data : await unpackText(data) };
}

export function unpackTensors(tensors: readonly PackedTensor[]): Promise<Tensor[]> {
  return Promise.all(tensors.map(unpackTensor));
}

function packLabels(labels: readonly ReceivedLabel[]): PackedLabels {
  return {
    names: packText(labels.map(({ predictionId, key }) => predictionId ?? key ?? '')),
    isKey: Uint8Array.from(labels, ({ key }) => (key === undefined ? 0 : 1)),
    values: packText(labels.map(({ value }) => value)),
    eventMs: Float64Array.from(labels, ({ eventMs }) => eventMs),
  };
}

export async function unpackLabels({ names, isKey, values, eventMs }: PackedLabels): Promise<ReceivedLabel[]> {
  const [ownNames, ownValues] = await Promise.all([unpackText(names), unpackText(values)]);
  return ownNames.map((name, i) => ({
    predictionId: isKey[i] === 1 ? undefined : name,
    key: isKey[i] === 1 ? name : undefined,
    value: ownValues[i]!,
    eventMs: eventMs[i]!,
  }));
}

/** Reads a body and packs it; runs in the thread. @throws Refusal */
export function readPacked(order: BodyOrder, bytes: Buffer): PackedBody {
  switch (order.kind) {
    case 'infer': {
      const { inputs, ...request } = readInferRequest(bytes, order.jsonBytes, order.model);
      return { kind: 'infer', request, inputs: inputs.map(packTensor) };
    }
    case 'predict': {
      const { inputs, form } = readPredictRequest(bytes, { inputs: [...order.inputs] });
      return { kind: 'predict', form, inputs: inputs.map(packTensor) };
    }
    case 'invocation':
      return { kind: 'invocation', inputs: readInvocation(bytes, order.format, order).map(packTensor) };
    case 'labels':
      return { kind: 'labels', labels: packLabels(readLabels(bytes, order.isLines, order.nowMs)) };
    default:
      return order satisfies never;
  }
}

function viewsOf({ data }: PackedTensor): readonly ArrayBufferView[] {
  return ArrayBuffer.isView(data) ? [data] : [data.bytes, data.ends];
}

/** The memory that moves instead of being copied. */
export function memoryOf(body: PackedBody): ArrayBuffer[] {
  const views =
    body.kind === 'labels'
      ? [
          body.labels.names.bytes,
          body.labels.names.ends,
          body.labels.isKey,
          body.labels.values.bytes,
          body.labels.values.ends,
          body.labels.eventMs,
        ]
      : body.inputs.flatMap(viewsOf);
  const buffers = new Set<ArrayBuffer>();
  for (const { buffer } of views) if (buffer instanceof ArrayBuffer) buffers.add(buffer);
  return [...buffers];
}
