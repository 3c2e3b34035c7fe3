import type { Signature } from '@holdfast/api';
import type { Reply } from '../../http/exchange.ts';
import type { BodyReader } from '../../large-body/body-reader.ts';
import { BodyTooLarge, badRequest, Refusal } from '../../refusal.ts';
import type { Resolution, Selector } from '../../traffic/traffic.ts';
import type { Decoded, PredictProtocol } from '../protocol.ts';
import type { InferRequest } from './infer-request.ts';
import { planResponse, type ResponsePlan, writeResponse } from './infer-response.ts';
import { readRawRequest } from './raw-request.ts';

/** The status and text of a refusal where Triton's clients know another than the table of faults has. */
function inTritonsWords(refusal: Refusal): { readonly status: number; readonly text: string } {
  if (refusal instanceof BodyTooLarge && !refusal.isDecompressed) {
    const { bytes, limitBytes } = refusal;
    return {
      status: 400,
      text:
        `request JSON size of ${bytes} bytes exceeds the maximum allowed input size of ${limitBytes} bytes. ` +
        'Raise `limits.bodyBytes` in holdfast.yaml to accept it.',
    };
  }
  return {
    status: refusal.status,
    text: refusal.code === 'overloaded' ? 'Exceeds maximum queue size' : refusal.message,
  };
}

/** An error in the one shape that the protocol's clients read. */
export function refuseOip(refusal: Refusal): Reply {
  const { status, text } = inTritonsWords(refusal);
  let headers: string[] | undefined;
  if (refusal.retryAfterSeconds !== undefined) headers = ['Retry-After', String(refusal.retryAfterSeconds)];
  if (status === 501) headers = ['Accept-Encoding', 'gzip, deflate, identity'];
  return {
    status,
    contentType: 'application/json',
    body: JSON.stringify({ error: text }),
    ...(headers === undefined ? {} : { headers }),
  };
}

/** Why no version answers, in Triton's words. */
export function unresolvedOip(
  model: string,
  _selector: Selector,
  resolution: Exclude<Resolution, { kind: 'ready' }>,
): Refusal {
  const request = `Request for unknown model: '${model}'`;
  switch (resolution.kind) {
    case 'no-model':
      return new Refusal('model_not_found', `${request} is not found`);
    case 'no-default':
      return new Refusal('model_not_found', `${request} has no available versions`);
    case 'no-version':
      return new Refusal('version_not_found', `${request} version ${resolution.version} is not found`);
    case 'no-alias':
      return new Refusal('alias_not_found', `${request} version ${resolution.alias} is not found`);
    case 'not-ready': {
      const { version, routed } = resolution.served;
      const why = routed.reason === undefined ? '' : `: ${routed.reason}`;
      return new Refusal('version_not_ready', `${request} version ${version} is not at ready state${why}`, {
        retryAfterSeconds: 1,
      });
    }
    default:
      return resolution satisfies never;
  }
}

const maximumInt32 = 2_147_483_647;

/** Bytes of JSON at the front of the body. @throws Refusal `bad_request` */
export function jsonBytesOf(header: string | undefined, bodyBytes: number): number {
  if (header === undefined) return bodyBytes;
  const text = header.trim();
  const value = Number(text);
  if (!/^-?[0-9]+$/.test(text) || Math.abs(value) > maximumInt32) {
    throw badRequest(`Unable to parse Inference-Header-Content-Length, got: ${text.slice(0, 40)}`);
  }
  if (value < 0 || value > bodyBytes) {
    throw badRequest(`inference header size should be in range (0, ${bodyBytes}), got: ${value}`);
  }
  return value;
}

/** An infer request as the prediction path wants it, and what to answer to it. @throws Refusal `bad_request` */
export function decodedFrom(request: InferRequest, model: string, signature: Signature): Decoded<ResponsePlan> {
  const { queueTimeoutMs: ms } = request;
  return {
    inputs: request.inputs,
    id: request.id,
    timeout: ms === undefined ? undefined : { ms },
    priority: request.priority,
    sequence: request.sequence,
    context: planResponse(request, model, signature),
  };
}

/** The Open Inference Protocol v2 over REST, with the binary tensor extension. */
export function oipPredict(bodies: BodyReader): PredictProtocol<ResponsePlan> {
  return {
    unresolved: unresolvedOip,
    decode(body, exchange, model, signature): Decoded<ResponsePlan> | Promise<Decoded<ResponsePlan>> {
      const jsonBytes = jsonBytesOf(exchange.headers.inferenceHeaderLength, body.length);
      const isRaw = jsonBytes === 0 && exchange.headers.inferenceHeaderLength !== undefined;
      const request = isRaw ? readRawRequest(body, model, signature) : bodies.infer(body, jsonBytes, model);
      return request instanceof Promise
        ? request.then(read => decodedFrom(read, model, signature))
        : decodedFrom(request, model, signature);
    },
    encode: writeResponse,
    refuse: refuseOip,
  };
}
