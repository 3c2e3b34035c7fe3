import type { LiveEvent, Signature } from '@holdfast/api';
import type { MonitorsConfig } from '../config/index.ts';

/** One version to watch, as control tells the watcher process; the baseline's profile is read from its artifact. */
export interface WatchedVersion {
  readonly name: string;
  readonly version: number;
  readonly signature: Signature;
  readonly monitors: MonitorsConfig;
  readonly baselinePath: string | undefined;
}

/** Control to watcher. */
export type ToWatcher =
  | { readonly kind: 'models'; readonly models: readonly WatchedVersion[] }
  | { readonly kind: 'drain' };

/** Watcher to control. */
export type FromWatcher =
  | { readonly kind: 'watching' }
  | { readonly kind: 'event'; readonly event: Extract<LiveEvent, { kind: 'window' }> };
