import { z } from 'zod';
import type { ServingClock } from '../../clock.ts';
import { type GrpcCaller, type GrpcOutcome, GrpcPrediction } from '../../grpc/grpc-call.ts';
import type { GrpcMethod } from '../../grpc/grpc-method.ts';
import { type GrpcStatus, statusOf } from '../../grpc/status.ts';
import { WireWriter } from '../../grpc/wire-writer.ts';
import type { PredictionPath } from '../../prediction-path.ts';
import type { Refusal } from '../../refusal.ts';
import { parseSelector, type Selector, type Traffic } from '../../traffic/traffic.ts';
import type { OipControl } from '../oip/control-calls.ts';
import { findVersion } from '../oip/find-version.ts';
import type { ResponsePlan } from '../oip-rest/infer-response.ts';
import { modelConfig, modelMetadata, serverMetadata } from '../oip-rest/metadata.ts';
import { decodedFrom, unresolvedOip } from '../oip-rest/predict.ts';
import type { PredictProtocol } from '../protocol.ts';
import { controlMethods } from './control-methods.ts';
import { inferRequestOf, type ModelInferRequest, readModelInferRequest } from './model-infer-request.ts';
import { writeModelInferResponse } from './model-infer-response.ts';

export interface OipGrpcOptions {
  readonly path: PredictionPath;
  readonly traffic: Traffic;
  readonly control: OipControl;
  readonly clock: ServingClock;
  readonly serverVersion: string;
  readonly isReady: () => boolean;
  /** Called around each message of a stream. @throws Refusal when none is accepted now */
  readonly enter: (bytes: number) => void;
  readonly leave: (bytes: number) => void;
  /** Any error as the status that it is told by, counted and logged. */
  readonly statusOf: (error: unknown) => GrpcStatus;
}

const service = '/inference.GRPCInferenceService/';
const modelRequestSchema = z.object({ name: z.string(), version: z.string() });

function refuse(refusal: Refusal): GrpcStatus {
  const status = statusOf(refusal);
  return refusal.code === 'overloaded' ? { ...status, details: 'Exceeds maximum queue size' } : status;
}

const protocol: PredictProtocol<ResponsePlan, Buffer, GrpcStatus, GrpcPrediction<ModelInferRequest>> = {
  unresolved: unresolvedOip,
  decode(_body, call, model, signature) {
    const needsRaw = signature.outputs.some(({ datatype }) => datatype === 'FP16');
    return decodedFrom(inferRequestOf(call.request, model, needsRaw), model, signature);
  },
  encode: writeModelInferResponse,
  refuse,
};

/** An empty version is the champion. */
function selectorOf(version: string): Selector {
  return parseSelector(version === '' ? undefined : version);
}

/** The Open Inference Protocol v2 over gRPC. */
class OipGrpc {
  readonly #options: OipGrpcOptions;

  constructor(options: OipGrpcOptions) {
    this.#options = options;
  }

  methods(): GrpcMethod[] {
    const { traffic, serverVersion, isReady } = this.#options;
    const unary = (name: string, answer: (request: object) => object | Promise<object>): GrpcMethod => ({
      kind: 'unary',
      path: service + name,
      answer,
    });
    return [
      {
        kind: 'prediction',
        path: `${service}ModelInfer`,
        predict: (body, caller, settle) => this.#infer(readModelInferRequest(body), body, caller, settle),
      },
      {
        kind: 'prediction-stream',
        path: `${service}ModelStreamInfer`,
        predict: (body, caller) => this.#inferOfStream(body, caller),
      },
      unary('ServerLive', () => ({ live: true })),
      unary('ServerReady', () => ({ ready: isReady() })),
      unary('ModelReady', request => {
        const { name, version } = modelRequestSchema.parse(request);
        const resolution = traffic.resolve(name, selectorOf(version));
        return { ready: resolution.kind === 'ready' && resolution.served.away === undefined };
      }),
      unary('ServerMetadata', () => serverMetadata(serverVersion)),
      unary('ModelMetadata', request => {
        const { name, version } = modelRequestSchema.parse(request);
        const { model, served } = findVersion(traffic, name, selectorOf(version));
        return modelMetadata(model, served);
      }),
      unary('ModelConfig', request => {
        const { name, version } = modelRequestSchema.parse(request);
        return { config: modelConfig(findVersion(traffic, name, selectorOf(version)).served) };
      }),
      ...controlMethods(this.#options.control),
    ];
  }

  #infer(
    request: ModelInferRequest,
    body: Buffer,
    caller: GrpcCaller,
    settle: (outcome: GrpcOutcome) => void,
  ): Promise<void> {
    const { path, clock } = this.#options;
    const call = new GrpcPrediction(caller, { request, body }, clock, settle);
    return path.predict(call, protocol, request.model, selectorOf(request.version));
  }

  /** A failed request of a stream is told in the answer to it; the stream goes on. */
  async #inferOfStream(body: Buffer, caller: GrpcCaller): Promise<Buffer> {
    const { enter, leave } = this.#options;
    let id = '';
    let outcome: GrpcOutcome | undefined;
    let entered = false;
    try {
      enter(body.length);
      entered = true;
      const request = readModelInferRequest(body);
      id = request.id;
      await this.#infer(request, body, caller, settled => {
        outcome = settled;
      });
    } catch (error) {
      outcome = { kind: 'status', status: this.#options.statusOf(error) };
    } finally {
      if (entered) leave(body.length);
    }
    const writer = new WireWriter(outcome?.kind === 'message' ? outcome.message.length + 16 : 256);
    if (outcome?.kind === 'message') writer.bytes(2, outcome.message);
    else {
      // Without an outcome the caller has gone, and nobody reads this.
      writer.text(1, outcome?.status.details ?? 'the call was cancelled');
      writer.nested(2, () => {
        if (id !== '') writer.text(3, id);
      });
    }
    return writer.finish();
  }
}

export function oipGrpcMethods(options: OipGrpcOptions): GrpcMethod[] {
  return new OipGrpc(options).methods();
}
