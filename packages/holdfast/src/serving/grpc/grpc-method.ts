import type { GrpcCaller, GrpcOutcome } from './grpc-call.ts';

/**
 * One call of a service by its path, `/package.Service/Method`. Requests and answers of `unary` calls and of
 * subscriptions are objects by the .proto files; predictions read and write their own bytes.
 */
export type GrpcMethod =
  | {
      readonly kind: 'unary';
      readonly path: string;
      /** @throws Refusal, Fault */
      readonly answer: (request: object) => object | Promise<object>;
    }
  | {
      readonly kind: 'prediction';
      readonly path: string;
      /** Calls `settle` once, unless the caller has gone. @throws Refusal */
      readonly predict: (body: Buffer, caller: GrpcCaller, settle: (outcome: GrpcOutcome) => void) => Promise<void>;
    }
  | {
      readonly kind: 'prediction-stream';
      readonly path: string;
      /** The answer to one message of the stream, failures included; undefined when the caller has gone. */
      readonly predict: (body: Buffer, caller: GrpcCaller) => Promise<Buffer>;
    }
  | {
      readonly kind: 'subscription';
      readonly path: string;
      /** Answers now and whenever something changes, until the signal. @throws Refusal */
      readonly subscribe: (request: object, publish: (answer: object) => void, signal: AbortSignal) => void;
    }
  | {
      readonly kind: 'conversation';
      readonly path: string;
      /** Each message gets one answer. */
      readonly answer: (request: object) => object;
    };
