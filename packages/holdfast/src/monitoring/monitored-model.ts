import type { Signature } from '@holdfast/api';
import type { MonitorsConfig } from '../config/index.ts';
import type { BaselineProfile } from './profiles/reference.ts';

/** One version as the watcher needs to know it. All versions of a model share one monitors configuration. */
export interface MonitoredModel {
  readonly name: string;
  readonly version: number;
  readonly signature: Signature;
  readonly monitors: MonitorsConfig;
  /** Without one, the first live rows become the reference. */
  readonly baseline: BaselineProfile | undefined;
}
