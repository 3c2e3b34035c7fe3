import type { VersionPolicy } from '../config/index.ts';

/** The versions that a policy serves of those that are there, in ascending order. */
export function servedVersions(available: readonly number[], policy: VersionPolicy): readonly number[] {
  const ascending = available.toSorted((a, b) => a - b);
  if (policy === 'all') return ascending;
  if ('latest' in policy) return ascending.slice(-policy.latest);
  return ascending.filter(version => policy.specific.includes(version));
}
