import { ProfilePlan } from './profile-plan.ts';
import type { BaselineProfile } from './reference.ts';

/** A stored reference with the layout made from it. */
export interface VersionReference {
  readonly id: number;
  readonly baseline: BaselineProfile;
  readonly plan: ProfilePlan;
}

export function versionReference(id: number, baseline: BaselineProfile): VersionReference {
  return { id, baseline, plan: new ProfilePlan(baseline) };
}
