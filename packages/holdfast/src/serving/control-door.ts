import type { VersionStatistics } from './statistics.ts';

/** A version to publish from the bytes that came with a load request. */
export interface UploadedFile {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** What a gateway needs of control for a request that reaches beyond this process. */
export type Question =
  /** The sums over all gateways. */
  | { readonly kind: 'statistics' }
  /** Start serving a model again, or for the first time from these files; `batching` holds until the next load. */
  | {
      readonly kind: 'load';
      readonly model: string;
      readonly batching: { readonly maximumRows?: number; readonly maximumDelayMs?: number };
      readonly files: readonly UploadedFile[];
    }
  | { readonly kind: 'unload'; readonly model: string }
  /** Point aliases of a model at versions. */
  | { readonly kind: 'label'; readonly model: string; readonly labels: Readonly<Record<string, number>> }
  /** The level of every gateway's log from now on. */
  | { readonly kind: 'log'; readonly level: string };

/** Asks control, and waits until it has done what was asked. */
export interface ControlDoor {
  /** @throws Fault */
  ask(question: Question): Promise<readonly VersionStatistics[]>;
}
