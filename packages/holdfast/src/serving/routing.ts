import type { Condition, Ensemble, Signature, Sticky, VersionState } from '@holdfast/api';
import type { BatchingConfig } from '../config/index.ts';
import type { Answered, Asked } from './ask-control.ts';
import type { GatewayReport } from './gateway-report.ts';
import type { ResponseCacheOptions } from './response-cache.ts';
import type { VersionStatistics } from './statistics.ts';

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
  /** Of a stateful model: when a sequence is over, and how many there may be. */
  readonly sequences?: { readonly idleMs: number; readonly maximum: number } | undefined;
  /** Remembers answers; undefined when it does not. */
  readonly cache?: ResponseCacheOptions | undefined;
  /** The models that answer in its place; a version with runners of its own has none. */
  readonly ensemble?: Ensemble | undefined;
}

/** A version with a share of the requests that name none. */
export interface RoutedShare {
  readonly version: number;
  /** Ten-thousandths of the requests, 0 to 10000. */
  readonly weight: number;
}

/** A version that gets copies of what the champion answered. */
export interface RoutedShadow extends RoutedShare {
  /** Relative difference up to which two numbers agree. */
  readonly tolerance: number;
}

export interface RoutedRule {
  /** All must hold. */
  readonly conditions: readonly Condition[];
  readonly version: number;
}

/** Who answers the requests of a model that name no version, beside its champion. */
export interface RoutedDeployment {
  /** Names it in metrics, records and reports; the same as long as its keys shall stay where they are. */
  readonly release: string;
  /** Counts how often shares or roles changed: what was measured before is not mixed with what is measured after. */
  readonly stage: number;
  readonly salt: string;
  /** What a request is recognised by; the caller's key when undefined, and chance where there is none. */
  readonly sticky: Sticky | undefined;
  readonly challengers: readonly RoutedShare[];
  readonly shadows: readonly RoutedShadow[];
  readonly rules: readonly RoutedRule[];
}

export interface RoutedModel {
  readonly name: string;
  /** `champion` answers a request that names no version, unless the deployment says otherwise. */
  readonly aliases: Readonly<Record<string, number>>;
  readonly versions: readonly RoutedVersion[];
  readonly deployment?: RoutedDeployment | undefined;
}

/** The part that a version played for a request. */
export type ArmRole = 'champion' | 'challenger' | 'shadow' | 'segment';

/** Everything a gateway needs to route, replaced as a whole; a higher generation replaces a lower one. */
export interface RoutingTable {
  readonly generation: number;
  readonly models: readonly RoutedModel[];
}

/** Control to gateway, over the child's IPC channel. */
export type ToGateway =
  | { readonly kind: 'routing'; readonly table: RoutingTable }
  | Answered
  /** Tell the statistics of all versions, under this number. */
  | { readonly kind: 'tell-statistics'; readonly id: number }
  | { readonly kind: 'log-level'; readonly level: string }
  /** Finish what is in flight, refuse the rest with `draining`, then exit 0. */
  | { readonly kind: 'drain' };

/** Gateway to control. */
export type FromGateway =
  | { readonly kind: 'listening'; readonly port: number; readonly grpcPort: number }
  | Asked
  | { readonly kind: 'statistics'; readonly id: number; readonly statistics: readonly VersionStatistics[] }
  /** From now on every new request is routed by this generation; versions it dropped have no request in flight. */
  | { readonly kind: 'routed'; readonly generation: number }
  /** Every second. */
  | { readonly kind: 'report'; readonly report: GatewayReport };
