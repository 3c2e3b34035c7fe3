import { faults } from '@holdfast/api';
import type { Refusal } from '../refusal.ts';

/** The status codes of gRPC that are used by number here; the others come from the table of faults. */
export const grpcStatus = { ok: 0, notFound: 5, failedPrecondition: 9, unimplemented: 12, unavailable: 14 } as const;

/** How a call that failed ends. */
export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  /** Seconds after which a retry may succeed. */
  readonly retryAfterSeconds: number | undefined;
}

/** A status is a header: longer texts are cut, because peers refuse header blocks beyond 8 KiB. */
const longestDetails = 4000;

/** A refusal as the status of a call. */
export function statusOf(refusal: Refusal): GrpcStatus {
  const { code, status, message, retryAfterSeconds } = refusal;
  let number: number = refusal.grpcStatus ?? faults[code].grpc;
  if (refusal.grpcStatus === undefined && status !== faults[code].http) {
    if (status === 501) number = grpcStatus.unimplemented;
    else if (status === 503) number = grpcStatus.unavailable;
  }
  const details = message.length > longestDetails ? `${message.slice(0, longestDetails)}...` : message;
  return { code: number, details, retryAfterSeconds };
}
