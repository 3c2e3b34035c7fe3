import { Profile } from '../profiles/profile.ts';
import { ServiceProfile } from '../profiles/service-profile.ts';
import type { VersionReference } from '../profiles/version-reference.ts';

/** What was seen of one version in one span of time. */
export class Tally {
  readonly service: ServiceProfile;
  reference: VersionReference | undefined;
  profile: Profile | undefined;

  constructor(service = new ServiceProfile(), reference?: VersionReference, profile?: Profile) {
    this.service = service;
    this.reference = reference;
    this.profile = profile;
  }

  /** The profile laid out by this reference; one laid out by another is given up, as the two cannot be merged. */
  profileFor(reference: VersionReference): Profile {
    if (this.profile === undefined || this.reference?.id !== reference.id) {
      this.reference = reference;
      this.profile = new Profile(reference.plan);
    }
    return this.profile;
  }

  merge(other: Tally): this {
    this.service.merge(other.service);
    if (other.reference !== undefined && other.profile !== undefined) {
      this.profileFor(other.reference).merge(other.profile);
    }
    return this;
  }
}
