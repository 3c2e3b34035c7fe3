import type { LiveEvent, Signature } from '@holdfast/api';
import type { MonitorsConfig } from '../config/index.ts';
import type { ArmsQuery, ComparedArms } from '../monitoring/index.ts';

/** One version to watch, as control tells the watcher process; the baseline's profile is read from its artifact. */
export interface WatchedVersion {
  readonly name: string;
  readonly version: number;
  readonly signature: Signature;
  readonly monitors: MonitorsConfig;
  readonly baselinePath: string | undefined;
}

/** A step of a rollout whose ground truth control wants to know, again and again. */
export interface ArmsQuestion extends ArmsQuery {
  /** Given back with the answer. */
  readonly stage: number;
}

/** Control to watcher. */
export type ToWatcher =
  | { readonly kind: 'arms'; readonly questions: readonly ArmsQuestion[] }
  | { readonly kind: 'models'; readonly models: readonly WatchedVersion[] }
  /** The other machines, whose logs are watched too. */
  | { readonly kind: 'members'; readonly members: readonly { readonly ordinal: number; readonly address: string }[] }
  /** The next leader would go on from this copy. */
  | { readonly kind: 'published'; readonly key: string }
  | { readonly kind: 'drain' };

/** Watcher to control. */
export type FromWatcher =
  | { readonly kind: 'watching' }
  /** A copy of everything derived is in the shared store; segments are let go of once it is published. */
  | { readonly kind: 'copied'; readonly key: string }
  | { readonly kind: 'arms'; readonly question: ArmsQuestion; readonly compared: ComparedArms }
  | { readonly kind: 'event'; readonly event: Extract<LiveEvent, { kind: 'window' }> };
