import type { Signature, VersionState } from '@holdfast/api';
import type { BatchingConfig } from '../config/index.ts';

/** One version as the gateway sees it. */
export interface RoutedVersion {
  readonly version: number;
  readonly state: VersionState;
  readonly reason: string | undefined;
  readonly signature: Signature;
  /** Unix sockets of its runner processes; rows go to whichever is free. */
  readonly sockets: readonly string[];
  readonly batching: BatchingConfig;
  readonly hangTimeoutMs: number;
}

export interface RoutedModel {
  readonly name: string;
  /** `champion` answers a request that names no version. */
  readonly aliases: Readonly<Record<string, number>>;
  readonly versions: readonly RoutedVersion[];
}

/** Everything a gateway needs to route, replaced as a whole; a higher generation replaces a lower one. */
export interface RoutingTable {
  readonly generation: number;
  readonly models: readonly RoutedModel[];
}

/** Counts of one model version since the gateway started; control derives rates from the differences. */
export interface ServingCounts {
  readonly model: string;
  readonly version: number;
  readonly requests: number;
  readonly rows: number;
  readonly errors: number;
  /** Requests inside the gateway now. */
  readonly inFlight: number;
  /** Sparse latency histogram in microseconds of the last second. */
  readonly latency: readonly (readonly [bucket: number, count: number])[];
  readonly latencySum: number;
}

export interface GatewayReport {
  readonly recordedTotal: number;
  readonly droppedTotal: number;
  readonly labelsTotal: number;
  readonly lastSyncedMs: number | null;
  readonly counts: readonly ServingCounts[];
}

/** Control to gateway, over the child's IPC channel. */
export type ToGateway =
  | { readonly kind: 'routing'; readonly table: RoutingTable }
  /** Finish what is in flight, refuse the rest with `draining`, then exit 0. */
  | { readonly kind: 'drain' };

/** Gateway to control. */
export type FromGateway =
  | { readonly kind: 'listening'; readonly port: number }
  /** From now on every new request is routed by this generation; versions it dropped have no request in flight. */
  | { readonly kind: 'routed'; readonly generation: number }
  /** Every second. */
  | { readonly kind: 'report'; readonly report: GatewayReport };
